"""Processes one batch so that a death at any moment loses and repeats nothing; see `worker`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognito_import.engine import dry_run
from cognito_import.engine.worker import Worker
from cognito_import.errors import CallsStoppedError, LeaseLostError
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.run import daily_limit
from cognito_import.run.checkpoints import Progress

if TYPE_CHECKING:
    from cognito_import.engine.user_pool import UserPool
    from cognito_import.request.model import UserRow
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Batch

GRACE: Final = 5.0
"""Seconds added to the longest time that a worker can be at one user, before it counts as dead."""
_FENCERS: Final = 16

log = logging.getLogger(__name__)
Wanted = Callable[["UserRow", Progress], bool]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Counts of one batch, over all workers it had."""

    users: int
    succeeded: int
    failed: int


def run_batch(  # noqa: PLR0913 - the last two are for the state machine's function and for tests
    folder: RunFolder,
    batch: Batch,
    pool: UserPool,
    *,
    wanted: Wanted = lambda *_: True,
    halted: Callable[[], bool] = lambda: False,
    alone: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], None] = time.sleep,
) -> BatchResult:
    """Process the users of `batch` who have no outcome yet, those that are `wanted`.

    No user is begun once `halted` says so, or unless the other engine leaves this one `alone`. A
    user whom the service fails to the last attempt is left for later while it serves others, and so is one whom another
    run may be calling for. Raises CallsStoppedError for an error that every further user would meet too, if the run's
    first users all failed alike (see `breaker`), and at the end if any user was left; LeaseLostError when another worker
    has taken the batch over; RunFolderError when outcomes cannot be stored; and what `seal.seal` does if nobody may be
    called for. Whatever ends it, the outcomes so far are stored. Of a dry run the users are looked up, and nobody is changed.
    """
    if folder.required_manifest().dry_run:
        return _counted(batch, dry_run.look_up(folder, batch, pool, halted))
    rows = folder.rows(batch)
    longest = GRACE + max((pool.max_seconds(row) for row in rows), default=0.0)
    worker = Worker(folder, batch, longest, sleep)
    worker.begin(pool.settings)
    progress = worker.take_over()
    worker.meter = pool.pacer.meter(folder.now().timestamp())
    left = [row for row in rows if row.row not in progress.outcomes and wanted(row, progress)]
    waits = daily_limit.waiting(folder, folder.required_manifest())
    left, waiting = [row for row in left if not waits(row.row)], [row for row in left if waits(row.row)]
    if len(left) < len(rows):
        log.info("Batch %d: %d of %d users are left.", batch.number, len(left), len(rows))
    try:
        worker.work(worker.claim(left, alone), progress, pool, halted)
        if waiting:
            raise CallsStoppedError(daily_limit.CODE, daily_limit.TEXT)
        worker.close()
    except CallsStoppedError as stop:
        worker.close(stopped=str(stop))
        raise
    except LeaseLostError:
        worker.close()
        raise
    return _counted(batch, [*progress.outcomes.values(), *worker.checkpoint.outcomes])


def _counted(batch: Batch, outcomes: list[Outcome]) -> BatchResult:
    succeeded = sum(outcome.status == SUCCEEDED for outcome in outcomes)
    return BatchResult(batch.size, succeeded, batch.size - succeeded)


def fence(folder: RunFolder, batches: list[Batch], *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return once nobody calls for any of `batches` any more: take their leases, and wait for workers to see it.

    Raises RunFolderError.
    """

    def take(batch: Batch) -> None:
        Worker(folder, batch, 0.0, sleep).take_over()

    with ThreadPoolExecutor(_FENCERS) as pool:
        list(pool.map(take, batches))
