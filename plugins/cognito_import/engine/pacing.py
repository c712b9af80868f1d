"""One slot's pace: at most one call in each quota category in so many seconds."""

from __future__ import annotations

import math
import time
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from cognito_import.aws import MAX_CALL_SECONDS
from cognito_import.engine.shared_rate import LEAST, LOOK_SECONDS, LOOK_SECONDS_SLOWED, UNHINDERED
from cognito_import.run.checkpoints import Work, add_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cognito_import.engine.shared_rate import SharedRate


class Category(StrEnum):
    """The quota categories that the import's calls count against.

    "Amazon Cognito user pools API operation categories and request rate quotas", Amazon Cognito Developer Guide. Group
    memberships count as updates of a user, beside changes of attributes and deletions.
    """

    USER_CREATION = "UserCreation"
    USER_UPDATE = "UserUpdate"
    USER_READ = "UserRead"
    USER_RESOURCE_READ = "UserResourceRead"
    USER_LIST = "UserList"


DEFAULT_QUOTAS = {
    Category.USER_CREATION: 50,
    Category.USER_UPDATE: 25,
    Category.USER_READ: 120,
    Category.USER_RESOURCE_READ: 50,
    Category.USER_LIST: 30,
}
"""Requests a second for an account and Region, all user pools and live traffic together, unless raised."""

READING = (Category.USER_READ, Category.USER_RESOURCE_READ)
"""The categories of the calls that a dry run's workers make: they only read."""


MAX_SLOT_RATE = 3
"""Users a second that one slot processes at most, whatever its pace: the calls of one user follow each other."""
MAX_SLOWDOWN = 1 / LEAST
"""How many times longer than the pace a slot waits between two calls, at most, after throttles."""
_CUT, _REGAIN = 0.7, 0.003
"""What a throttle leaves of a slot's own rate, and what each call gives back. A slot that knows nothing of the others goes by
these alone. In a simulation of 20 such slots beside 12 live calls a second on a quota of 25, they throttle 2.5% of the live
calls and use all that is free; a fixed pace with backoff throttles 42%."""


def max_seconds_per_user(calls: int, pacing_seconds: float) -> float:
    """The seconds that a worker can be at one user, from one time that it stores something to the next.

    `calls` are those made between the two; none of them has to be repeated.
    """
    return calls * (pacing_seconds * MAX_SLOWDOWN + MAX_CALL_SECONDS)


CALM_SECONDS = 60
"""For how long a child meets no throttle until it waits half as long again, which is its pace at the least. 20 children in the
simulation then use 99% of what is free beside 12 live calls a second, and throttle 1.8% of these; with a window 75% and 3.5%."""
_SPREAD = (5**0.5 - 1) / 2


def pauses(pacing_seconds: float, rate: float, number: int) -> tuple[int, int]:
    """The whole seconds that the child with batch `number` waits between two calls: at the least, and at its beginning.

    At its beginning it goes by the shared `rate`. Since that is seldom a whole number of seconds, some children wait a second
    longer than others, so that together they keep it.
    """
    least = max(1, math.ceil(pacing_seconds))
    wanted = max(least, pacing_seconds / rate)
    longer = math.ceil(wanted)
    shorter = max(1, longer - 1)
    # The share of children who wait longer, such that the calls of all in a second are as many as wanted.
    share = (1 / shorter - 1 / wanted) / (1 / shorter - 1 / longer) if longer > shorter else 1.0
    return least, longer if number * _SPREAD % 1 < share else max(least, shorter)


USUAL_SECONDS = 0.1
"""Seconds that a call is expected to take until one has been measured; one that takes this much longer counts as late."""


