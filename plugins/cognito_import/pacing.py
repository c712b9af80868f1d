"""One slot's pace: at most one call in each quota category in so many seconds."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING

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


class Pacer:
    """Keeps `seconds` between the starts of two calls of one category, counted from start to start.

    A call that takes long therefore costs no pace, and one that was late is never made up for by two at once.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the pace, and for tests a clock and a sleep, both in seconds."""
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._started: dict[Category, float] = {}

    def wait(self, category: Category) -> None:
        """Sleep until a call of `category` may start, and count it as started now."""
        self._sleep_until_free(category)
        self._started[category] = self._clock()

    def settle(self) -> None:
        """Sleep until a call of any category may start, so that the slot's next holder need not know this one's."""
        for category in self._started:
            self._sleep_until_free(category)

    def _sleep_until_free(self, category: Category) -> None:
        last = self._started.get(category)
        # A sleep may end a little early, hence the loop.
        while last is not None and (left := last + self._seconds - self._clock()) > 0:
            self._sleep(left)
