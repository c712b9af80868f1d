"""One slot's pace: at most one call in each quota category in so many seconds."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING

from cognito_import.aws import LONGEST_CALL

if TYPE_CHECKING:
    from collections.abc import Callable


class Category(StrEnum):
    """The quota categories that the import's calls count against ("Quotas", Amazon Cognito Developer Guide)."""

    USER_CREATION = "UserCreation"
    USER_RESOURCE_UPDATE = "UserResourceUpdate"
    USER_UPDATE = "UserUpdate"
    USER_READ = "UserRead"


DEFAULT_QUOTAS = {
    Category.USER_CREATION: 50,
    Category.USER_RESOURCE_UPDATE: 25,
    Category.USER_UPDATE: 25,
    Category.USER_READ: 120,
}
"""Requests a second for an account and Region, all user pools and live traffic together, unless raised."""


def longest_turn(calls: int, pacing_seconds: float) -> float:
    """The seconds that a worker can be at one user, from one time that it stores something to the next.

    `calls` are those made between the two; none of them has to be repeated.
    """
    return calls * (pacing_seconds + LONGEST_CALL)


USUAL_SECONDS = 0.1
"""What a call is taken to need before one was measured, and by how much more it may take without being held for late."""


class Pacer:
    """Keeps `seconds` between the starts of two calls of one category, counted from start to start.

    A call that takes long therefore costs no pace, and one that was late is never made up for by two at once. The slot's
    earlier holder may have called until it gave the slot up, so no call starts before the slot was held for `seconds`.
    """

    def __init__(
        self,
        seconds: float,
        *,
        held_for: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the pace, for how long the slot is held already, and for tests a clock and a sleep, all in seconds."""
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._taken = clock() - held_for
        self._started: dict[Category, float] = {}
        self._fastest: dict[Category, float] = {}

    def wait(self, category: Category) -> None:
        """Sleep until a call of `category` may start, and count it as started now."""
        last = self._started.get(category, self._taken)
        # A sleep may end a little early, hence the loop.
        while (left := last + self._seconds - self._clock()) > 0:
            self._sleep(left)
        self._started[category] = self._clock()

    def done(self, category: Category) -> None:
        """Take note that the call of `category` has been answered.

        One that took far longer than the fastest may have reached the service that much late, on a machine that is busy
        starting tasks, say. It counts as started so much later; else the next would reach the service too close behind.
        """
        took = self._clock() - self._started[category]
        late = took - self._fastest.get(category, USUAL_SECONDS) - USUAL_SECONDS
        self._started[category] += max(0.0, late)
        self._fastest[category] = min(took, self._fastest.get(category, took))
