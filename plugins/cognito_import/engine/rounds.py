"""The rounds of the state machine's Map: what is settled between them, and what the execution does next.

Users whom a call of a child may have reached are settled by the core's own worker; users whom surely no call reached go
into another round.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from cognito_import.engine import breaker, claims
from cognito_import.engine.children import weight
from cognito_import.engine.next_step import Next
from cognito_import.engine.patience import MAX_IDLE_SECONDS, MAX_WAIT_SECONDS, wait_seconds
from cognito_import.engine.plan import MAX_BATCH_BYTES
from cognito_import.engine.threads import run_batches
from cognito_import.errors import CallsStoppedError, LeaseLostError
from cognito_import.run import daily_limit
from cognito_import.run.checkpoints import Progress
from cognito_import.run.record_files import Stop
from cognito_import.run.seal import seal

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.request.model import UserRow
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

JSON = dict[str, Any]

MAX_ROUNDS: Final = 40
"""Rounds of one execution; its history then stays below 1,000 events."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Survey:
    """Where a run stands: its finished users, the batches with unsettled and with untouched ones, and the addresses of both.

    Users who are `waiting` for another day are neither.
    """

    progress: Progress = field(default_factory=Progress)
    busy_seconds: float = 0.0
    to_settle: set[int] = field(default_factory=set)
    untouched: set[int] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    waiting: bool = False

    @classmethod
    def of(cls, folder: RunFolder, settings: Settings) -> _Survey:
        manifest = folder.required_manifest()
        survey = cls()
        for _, checkpoint, age in folder.all_checkpoints():
            survey.progress.add(checkpoint)
            if not checkpoint.closed:
                survey.busy_seconds = max(survey.busy_seconds, checkpoint.busy_seconds - age)
        waits = daily_limit.waiting(folder, manifest)
        batches = iter(manifest.batches)
        batch = next(batches, None)
        for row in folder.all_rows():
            while batch is not None and row.row > batch.last:
                batch = next(batches, None)
            if batch is None or row.row in survey.progress.outcomes:
                continue
            if waits(row.row):
                survey.waiting = True
                continue
            survey.left.add(claims.folded(row.useremail))
            by_worker = manifest.dry_run or _is_for_worker(row, survey.progress, settings, manifest.jobtype)
            (survey.to_settle if by_worker else survey.untouched).add(batch.number)
        return survey


def _is_for_worker(row: UserRow, progress: Progress, settings: Settings, jobtype: str) -> bool:
    """Return whether no child may have the user: a call may have reached it, or it is too large for a state."""
    return row.row in progress.unsettled or weight(row, settings, jobtype) > MAX_BATCH_BYTES


def settle(
    folder: RunFolder, settings: Settings, client: CognitoIdentityProviderClient, before: Next, *, seconds: float
) -> Next:
    """Settle whom earlier calls may have reached, in `seconds` at most, and say what the execution does next.

    `before` is what it was told the last time. Raises RunFolderError and what :func:`~cognito_import.run.seal.seal` does.
    """
    until = time.monotonic() + seconds
    dry_run = seal(folder, settings, folder.required_manifest()).dry_run
    survey = _Survey.of(folder, settings)
    if survey.busy_seconds > 0:
        log.info("Waiting until an earlier child of the run has surely ended.")
        return replace(before, step="wait", seconds=min(MAX_WAIT_SECONDS, math.ceil(survey.busy_seconds)))
    elsewhere = set() if dry_run else claims.contested(folder, survey.left)
    if elsewhere:
        # Mapped tasks that begin find that this execution holds the lock, and wait, so only those under way have to end.
        log.info("Waiting until other runs have left %d of the users.", len(elsewhere))
        return _waiting(before, f"{claims.CODE}: {claims.reason(len(elsewhere))}")
    stop: CallsStoppedError | None = None
    try:
        breaker.begin(folder)
        if survey.to_settle:
            stop = _settle_batches(folder, settings, client, survey, until)
            survey = _Survey.of(folder, settings)
        if not dry_run:  # whose users all may fail alike: that is what it is to find out
            breaker.judge(folder, survey.progress.outcomes.values())
    except CallsStoppedError as alike:
        log.warning("%s", alike)
    finished = len(survey.progress.outcomes)
    idle = 0 if finished > before.finished else before.idle_seconds
    told = replace(before, finished=finished, idle_seconds=idle, waited=False, seconds=0)
    if question := breaker.unanswered(folder):
        return replace(told, step="report", kind="asked", detail=question.reason)
    failure = folder.stopped_round(before.round) if before.round else None
    if stop is not None:
        failure = Stop(str(stop), stop.temporary)
    return _next(folder, told, survey, failure, waited=before.waited)


def _next(folder: RunFolder, told: Next, survey: _Survey, failure: Stop | None, *, waited: bool) -> Next:
    """Return what follows from where the run stands; `failure` is what the calls met last, and whether it may pass by itself."""
    detail = failure.reason if failure else ""
    if failure and not failure.temporary:
        return replace(told, step="report", kind="stopped", detail=detail)
    if not survey.to_settle and not survey.untouched:
        kind, detail = ("stopped", daily_limit.REASON) if survey.waiting else ("", "")
        return replace(told, step="report", kind=kind, detail=detail)
    if told.idle_seconds >= MAX_IDLE_SECONDS or told.rounds >= MAX_ROUNDS:
        return replace(told, step="report", kind="unfinished", detail=detail)
    if survey.untouched and (waited or failure is None):
        number = folder.begin_round(sorted(survey.untouched))
        return replace(told, step="map", round=number, key=folder.round_key(number), rounds=told.rounds + 1)
    if failure is None:  # the time of this call was over
        return replace(told, step="wait", seconds=1, waited=True)
    return _waiting(told, detail)


def _waiting(told: Next, detail: str) -> Next:
    """Wait; report if nobody was finished for too long."""
    if told.idle_seconds >= MAX_IDLE_SECONDS:
        return replace(told, step="report", kind="unfinished", detail=detail)
    wait = wait_seconds(told.idle_seconds)
    return replace(told, step="wait", seconds=wait, idle_seconds=told.idle_seconds + wait, waited=True)


def _settle_batches(
    folder: RunFolder,
    settings: Settings,
    client: CognitoIdentityProviderClient,
    survey: _Survey,
    until: float,
) -> CallsStoppedError | None:
    """Have the core's worker process the users to settle, as many at a time as there are slots. Returns what stopped it."""
    manifest = folder.required_manifest()

    waits = daily_limit.waiting(folder, manifest)

    def wanted(row: UserRow, progress: Progress) -> bool:
        return _is_for_worker(row, progress, settings, manifest.jobtype) and not waits(row.row)

    batches = [manifest.batches[number - 1] for number in sorted(survey.to_settle)]
    stop = run_batches(folder, settings, client, batches, wanted=wanted, halted=lambda: time.monotonic() > until)
    return None if isinstance(stop, LeaseLostError) else stop
