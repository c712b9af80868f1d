"""How many invitations Cognito's own sender mails today, and who has to wait for another day.

::

    runs/invited/{moment}_{run}_{count}     how many of them a run's users take, for the runs of the same day
    runs/invited/{moment}_{run}_{count}+    how many more, when the run is continued

Nobody is called for who has to wait: the run fails, and whoever continues it another day has that day's invitations go. The
limit is the account's, and others may use it, too: if it is met all the same, the calls stop.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from cognito_import import pool_fit
from cognito_import.engine.calls import Calls, UserFailedError
from cognito_import.engine.completion import invites_again
from cognito_import.engine.pacing import Pacer
from cognito_import.errors import CallsStoppedError
from cognito_import.findings import Findings
from cognito_import.run import daily_limit
from cognito_import.run.daily_limit import Share
from cognito_import.run.folder import INVITED, RunFolder
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.request.model import UserRow
    from cognito_import.run.manifest import Batch, Manifest
    from cognito_import.settings import Settings

MAX_LOOKED_UP: Final = 5_000
"""Users of one list, at 20 a second some four minutes; whoever comes behind them counts as invited."""
_RESET: Final = time(9, tzinfo=UTC)
"""When the limit begins anew each day ("Quotas in Amazon Cognito", Amazon Cognito Developer Guide). So a nightly
run has a day's share each night, at whatever hour."""
_MOMENT: Final = "%Y%m%dT%H%M%SZ"

log = logging.getLogger(__name__)


def share_out(
    manifest: Manifest, settings: Settings, folder: RunFolder, cognito: CognitoIdentityProviderClient
) -> Share | None:
    """Store and return for whom the run may call today; None if all may be called for.

    Nobody is looked up before a list is longer than what may be mailed; then users who exist, and get no mail, do not
    count. At least one user is called for at first, so that a wrong count holds nobody up. Raises RunFolderError,
    PreflightError if the user pool cannot be looked at, and NotReadyError if it cannot be at this moment.
    """
    if manifest.jobtype != "import" or not manifest.invite:
        return None
    share, version = folder.read_share(Share)
    if not _is_limited(cognito, settings):
        if share and share.last < manifest.users:  # the user pool has another sender since
            folder.write_share(replace(share, last=manifest.users), version)
        return None
    if manifest.dry_run:  # whose report counts who would be mailed
        share = Share(manifest.users, max(1, _left(folder)))
        folder.write_share(share, version)
        return share
    if share is None or not manifest.begun:  # a run that has called for nobody is shared out anew
        progress = folder.progress() if manifest.begun else None
        share = Share(max((*progress.outcomes, *progress.unsettled), default=0) if progress else 0)
    return _extend(manifest, folder, share, version, _Mailed(cognito, manifest.applied_to(settings)))


def share_out_again(manifest: Manifest, settings: Settings, folder: RunFolder, batch: Batch) -> None:
    """Have users of the batch called for who had to wait, if that was another day; all of them count as invited.

    Whoever clears a run's failed tasks alone does not clear `preflight`. Raises RunFolderError.
    """
    if not manifest.invite or manifest.dry_run:
        return
    share, version = folder.read_share(Share)
    if share and share.last < batch.last:
        # Its share of today counts from now on, though this worker may be the first: else the same would go twice.
        _extend(folder.seal(manifest), folder, share, version, _Mailed(None, settings))


def hand_on(folder: RunFolder, manifest: Manifest, rows: list[int]) -> None:
    """Store that the users of these rows are another run's from now on. Raises RunFolderError."""
    share, version = folder.read_share(Share)
    folder.write_share(replace(share or Share(manifest.users), handed_on=rows), version)


def handed_on(folder: RunFolder) -> bool:
    """Return whether the run has handed its users on. Raises RunFolderError."""
    share, _ = folder.read_share(Share)
    return share is not None and bool(share.handed_on)


