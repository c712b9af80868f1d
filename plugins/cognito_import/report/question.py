"""The question of a run that needs approval, on Airflow's page of required actions, in the settings' language."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cognito_import.report.rendering import templates
from cognito_import.report.survey import LATELY
from cognito_import.run.approval import may_answer

if TYPE_CHECKING:
    from datetime import datetime

    from cognito_import.report.survey import Survey
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

SAMPLE: Final = 5
"""How many addresses the question shows at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question: its subject, a line without personal data, and its body in Markdown.

    The body holds addresses, so it belongs on the page that is answered and nowhere else.
    """

    subject: str
    body: str


def question(folder: RunFolder, settings: Settings, answer_by: datetime, survey: Survey | None = None) -> Question:
    """Return the question: how many users, a sample, who asked, which user pool, until when. Raises RunFolderError.

    `survey` says what the users are like, if they could be looked up.
    """
    manifest = folder.required_manifest()
    values = {
        "manifest": manifest,
        "run": folder.run,
        "users": manifest.users - manifest.rejected_rows,
        "survey": survey,
        "days": LATELY.days,
        "rejected": manifest.rejected_rows,
        "sample": [
            row.useremail for row in islice(folder.all_rows(), SAMPLE)
        ],  # without white space: none ends the block
        "others_only": not may_answer(manifest, settings, manifest.asked_by),
        "answer_by": answer_by.astimezone(ZoneInfo(settings.time_zone)),
    }
    text = templates().get_template(f"approval.{settings.locale}.jinja").make_module(values)
    return Question(str(text.subject), str(text.body).strip())  # type: ignore[attr-defined]
