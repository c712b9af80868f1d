"""The consent to a deletion: what is asked, what was answered, and what follows from it.

The question and its answer are kept in the run folder, so that nothing is deleted without an answer there, and the
report can tell who refused.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cognito_import.errors import NotApprovedError

if TYPE_CHECKING:
    from cognito_import.run_folder import Manifest, RunFolder
    from cognito_import.settings import Settings

ASKED: Final = "asked"
APPROVED: Final = "approved"
REJECTED: Final = "rejected"
LAPSED: Final = "lapsed"

SAMPLE: Final = 5
"""How many addresses the question shows at most."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Where the question stands.

    `answer` is one of the words above; `by` is who answered, or empty; `at` the moment of the question or the answer,
    ISO 8601 with its zone; `seconds` is how long an answer is waited for. `round` tells one question from the next: it
    is the same for every attempt to ask or to follow one.
    """

    answer: str
    at: str
    seconds: int
    by: str = ""
    round: int = 0

    def reason(self, time_zone: str) -> str:
        """Why nobody is deleted, in a sentence for the report."""
        at = datetime.fromisoformat(self.at).astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M %Z")
        match self.answer:
            case "rejected":
                return f"The deletion was rejected by {self.by or 'somebody unknown'} on {at}."
            case "lapsed":
                return f"Nobody approved the deletion within {_span(self.seconds)}, by {at}."
            case _:
                return f"The deletion was not approved: the run ended while the question of {at} was open."


def read(folder: RunFolder) -> Approval | None:
    """Where the run's question stands, or None if nobody was asked. Raises RunFolderError."""
    found = folder.read_approval()
    return None if found is None else Approval(**found)


def write(folder: RunFolder, approval: Approval) -> None:
    """Store where the run's question stands, in place of what was stored before. Raises RunFolderError."""
    folder.write_approval(asdict(approval))


def require(folder: RunFolder) -> None:
    """Raise NotApprovedError unless the deletion was approved, the last time that it was asked for."""
    approval = read(folder)
    if approval is None or approval.answer != APPROVED:
        stands = "was never asked for" if approval is None else f"stands at {approval.answer!r}"
        message = f"The approval of this deletion {stands}, so nobody is deleted. Clear 'approve_deletion' to ask."
        raise NotApprovedError(message)


def subject(manifest: Manifest) -> str:
    """The question in one line, without personal data."""
    return f"Delete {_users(manifest.users - manifest.refused)}?"


def question(folder: RunFolder, manifest: Manifest, settings: Settings, asked_by: str | None) -> str:
    """The question in Markdown: how many users, a sample, who asked, and where they would be deleted.

    It holds addresses, so it belongs on the page that is answered and nowhere else. Raises RunFolderError.
    """
    users = manifest.users - manifest.refused
    sample = [row.useremail for row in islice(folder.all_rows(), SAMPLE)]
    facts = [
        f"- Users to delete: **{users:,}**",
        f"- User pool: {_code(settings.user_pool_id)}",
        f"- Asked by: {_code(asked_by) if asked_by else 'not known to Airflow'}",
        f"- The report goes to: {_code(manifest.adminemail)}",
    ]
    if manifest.refused:
        facts.append(f"- Rows that did not pass the checks, whose users are left alone: {manifest.refused:,}")
    shown = "The users:" if len(sample) == users else f"The first {len(sample)} of them:"
    return "\n".join(
        [
            "**A deletion cannot be undone.** Nobody is touched before this is answered.",
            "",
            *facts,
            "",
            shown,
            "",
            "```text",
            *sample,  # without white space, so that no line can end the block
            "```",
            "",
            (
                f"**Approve** deletes them. **Reject** leaves them all as they are, and so does no answer within "
                f"{_span(settings.approval_seconds)}."
            ),
        ]
    )


def _users(count: int) -> str:
    return f"{count:,} user{'s' * (count != 1)}"


def _code(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "`" + "".join(mark if mark.isprintable() and mark != "`" else "'" for mark in text) + "`"


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(seconds, length)
        if count > (1 if unit == "day" else 0) and not rest:
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{seconds} seconds"