def _extend(manifest: Manifest, folder: RunFolder, share: Share, version: str | None, mailed: _Mailed) -> Share:
    """Have as many more users called for as are left of the day's invitations. Whoever is slower at it leaves it."""
    left = _left(folder)
    if share.last == 0:
        left = max(1, left)
    if share.handed_on or left <= 0:
        return share
    rows = (row for row in folder.all_rows() if row.row > share.last)
    first = list(islice(rows, left))
    last, count, following = manifest.users, len(first), next(rows, None)
    if following is not None:
        last, count = first[-1].row, sum(map(mailed.to, first))
        for row in chain([following], rows):
            if mailed.to(row) and count == left:
                break
            last, count = row.row, count + mailed.to(row)
        else:
            last = manifest.users
    extended = replace(share, last=last, invitations=count)
    if folder.write_share(extended, version):
        again = "+" * manifest.begun
        _ledger(folder).write(f"{folder.now().astimezone(UTC):{_MOMENT}}_{folder.run}_{count}{again}", b"")
        waits = "" if last == manifest.users else f", and the users behind row {last:,} wait for another day"
        log.info("Cognito's own sender: %d invitations go today%s.", count, waits)
    return extended


def _is_limited(cognito: CognitoIdentityProviderClient, settings: Settings) -> bool:
    findings = Findings()
    pool = pool_fit.look_up(cognito, settings.user_pool_id, findings)
    findings.raise_if_any()
    return _has_own_sender(pool)


def _has_own_sender(pool: Mapping[str, Any]) -> bool:
    return bool(pool.get("EmailConfiguration", {}).get("EmailSendingAccount", "COGNITO_DEFAULT") != "DEVELOPER")


def day_began(now: datetime) -> datetime:
    """Return when the limit last began anew."""
    reset = datetime.combine(now.astimezone(UTC), _RESET)
    return reset if reset <= now else reset - timedelta(days=1)


def days_needed(pool: Mapping[str, Any], users: int) -> list[str]:
    """Return a warning if more users are to be invited than the `pool`, as DescribeUserPool describes it, mails in a day."""
    if not _has_own_sender(pool) or users <= daily_limit.DAILY_MAILS:
        return []
    warning = (
        f"Cognito's own sender mails {daily_limit.DAILY_MAILS} invitations a day, and the list has {users:,} users: the report "
        "says who has to wait for another day. Continue the run then, or have the user pool send by SES."
    )
    return [warning]


def _left(folder: RunFolder) -> int:
    """Return how many invitations runs that make calls, this one included, have left of the day's."""
    first, more = Counter[str](), Counter[str]()
    after = f"{day_began(folder.now()):{_MOMENT}}"
    for name, _, _ in _ledger(folder).listed(after):
        run, _, count = name.partition("_")[2].rpartition("_")
        if count.endswith("+"):
            more[run] += int(count[:-1])
        else:  # the last one holds: a run that has called for nobody is shared out anew
            first[run] = int(count)
    runs = ((RunFolder(folder.s3, folder.bucket, run).manifest(), count) for run, count in (first + more).items())
    return daily_limit.DAILY_MAILS - sum(count for manifest, count in runs if manifest and manifest.begun)


def _ledger(folder: RunFolder) -> SharedObjects:
    return SharedObjects(folder.s3, folder.bucket, INVITED)


class _Mailed:
    """Tells who gets a mail, by looking users up at the steady pace of all slots; without a client everybody does."""

    def __init__(self, cognito: CognitoIdentityProviderClient | None, settings: Settings) -> None:
        self._settings = settings
        pacer = Pacer(settings.pacing_seconds / settings.slots)
        self._calls = Calls(cognito, settings.user_pool_id, pacer) if cognito else None
        self._known: tuple[int, bool] = (0, True)
        self._left = MAX_LOOKED_UP

    def to(self, row: UserRow) -> bool:
        """Return whether the user is mailed an invitation; in doubt it is."""
        if self._known[0] != row.row:
            self._known = row.row, self._look_up(row)
        return self._known[1]

    def _look_up(self, row: UserRow) -> bool:
        self._left -= 1
        if self._calls is None or self._left < 0:
            return True
        try:
            return invites_again(row, self._calls.make("AdminGetUser", Username=row.useremail), self._settings)
        except UserFailedError:
            return True
        except CallsStoppedError as error:
            log.warning("Who exists already counts as invited, for nobody can be looked up: %s", error)
            self._calls = None
            return True
