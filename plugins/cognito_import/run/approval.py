"""The consent to a run that takes something from its users: what is asked, what was answered, and what follows from it.

The question and its answer are kept in the run folder, so that nobody is touched without an answer there, and the
report can say who rejected it. Whether a run needs approval stands in its manifest, so no task can skip it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from pydantic.dataclasses import dataclass

from cognito_import.errors import NotApprovedError
from cognito_import.records import STRICT, Record

if TYPE_CHECKING:
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest
    from cognito_import.settings import Settings

ASKED: Final = "asked"
APPROVED: Final = "approved"
REJECTED: Final = "rejected"
LAPSED: Final = "lapsed"


Answer = Literal["asked", "approved", "rejected", "lapsed"]


@dataclass(frozen=True, slots=True, config=STRICT)
class Approval(Record):
    """Where the question stands.

    `answer` is one of the words above; `by` is who answered, or empty; `at` the moment of the question or the answer,
    ISO 8601 with its zone; `seconds` is how long an answer is waited for. `round` identifies the question: it
    is the same for every attempt to ask or to follow one. `rows` is what was asked about (see `Manifest.approved`).
    """

    answer: Answer
    at: str
    seconds: int
    by: str = ""
    round: int = 0
    rows: str = ""

    def reason(self, time_zone: str) -> str:
        """Return why nobody is touched, in a sentence for the report."""
        at = datetime.fromisoformat(self.at).astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M %Z")
        match self.answer:
            case "rejected":
                return f"The run was rejected by {self.by or 'somebody unknown'} on {at}."
            case "lapsed":
                return f"Nobody approved the run within {_span(self.seconds)}, by {at}."
            case _:
                return f"The run was not approved: it ended while the question of {at} was open."


def read(folder: RunFolder) -> Approval | None:
    """Return where the run's question stands, or None if nobody was asked. Raises RunFolderError."""
    return folder.read_approval(Approval)


def denied(folder: RunFolder) -> Approval | None:
    """Return the answer to the run's question if it is no yes to what the run would do now; None also if nobody was asked.

    Raises RunFolderError.
    """
    manifest = folder.required_manifest()
    asked = read(folder) if manifest.approve else None
    if asked is None or asked.answer != APPROVED:
        return asked
    return None if asked.rows == manifest.approved else replace(asked, answer=ASKED)


def write(folder: RunFolder, approval: Approval) -> None:
    """Store where the run's question stands, in place of what was stored before. Raises RunFolderError."""
    folder.write_approval(approval)


def require(folder: RunFolder) -> None:
    """Raise NotApprovedError if the run needs approval, unless its users were approved the last time that it was asked for.

    Raises RunFolderError.
    """
    manifest = folder.required_manifest()
    if not manifest.approve:
        return
    approval = read(folder)
    if approval is None or approval.answer != APPROVED:
        stands = "was never asked for" if approval is None else f"stands at {approval.answer!r}"
    elif approval.rows != manifest.approved:
        stands = "was given for other users, or another user pool"
    else:
        return
    message = f"The approval of this run {stands}, so no user is touched. Clear 'approve' to ask."
    raise NotApprovedError(message)


def may_answer(manifest: Manifest, settings: Settings, by: str) -> bool:
    """Return whether `by` may approve: not whoever asked for the run, unless the setting `approve_own` allows it."""
    return settings.approve_own or not manifest.asked_by or by != manifest.asked_by


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(seconds, length)
        if count > (1 if unit == "day" else 0) and not rest:
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{seconds} seconds"
