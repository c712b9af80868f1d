"""Works on a run's batches in threads of one process, as many at a time as there are slots."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cognito_import.engine import claims
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pace import pacers
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.engine.batches import Wanted
    from cognito_import.outcomes import Outcome
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Batch
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


def run_batches(  # noqa: PLR0913 - what a batch depends on
    folder: RunFolder,
    settings: Settings,
    client: CognitoIdentityProviderClient,
    batches: Iterable[Batch],
    *,
    halted: Callable[[], bool],
    wanted: Wanted = lambda *_: True,
    alone: Callable[[], bool] = lambda: True,
    told: Callable[[Outcome], None] = lambda _: None,
) -> CallsStoppedError | LeaseLostError | None:
    """Process `batches`, and return what ended one of them early, the gravest first; None if nothing did.

    An error that every further user would meet keeps further batches from beginning; that another run is at work on some
    users does not. `told` is called from the threads with each new outcome; the others are as for `run_batch`.
    """
    manifest = folder.required_manifest()
    make, free = pacers(settings, folder), SimpleQueue[Pacer]()
    for _ in range(settings.slots):
        free.put(make())
    stops: list[CallsStoppedError | LeaseLostError] = []

    def work(batch: Batch) -> None:
        if halted() or any(isinstance(stop, CallsStoppedError) and stop.code != claims.CODE for stop in stops):
            return
        pacer = free.get()
        try:
            pool = UserPool(client, manifest.applied_to(settings), pacer, jobtype=manifest.jobtype, told=told)
            run_batch(folder, batch, pool, wanted=wanted, halted=halted, alone=alone)
        except CallsStoppedError as stop:
            stops.append(stop)
        except LeaseLostError as lost:
            log.warning("Batch %d was taken over by another worker.", batch.number)
            stops.append(lost)
        finally:
            free.put(pacer)

    with ThreadPoolExecutor(settings.slots) as threads:
        list(threads.map(work, batches))
    return min(stops, key=_gravity, default=None)


def _gravity(stop: CallsStoppedError | LeaseLostError) -> int:
    if isinstance(stop, LeaseLostError):
        return 2
    return 1 if stop.temporary else 0
