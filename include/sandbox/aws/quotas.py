"""Cognito's request quotas: which operation counts in which category, and how many a second each admits.

AWS documents them in "Quotas in Amazon Cognito", section "API operation categories and request rate quotas". They hold
for an account and Region over all its pools, so there is one set of them here. AWS does not say how it enforces them;
two usual ways are here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sandbox.aws.traffic import LiveTraffic

QUOTAS: dict[str, int] = {
    "UserCreation": 50,
    "UserUpdate": 25,
    "UserRead": 120,
    "UserResourceRead": 50,
    "UserList": 30,
}
"""Category to requests a second, as an account has them before any increase: those the product meets."""

CATEGORY_OF: dict[str, str] = {
    "AdminCreateUser": "UserCreation",
    "AdminDeleteUser": "UserUpdate",
    "AdminUpdateUserAttributes": "UserUpdate",
    "AdminDeleteUserAttributes": "UserUpdate",
    "AdminDisableUser": "UserUpdate",
    "AdminEnableUser": "UserUpdate",
    "AdminAddUserToGroup": "UserUpdate",
    "AdminRemoveUserFromGroup": "UserUpdate",
    "AdminGetUser": "UserRead",
    "GetUser": "UserRead",
    "AdminListGroupsForUser": "UserResourceRead",
    "ListUsers": "UserList",
    "ListUsersInGroup": "UserList",
}
"""Operation to category. An operation that is not listed has no quota here."""


class Limiter(Protocol):
    """Decides which calls of one category are admitted."""

    def admits(self, moment: float, limit: int) -> bool:
        """Count a call at `moment` against `limit` calls a second; moments never go back."""


class TokenBucket:
    """Admits up to one second's worth of calls at once, and `limit` a second in the long run."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._filled = 0.0

    def admits(self, moment: float, limit: int) -> bool:
        """Take a token if there is one."""
        tokens = limit if self._tokens is None else self._tokens + (moment - self._filled) * limit
        self._tokens, self._filled = min(tokens, limit), moment
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class FixedWindow:
    """Admits the first `limit` calls of each second of the clock."""

    def __init__(self) -> None:
        self._second = -1
        self._admitted = 0

    def admits(self, moment: float, limit: int) -> bool:
        """Count the call in its second."""
        if int(moment) != self._second:
            self._second, self._admitted = int(moment), 0
        if self._admitted >= limit:
            return False
        self._admitted += 1
        return True


ENFORCEMENTS: dict[str, Callable[[], Limiter]] = {"bucket": TokenBucket, "window": FixedWindow}


@dataclass
class Quotas:
    """Admits requests by each category's quota, the live traffic's among them."""

    limits: dict[str, int] = field(default_factory=lambda: dict(QUOTAS))
    clock: Callable[[], float] = time.monotonic
    enforcement: str = "bucket"
    _limiters: dict[str, Limiter] = field(default_factory=dict)
    _live: dict[str, LiveTraffic] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget what was admitted, as if nothing had come for a second, and count the live traffic from 0."""
        self._limiters.clear()
        for live in self._live.values():
            live.forget(self.clock())

    def enforce(self, enforcement: str = "bucket", **limits: int) -> None:
        """Enforce the quotas as `enforcement` says, `limits` by category in place of AWS's defaults."""
        if enforcement not in ENFORCEMENTS:
            message = f"enforcement: one of {', '.join(ENFORCEMENTS)} is expected, not {enforcement!r}"
            raise ValueError(message)
        if unknown := limits.keys() - QUOTAS.keys():
            message = f"{', '.join(sorted(unknown))}: one of {', '.join(QUOTAS)} is expected"
            raise ValueError(message)
        self.enforcement = enforcement
        self.limits.update(QUOTAS, **limits)
        self._limiters.clear()

    def set_traffic(self, phases: list[tuple[float, float]]) -> None:
        """Begin live traffic in each category; see `LiveTraffic`. Without phases it ends."""
        began = self.clock()
        self._live = {category: LiveTraffic(category, phases, began) for category in self.limits} if phases else {}

    def traffic(self) -> dict[str, dict[str, int]]:
        """Return for each category how many live calls were served and how many throttled since the last `clear`."""
        now = self.clock()
        for category in self._live:
            self._admit_live(category, now)
        return {category: {"served": live.served, "throttled": live.throttled} for category, live in self._live.items()}

    def admit(self, operation: str) -> bool:
        """Count one request and return True, or return False if it is above the quota of its category."""
        category = CATEGORY_OF.get(operation)
        if category is None:
            return True
        now = self.clock()
        self._admit_live(category, now)
        return self._admits(category, now)

    def _admit_live(self, category: str, now: float) -> None:
        """Let the live calls that are due by now come first, each at its own moment."""
        if category in self._live:
            self._live[category].call_until(now, lambda moment: self._admits(category, moment))

    def _admits(self, category: str, moment: float) -> bool:
        limiter = self._limiters.setdefault(category, ENFORCEMENTS[self.enforcement]())
        return limiter.admits(moment, self.limits[category])
