"""A dry run of one batch: looks its users up, and stores what the real run would make of them.

Nothing is changed, so nothing can be done twice: there is no lease, no claim and no entry before a call. Two workers at one
batch find the same, and what one that died has not stored is looked up again.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, Final

from cognito_import.errors import CallsStoppedError
from cognito_import.run.checkpoints import Checkpoint, Progress
from cognito_import.run.seal import seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_import.engine.user_pool import UserPool
    from cognito_import.outcomes import Outcome
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Batch

STORE_SECONDS: Final = 5.0
"""How much of a dead worker's time its successor repeats, at most."""

log = logging.getLogger(__name__)


def look_up(folder: RunFolder, batch: Batch, pool: UserPool, halted: Callable[[], bool]) -> list[Outcome]:
    """Look up the users of `batch` who have no outcome yet, and return the outcomes of all that have one.

    No user is begun once `halted` says so. Raises CallsStoppedError, RunFolderError and what
    `seal.seal` does; the outcomes so far are stored.
    """
    seal(folder, pool.settings, folder.required_manifest())
    progress, part, token = Progress(), Checkpoint(), uuid.uuid4().hex
    for checkpoint, _ in folder.checkpoints(batch.number):
        progress.add(checkpoint)
    pool.know(folder.read_members())
    left = [row for row in folder.rows(batch) if row.row not in progress.outcomes]
    stored = time.monotonic()
    try:
        for row in left:
            if halted():
                break
            outcome, calls = pool.foresee(row)
            part.outcomes.append(outcome)
            part.calls.append(list(calls))
            if time.monotonic() - stored > STORE_SECONDS:
                folder.write_checkpoint(batch.number, token, part)
                stored = time.monotonic()
                log.info("Batch %d: %d of %d users looked up.", batch.number, len(part.outcomes), len(left))
    except CallsStoppedError as stop:
        part.stopped = str(stop)
        raise
    finally:
        part.closed = True
        folder.write_checkpoint(batch.number, token, part)
    return [*progress.outcomes.values(), *part.outcomes]
