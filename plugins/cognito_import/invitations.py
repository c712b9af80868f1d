"""How many invitations Cognito's own sender mails today, and who has to wait for another day.

::

    runs/invited/{moment}_{run}_{count}    how many of them a run's users take, for the runs of the next 24 hours

The limit is the account's, and others may use it, too: if it is met all the same, the calls stop.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cognito_import import pool_fit
from cognito_import.engine.calls import Calls, UserFailedError
from cognito_import.engine.completion import invites_again
from cognito_import.engine.pacing import Pacer
from cognito_import.errors import CallsStoppedError
from cognito_import.findings import Findings
from cognito_import.outcomes import POSTPONED, Outcome
from cognito_import.run.folder import INVITED, RunFolder
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.request.model import UserRow
    from cognito_import.settings import Settings

DAILY_MAILS: Final = 50
"""Mails a day with Cognito's own sender, for the account ("Quotas in Amazon Cognito", Amazon Cognito Developer Guide)."""
MAX_LOOKED_UP: Final = 5_000
"""Users of one list, at 20 a second some four minutes; whoever comes behind them counts as invited."""
_DAY: Final = timedelta(days=1)
_MOMENT: Final = "%Y%m%dT%H%M%SZ"
_WHY: Final = f"Cognito's own sender mails {DAILY_MAILS} invitations a day, and those of today are taken: "

log = logging.getLogger(__name__)


def todays_share(
    checked: Iterable[UserRow | Outcome],
    folder: RunFolder,
    settings: Settings,
    cognito: CognitoIdentityProviderClient | None,
    *,
    from_inbox: bool,
) -> Iterator[UserRow | Outcome]:
    """Yield what is `checked`, with an outcome in place of each row whose invitation has to wait for another day.

    Nobody is looked up before a list is longer than what may be mailed; then users who exist, and get no mail, do not
    count. At least one user is called for, so that a wrong count holds nobody up. Raises RunFolderError, PreflightError
    if the user pool cannot be looked at, and NotReadyError if it cannot be at this moment.
    """
    if cognito is None or not settings.invite or not _is_limited(cognito, settings):
        yield from checked
        return
    now = folder.now()
    left = max(1, DAILY_MAILS - _taken(folder, now))
    mailed = _Mailed(cognito, settings)
    first: list[UserRow] = []
    taken: int | None = None
    postponed = 0
    for one in checked:
        if isinstance(one, Outcome):
            yield one
            continue
        if len(first) < left:
            first.append(one)
            yield one
            continue
        if taken is None:
            taken = sum(map(mailed.to, first))
        if not postponed and (not mailed.to(one) or taken < left):
            taken += mailed.to(one)
            yield one
            continue
        postponed += 1
        then = "the next night takes this user up." if from_inbox else "run the failed rows again tomorrow."
        yield Outcome.failed(one.row, one.useremail, POSTPONED, _WHY + then)
    count = len(first) if taken is None else taken
    SharedObjects(folder.s3, folder.bucket, INVITED).write(f"{now.astimezone(UTC):{_MOMENT}}_{folder.run}_{count}", b"")
    log.info("Cognito's own sender: %d invitations go today, %d users wait for another day.", count, postponed)


def _is_limited(cognito: CognitoIdentityProviderClient, settings: Settings) -> bool:
    findings = Findings()
    pool = pool_fit.look_up(cognito, settings.user_pool_id, findings)
    findings.raise_if_any()
    return bool(pool.get("EmailConfiguration", {}).get("EmailSendingAccount", "COGNITO_DEFAULT") != "DEVELOPER")


def _taken(folder: RunFolder, now: datetime) -> int:
    """Return how many invitations other runs have taken within a day, those that have begun to make calls."""
    taken: dict[str, int] = {}  # a run that was read twice counts once
    for name, _, _ in SharedObjects(folder.s3, folder.bucket, INVITED).listed(
        f"{(now - _DAY).astimezone(UTC):{_MOMENT}}"
    ):
        run, _, count = name.partition("_")[2].rpartition("_")
        taken[run] = int(count)
    taken.pop(folder.run, None)
    others = ((RunFolder(folder.s3, folder.bucket, run).manifest(), count) for run, count in taken.items())
    return sum(count for manifest, count in others if manifest is not None and manifest.begun)


class _Mailed:
    """Tells who gets a mail, by looking users up at the steady pace of all slots."""

    def __init__(self, cognito: CognitoIdentityProviderClient, settings: Settings) -> None:
        self._settings = settings
        self._calls: Calls | None = Calls(
            cognito, settings.user_pool_id, Pacer(settings.pacing_seconds / settings.slots)
        )
        self._known: tuple[int, bool] = (0, True)
        self._looked_up = 0

    def to(self, row: UserRow) -> bool:
        """Return whether the user is mailed an invitation; in doubt it is."""
        if self._known[0] != row.row:
            self._known = row.row, self._look_up(row)
        return self._known[1]

    def _look_up(self, row: UserRow) -> bool:
        self._looked_up += 1
        if self._calls is None or self._looked_up > MAX_LOOKED_UP:
            return True
        try:
            return invites_again(row, self._calls.make("AdminGetUser", Username=row.useremail), self._settings)
        except UserFailedError:
            return True
        except CallsStoppedError as error:
            log.warning("Who exists already counts as invited, for nobody can be looked up: %s", error)
            self._calls = None
            return True
