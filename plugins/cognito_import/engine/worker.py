"""One worker at one batch: its lease, and its part of the outcomes.

A worker takes the batch's lease, reads what earlier workers have stored, and goes on with the users who have no outcome.
Before each user it looks whether the lease is still its own; after each user it stores its part of the outcomes,
together with the user it goes to next as unsettled. So of the users without an outcome only those named as unsettled
can have been touched.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from cognito_import.engine import claims
from cognito_import.engine.breaker import Watch
from cognito_import.engine.claims import Claim
from cognito_import.engine.jobs import ResumeState
from cognito_import.engine.patience import Patience
from cognito_import.engine.precedence import Precedence
from cognito_import.errors import CallsStoppedError, LeaseLostError
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.run.checkpoints import Checkpoint, Progress, Unsettled, Work
from cognito_import.run.seal import seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cognito_import.engine.user_pool import UserPool
    from cognito_import.request.model import UserRow
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Batch
    from cognito_import.settings import Settings

FRESH: Final = 2.5
"""Seconds ago, at most, that a worker has stored its part when it calls: well below the grace that is added to the longest
time that it can be at one user."""
FAULTS_IN_A_ROW: Final = 2
"""Users whom the service failed one after another, to the last attempt: then it fails everybody, and the batch ends."""
CLOCK_STEP: Final = 1.0
"""Seconds: the precision of the moments that S3 gives."""
_PROGRESS_SECONDS: Final = 15.0

log = logging.getLogger(__name__)


class Worker:
    """One worker at one batch: its token, and its part of the outcomes."""

    def __init__(self, folder: RunFolder, batch: Batch, busy_seconds: float, sleep: Callable[[float], None]) -> None:
        self._folder = folder
        self._batch = batch
        self._sleep = sleep
        self._retrying = Patience(sleep)
        self._token = uuid.uuid4().hex
        self.checkpoint = Checkpoint(busy_seconds=busy_seconds)
        self._unsettled: dict[int, Unsettled] = {}
        self._stored = -math.inf
        self._taken: datetime | None = None
        self._claim: Claim | None = None
        self._alone: Callable[[], bool] = lambda: True
        self._contested: set[str] = set()
        self._alive = -math.inf
        self._lapsed = False
        self.meter: Callable[[int], Work | None] = lambda _: None

    def begin(self, settings: Settings) -> None:
        """Make sure that the run's users may be called for, and that this batch is one of theirs."""
        read = self._folder.required_manifest()
        self._retrying(lambda: seal(self._folder, settings, read))

    def take_over(self) -> Progress:
        """Take the lease and read what earlier workers have stored, once none of them can be calling any more.

        An earlier worker looks at the lease before each user, so it is gone when it has said so (`closed`) or has
        stored nothing for its `busy_seconds`.
        """
        self._retrying(lambda: self._folder.take_lease(self._batch.number, self._token))
        self._taken = self._folder.now()
        while True:
            checkpoints = self._retrying(lambda: self._folder.checkpoints(self._batch.number))
            busy = [left for one, age in checkpoints if not one.closed and (left := one.busy_seconds - age) > 0]
            if not busy:
                progress = Progress()
                for checkpoint, _ in checkpoints:
                    progress.add(checkpoint)
                return progress
            log.info("Batch %d: waiting until its earlier worker has surely ended.", self._batch.number)
            self._sleep(min(2.0, *busy))

    def check_lease(self) -> None:
        """Raise LeaseLostError unless this worker is still the one that may call.

        Whoever takes over waits from the last time that something was stored. So if that was a while ago, for S3 was slow
        or a call is repeated, the part is stored again before the call that follows.
        """
        while True:
            if not self._retrying(lambda: self._folder.holds_lease(self._batch.number, self._token)):
                message = f"Batch {self._batch.number} was taken over by another worker; this one calls no more."
                raise LeaseLostError(message)
            if self._lapsed:
                self._stake()
                if self._contested:
                    self._lapsed = True  # nobody is called any more
                    raise self._overlap()
            elif time.monotonic() - self._stored <= FRESH:
                return
            else:
                self._store()

    def claim(self, rows: list[UserRow], alone: Callable[[], bool]) -> list[UserRow]:
        """Claim the users, and return those whom no other run may be calling for; see `claims`.

        Raises CallsStoppedError unless the other engine leaves this one `alone`.
        """
        self._alone = alone
        if rows:
            self._claim = Claim(self._folder, self._batch.number, self._token, rows, self.checkpoint.busy_seconds)
            self._stake(self._taken)
        return [row for row in rows if claims.folded(row.useremail) not in self._contested]

    def _stake(self, ended_before: datetime | None = None) -> None:
        claim = self._claim
        if claim is None:
            return
        began = time.monotonic()
        self._contested = self._retrying(lambda: claim.stake(ended_before))
        # Behind the claim: an execution that acquires the lock after this look finds the claim, and waits.
        if not self._alone():
            raise CallsStoppedError(claims.CODE, "An execution of the state machine is under way.", temporary=True)
        self._alive, self._lapsed = began, False

    def _overlap(self) -> CallsStoppedError:
        return CallsStoppedError(claims.CODE, claims.reason(len(self._contested)), temporary=True)

    def work(self, rows: list[UserRow], progress: Progress, pool: UserPool, halted: Callable[[], bool]) -> None:
        """Process the rows one after another, storing after each."""
        told = time.monotonic()
        precedence = Precedence(self._folder, rows)
        faults, left = 0, self._overlap() if self._contested else None
        watch = self._retrying(lambda: Watch(self._folder, progress.outcomes.values()))
        for row, following in zip_longest(rows, rows[1:]):
            if halted():
                self._leave(row, None)  # named as the next, and not begun
                break
            if row is rows[0]:
                self._go_to(row, progress)
            try:
                self._may_call(pool)
            except (LeaseLostError, CallsStoppedError):
                self._leave(row, None)  # as above
                raise
            # The entry of this user is stored already, so `left` is what earlier workers knew.
            resume = self._resume_state(row, progress, precedence, pool)
            outcome = None
            try:
                outcome = pool.process(row, resume)
            except CallsStoppedError as stop:
                self._leave(row, stop.pending)
                faults, left = faults + 1, stop
                if not stop.temporary or faults == FAULTS_IN_A_ROW:
                    raise
                log.warning("Batch %d: a user is left for later: %s", self._batch.number, stop.code)
            else:
                faults = 0
                self._leave(row, None)
                self.checkpoint.outcomes.append(outcome)
            self._go_to(following, progress)
            self._look(watch, outcome, following)
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                done = len(self.checkpoint.outcomes)
                failed = sum(outcome.status != SUCCEEDED for outcome in self.checkpoint.outcomes)
                log.info("Batch %d: %d of %d users done, %d failed.", self._batch.number, done, len(rows), failed)
        if left is not None:
            raise left

    def _may_call(self, pool: UserPool) -> None:
        """Keep up with the pace of all slots, and raise as `check_lease` does. In this order: the former may take long."""
        pool.pacer.share()
        self.check_lease()

    def _resume_state(self, row: UserRow, progress: Progress, others: Precedence, pool: UserPool) -> ResumeState:
        return ResumeState(
            progress.unsettled.get(row.row),
            self._folder.now(),
            lambda: self._may_call(pool),
            self._found,
            lambda *user: self._retrying(lambda: others.objection(*user)),
            lambda *user: self._made_elsewhere(others, *user),
        )

    def _made_elsewhere(self, others: Precedence, address: str, username: str) -> bool:
        """Return whether another run has created the user. That may take long, so check the lease before the next call."""
        made = self._retrying(lambda: others.made_elsewhere(address, username))
        self.check_lease()
        return made

    def close(self, stopped: str | None = None) -> None:
        """Store that this worker makes no further call."""
        self.checkpoint.closed = True
        self.checkpoint.stopped = stopped
        self._store()
        if self._claim:
            self._claim.withdraw()

    def _look(self, watch: Watch, outcome: Outcome | None, following: UserRow | None) -> None:
        """Raise CallsStoppedError, and leave the user who is next, if the run's first users all failed alike."""
        try:
            self._retrying(lambda: watch.look(outcome))
        except CallsStoppedError:
            if following is not None:
                self._leave(following, None)
            raise

    def _found(self, username: str) -> None:
        """Store the name of the user whom this worker is at. That may have taken long, so look at the lease again."""
        row, entry = self._unsettled.popitem()  # the newest
        self._unsettled[row] = replace(entry, username=username)
        self._store()
        self.check_lease()

    def _go_to(self, row: UserRow | None, progress: Progress) -> None:
        if row is not None:
            entry = Unsettled(row.row, row.useremail, self._folder.now().isoformat())
            self._unsettled[row.row] = entry.merged(progress.unsettled.get(row.row))
        self._store()

    def _leave(self, row: UserRow, pending: Unsettled | None) -> None:
        self._unsettled.pop(row.row, None)
        if pending is not None:
            self._unsettled[row.row] = pending

    def _store(self) -> None:
        self.checkpoint.unsettled = list(self._unsettled.values())
        self.checkpoint.work = self.meter(len(self.checkpoint.outcomes))

        def write() -> None:
            began = time.monotonic()
            self._folder.write_checkpoint(self._batch.number, self._token, self.checkpoint)
            # Nobody can have taken this worker for dead unless its last sign of life was so long ago.
            self._lapsed |= time.monotonic() - self._alive > self.checkpoint.busy_seconds - CLOCK_STEP
            self._stored = self._alive = began

        self._retrying(write)
