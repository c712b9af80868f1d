"""Which users of a run wait for another day, because Cognito's own sender mails few invitations a day.

`invitations` decides it, and workers and reports read it here.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.outcomes import NOT_ATTEMPTED, Outcome
from cognito_import.records import STRICT, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest

DAILY_MAILS: Final = 50
"""Mails a day with Cognito's own sender, for the account ("Quotas in Amazon Cognito", Amazon Cognito Developer Guide)."""
CODE: Final = "LimitExceededException"
"""Cognito's own code for it."""
TEXT: Final = f"Cognito's own sender mails {DAILY_MAILS} invitations a day, and those of today are taken."
REASON: Final = f"{CODE}: {TEXT}"


@dataclass(frozen=True, slots=True, config=STRICT)
class Share(Record):
    """What a run has of a day's invitations: it calls for no user behind the row `last`.

    `invitations` is how many go until then. The rows in `handed_on` are another run's by now, so they are never called for.
    """

    last: int
    invitations: int = 0
    handed_on: list[int] = field(default_factory=list)


def waiting(folder: RunFolder, manifest: Manifest) -> Callable[[int], bool]:
    """Return what tells of a row whether its user is not called for today. Raises RunFolderError."""
    share = folder.read_share(Share)[0] if manifest.invite and not manifest.dry_run else None
    if share is None:
        return lambda _: False
    last, handed_on = share.last, frozenset(share.handed_on)
    return lambda row: row > last or row in handed_on


def is_met(outcome: Outcome) -> bool:
    """Return whether a user was left for the daily limit, be it that it was foreseen or that Cognito has said so."""
    return outcome.code == NOT_ATTEMPTED and outcome.message.startswith(f"{CODE}:")
