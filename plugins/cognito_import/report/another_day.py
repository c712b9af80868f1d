"""Who waits for another day, because Cognito's own sender mails few invitations a day: in a report's rows and its mail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cognito_import.engine.completion import WOULD_BE_INVITED
from cognito_import.inbox_files import is_from_inbox
from cognito_import.outcomes import WOULD_COMPLETE, WOULD_CREATE, Outcome
from cognito_import.run import daily_limit
from cognito_import.run.daily_limit import Share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.report.reasons import Reasons
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest


class Waiting(NamedTuple):
    """How many `users` wait for another day; the nightly run takes them up `by_night`.

    Of a dry run these are those whose invitations would go after `today`'s.
    """

    users: int = 0
    by_night: bool = False
    today: int = 0

    def then(self, unfinished: int) -> str:
        """Return what to do about so many unfinished users, as a sentence."""
        if self.users < unfinished:
            return (
                "Fix the cause, then clear the failed tasks with all behind them: finished users are not called again."
            )
        if self.by_night:
            return "There is nothing to do: they are left in the inbox, and the next night takes them up."
        return "From tomorrow, clear 'read_request' with Downstream: finished users are not called again."


def told(
    outcomes: Iterable[Outcome], folder: RunFolder, manifest: Manifest, reasons: Reasons
) -> tuple[list[Outcome], Waiting]:
    """Return the outcomes in the words of `reasons`, and who waits."""
    share = folder.read_share(Share)[0] if manifest.dry_run and manifest.invite else None
    shown, waiting, mailed = [], 0, 0
    for outcome in outcomes:
        said = reasons.told(outcome)
        waiting += daily_limit.is_met(outcome)
        if share and _would_be_mailed(outcome):
            mailed += 1
            if mailed > share.invitations:
                waiting += 1
                said = replace(said, message=f"{said.message}{reasons.not_today}")
        shown.append(said)
    return shown, Waiting(waiting, is_from_inbox(folder.run), min(mailed, share.invitations) if share else 0)


def _would_be_mailed(outcome: Outcome) -> bool:
    return outcome.code == WOULD_CREATE or (outcome.code == WOULD_COMPLETE and WOULD_BE_INVITED in outcome.message)
