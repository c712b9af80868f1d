"""Cognito's request quotas: which operation counts in which category, and how many a second each admits.

AWS documents them in "Quotas in Amazon Cognito", section "API request rate quotas". They hold for an
account and Region over all its pools, so there is one set of them here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

QUOTAS: dict[str, int] = {
    "UserCreation": 50,
    "UserUpdate": 25,
    "UserResourceUpdate": 25,
    "UserRead": 120,
    "UserList": 30,
}
"""Category to requests a second, as an account has them before any increase: those the product meets."""

CATEGORY_OF: dict[str, str] = {
    "AdminCreateUser": "UserCreation",
    "SignUp": "UserCreation",
    "ConfirmSignUp": "UserCreation",
    "AdminConfirmSignUp": "UserCreation",
    "AdminDeleteUser": "UserUpdate",
    "AdminUpdateUserAttributes": "UserUpdate",
    "AdminDeleteUserAttributes": "UserUpdate",
    "AdminDisableUser": "UserUpdate",
    "AdminEnableUser": "UserUpdate",
    "AdminSetUserPassword": "UserUpdate",
    "AdminResetUserPassword": "UserUpdate",
    "AdminAddUserToGroup": "UserResourceUpdate",
    "AdminRemoveUserFromGroup": "UserResourceUpdate",
    "AdminGetUser": "UserRead",
    "GetUser": "UserRead",
    "ListUsers": "UserList",
    "ListUsersInGroup": "UserList",
}
"""Operation to category. An operation that is not listed has no quota here."""


@dataclass
class Quotas:
    """Admit requests up to each category's quota in any sliding second."""

    limits: dict[str, int] = field(default_factory=lambda: dict(QUOTAS))
    clock: Callable[[], float] = time.monotonic
    outside_share: float = 0.0
    """Share (0 to 1) of every quota that traffic other than ours takes."""
    _admitted: dict[str, deque[float]] = field(default_factory=dict)

    def in_force(self, category: str) -> int:
        """Return how many requests a second `category` has left for us beside the outside traffic."""
        return int(self.limits[category] * (1 - self.outside_share))

    def clear(self) -> None:
        """Forget what was admitted, as if nothing had come for a second."""
        self._admitted.clear()

    def admit(self, operation: str) -> bool:
        """Count one request and return True, or return False if it is above the quota of its category."""
        category = CATEGORY_OF.get(operation)
        if category is None:
            return True
        now = self.clock()
        admitted = self._admitted.setdefault(category, deque())
        while admitted and admitted[0] <= now - 1:
            admitted.popleft()
        if len(admitted) >= self.in_force(category):
            return False
        admitted.append(now)
        return True