class Pacer:
    """Keeps `seconds` between the starts of two calls of one category, counted from start to start.

    A call that takes long therefore costs no pace, and one that was late is never made up for by two at once. The slot's
    earlier holder may have called until it gave the slot up, so no call starts before the slot was held for `seconds`.

    The quota is shared with live traffic, which comes first: a throttle says that it is used up, so the slot slows down at
    once, and so do all others as soon as they learn of it (see `shared_rate`).
    """

    def __init__(  # noqa: PLR0913 - the last two are for tests
        self,
        seconds: float,
        *,
        held_for: float = 0.0,
        shared: SharedRate | None = None,
        ceiling: float = 1.0,
        own: Mapping[Category, float] = MappingProxyType({}),
        start: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the steady pace and for how long the slot is held already, and for tests a clock and a sleep, all in seconds.

        `shared` is the rate of all slots, None for a slot that knows of no others. `ceiling` is the highest rate, as a
        fraction of the steady pace, and `start` the one to begin with, if it is above 1; up from there the slot finds out by
        going slowly faster. Categories in `own` have seconds of their own.
        """
        self._seconds, self._own_seconds = seconds, own
        self._shared, self._asked = shared, -math.inf
        self._all, self._read = UNHINDERED, 0.0
        self._own, self._ceiling = min(max(1.0, start), ceiling), ceiling
        self._untold = 0.0
        self._clock = clock
        self._sleep = sleep
        # A wall clock that was set back between the slot's start and now must not add to the wait.
        self._taken = clock() - max(0.0, held_for)
        self._started: dict[Category, float] = {}
        self._fastest: dict[Category, float] = {}
        self._waited = clock()
        self._throttles, self._slowed = 0, 0.0

    @property
    def rate(self) -> float:
        """The fraction of the steady pace that the slot keeps now."""
        return min(self._ceiling, self._own, self._all.after(self._clock() - self._read))

    def wait(self, category: Category) -> None:
        """Sleep until a call of `category` may start, and count it as started now."""
        last = self._started.get(category, self._taken)
        seconds = self._own_seconds.get(category, self._seconds)
        while (left := last + seconds / self.rate - self._clock()) > 0:
            self._sleep(left)  # it may end a little early, hence the loop
        self._started[category] = now = self._clock()
        if self.rate < min(1.0, self._ceiling):
            self._slowed += now - self._waited
        self._waited = now
        self._own = min(self._ceiling, self._own + _REGAIN)

    def throttled(self) -> None:
        """Slow down, for a call was throttled."""
        self._throttles += 1
        self._untold = self._untold or self.rate
        self._own = max(LEAST, self.rate * _CUT)

    def meter(self, now: float) -> Callable[[int], Work]:
        """Return what tells the work that is done from `now` on, in seconds since the epoch, by the users who are finished."""
        began, throttles, slowed = self._clock(), self._throttles, self._slowed
        self._waited = began
        steps: list[tuple[int, int, int]] = []
        told = 0, 0

        def work(users: int) -> Work:
            nonlocal told
            seconds, met = self._clock() - began, self._throttles - throttles
            add_step(steps, seconds, users - told[0], met - told[1])
            told = users, met
            return Work(now, seconds, self._slowed - slowed, met, steps)

        return work

    def share(self) -> None:
        """Share a throttle with the other slots, and read theirs, if it is time to.

        S3 may take long, so whoever has a lease looks at it afterwards.
        """
        look = LOOK_SECONDS_SLOWED if self.rate < min(1.0, self._ceiling) else LOOK_SECONDS
        if self._shared is None or not (self._untold > 0 or self._clock() - self._asked >= look):
            return
        found = self._shared.exchange(throttled=self._untold > 0, ceiling=self._untold or self._ceiling)
        self._asked, self._untold = self._clock(), 0.0
        if found:  # it holds what this slot's throttles have taught, too
            self._all, self._read = found, self._asked
            self._own = max(self._own, min(1.0, self._ceiling))

    def done(self, category: Category) -> None:
        """Take note that the call of `category` has been answered.

        One that took far longer than the fastest may have reached the service that much late, on a machine that is busy
        starting tasks, say. It counts as started so much later; else the next would reach the service too close behind.
        """
        took = self._clock() - self._started[category]
        late = took - self._fastest.get(category, USUAL_SECONDS) - USUAL_SECONDS
        self._started[category] += max(0.0, late)
        self._fastest[category] = min(took, self._fastest.get(category, took))
