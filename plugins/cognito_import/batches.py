"""Splitting the rows into batches, and working one batch off so that a death at any moment loses and repeats nothing.

A worker takes the batch's lease, reads what earlier workers have stored, and goes on behind it. Before each user it
looks whether the lease is still its own; after each user it stores its part of the outcomes, together with the user it
goes to next. So of the users without an outcome only the one an earlier worker was going to can have been touched.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, TypeVar

from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from cognito_import.errors import CallsStoppedError, LeaseLostError, RunFolderError
from cognito_import.outcomes import INTERRUPTED, SUCCEEDED, Outcome
from cognito_import.parts import Known, Part
from cognito_import.user_pool import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_import.request import UserRow
    from cognito_import.run_folder import Batch, Rows, RunFolder
    from cognito_import.user_pool import UserPool

LARGEST_BATCH: Final = {"mapped": 300, "step_functions": 150}
"""Users. At one a second a mapped task then ends within about five minutes, and a child of the state machine, which may
not take longer than five, has as long again for what has to be repeated."""
LONGEST_BATCH: Final = 96 * 1024
"""Bytes that the rows of a batch may take on average; a state's data may not exceed 256 KiB (Step Functions)."""
MOST_BATCHES: Final = 1_000
"""Below Airflow's usual limit of 1,024 mapped tasks."""
GRACE: Final = 5.0
"""Seconds added to the longest time that a worker can be at one user, before it is taken for gone."""
FOLDER_PATIENCE: Final = 600.0
"""Seconds for which a worker waits, without calling for anybody, until S3 takes what it has to store."""
_PROGRESS_SECONDS: Final = 15.0
INTERRUPTED_MESSAGE: Final = (
    "The worker ended while this user was under way, so it is not known what became of the user. "
    "Clear the failed task: it finishes the user."
)

log = logging.getLogger(__name__)
T = TypeVar("T")


def plan(rows: Rows, slots: int, engine: str) -> list[Batch]:
    """Split the rows into batches for `slots` workers at a time.

    Up to two users for each slot get a batch of their own; more share batches of at most as many users as the engine's
    worker can process in one go, as many for each slot, so that all slots end at about the same time.
    """
    users, largest = len(rows), LARGEST_BATCH[engine]
    if users <= 2 * slots:
        count = users
    else:
        rounds = math.ceil(users / (slots * largest))
        # Rows of many attributes are long, and a state machine reads a batch into its state.
        rounds = max(rounds, math.ceil(rows.length / (slots * LONGEST_BATCH)))
        count = min(rounds * slots, users)
    if engine == "mapped":
        count = min(count, MOST_BATCHES)
    edges = [users * number // max(count, 1) for number in range(count + 1)]
    return [rows.batch(number, *edges[number - 1 : number + 1]) for number in range(1, count + 1)]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Counts of one batch, over all workers it had."""

    users: int
    succeeded: int
    failed: int


def run_batch(
    folder: RunFolder, batch: Batch, pool: UserPool, *, sleep: Callable[[float], None] = time.sleep
) -> BatchResult:
    """Process the users of `batch` who have no outcome yet.

    Raises LeaseLostError when another worker has taken the batch over, CallsStoppedError for an error that every
    further user would meet too, and RunFolderError when outcomes cannot be stored. Whatever ends it, the outcomes
    so far are stored.
    """
    rows = folder.rows(batch)
    worker = _Worker(folder, batch, sleep)
    known = worker.take_over(GRACE + max((pool.seconds_at_most(row) for row in rows), default=0.0))
    left = [row for row in rows if row.row not in known.outcomes]
    if len(left) < len(rows):
        log.info("Batch %d: going on behind %d of %d users.", batch.number, len(rows) - len(left), len(rows))
    try:
        worker.work(left, known, pool)
        worker.close()
    except CallsStoppedError as stop:
        worker.close(stopped=str(stop), pending=stop.pending)
        raise
    except LeaseLostError:
        worker.close(pending=worker.part.pending)
        raise
    outcomes = [*known.outcomes.values(), *worker.part.outcomes]
    succeeded = sum(outcome.status == SUCCEEDED for outcome in outcomes)
    return BatchResult(batch.size, succeeded, batch.size - succeeded)


class _Worker:
    """One worker at one batch: its token, and its part of the outcomes."""

    def __init__(self, folder: RunFolder, batch: Batch, sleep: Callable[[float], None]) -> None:
        self._folder = folder
        self._batch = batch
        self._sleep = sleep
        self._token = uuid.uuid4().hex
        self.part = Part()

    def take_over(self, grace: float) -> Known:
        """Take the lease and read what earlier workers have stored, once none of them can be calling any more.

        An earlier worker looks at the lease before each user, so it is gone when it has said so (`closed`) or has
        stored nothing for `grace` seconds.
        """
        self._patiently(lambda: self._folder.take_lease(self._batch.number, self._token))
        while True:
            parts = self._patiently(lambda: self._folder.parts(self._batch.number))
            busy = [grace - quiet for part, quiet in parts if not part.closed and quiet < grace]
            if not busy:
                known = Known()
                for part, _ in parts:
                    known.add(part, self._batch.number)
                return known
            log.info("Batch %d: waiting until its earlier worker has surely ended.", self._batch.number)
            self._sleep(min(2.0, *busy))

    def check_lease(self) -> None:
        """Raise LeaseLostError unless this worker is still the one that may call."""
        if not self._patiently(lambda: self._folder.holds_lease(self._batch.number, self._token)):
            message = f"Batch {self._batch.number} was taken over by another worker; this one makes no further call."
            raise LeaseLostError(message)

    def work(self, rows: list[UserRow], known: Known, pool: UserPool) -> None:
        """Process the rows one after another, storing after each."""
        told = time.monotonic()
        for row, following in zip_longest(rows, rows[1:]):
            if row is rows[0]:
                self._go_to(row)
            self.check_lease()
            outcome = pool.process(row, Turn(known.pending.get(row.row), self.check_lease, self._found))
            self.part.outcomes.append(outcome)
            self._go_to(following)
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                done = len(self.part.outcomes)
                failed = sum(outcome.status != SUCCEEDED for outcome in self.part.outcomes)
                log.info("Batch %d: %d of %d users done, %d failed.", self._batch.number, done, len(rows), failed)

    def close(self, stopped: str | None = None, pending: Outcome | None = None) -> None:
        """Store that this worker makes no further call."""
        self.part.closed = True
        self.part.stopped = stopped
        self.part.pending = pending
        self._store()

    def _found(self, username: str) -> None:
        """Store the name of the user whom this worker is at. That may have taken long, so look at the lease again."""
        if self.part.pending:
            self.part.pending = replace(self.part.pending, username=username)
        self._store()
        self.check_lease()

    def _go_to(self, row: UserRow | None) -> None:
        self.part.pending = (
            None if row is None else Outcome.failed(row.row, row.useremail, INTERRUPTED, INTERRUPTED_MESSAGE)
        )
        self._store()

    def _store(self) -> None:
        self._patiently(lambda: self._folder.write_part(self._batch.number, self._token, self.part))

    def _patiently(self, step: Callable[[], T]) -> T:
        """Do a step in the run folder. While S3 fails, wait: no user is called whose outcome could be lost."""
        attempts = Retrying(
            retry=retry_if_exception_type(RunFolderError),
            stop=stop_after_delay(FOLDER_PATIENCE),
            wait=wait_exponential(max=10),
            sleep=self._sleep,
            before_sleep=before_sleep_log(log, logging.WARNING),
            reraise=True,
        )
        return attempts(step)
