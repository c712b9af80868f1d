"""What was asked of Cognito: every call in order, and figures by operation and by quota category."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.quotas import CATEGORY_OF

THROTTLED = "TooManyRequestsException"


@dataclass
class Tally:
    """Figures of the calls of one operation or category; times are epoch seconds."""

    calls: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    peak: int = 0
    """The most calls that arrived within any one second."""
    first: float | None = None
    last: float | None = None
    _last_second: deque[float] = field(default_factory=deque)

    def arrived(self, moment: float) -> None:
        """Count a call that arrived at `moment`."""
        self.calls += 1
        self.first = moment if self.first is None else self.first
        self.last = moment
        self._last_second.append(moment)
        while self._last_second[0] <= moment - 1:
            self._last_second.popleft()
        self.peak = max(self.peak, len(self._last_second))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        return {
            "calls": self.calls,
            "throttles": self.errors[THROTTLED],
            "errors": dict(self.errors),
            "peak": self.peak,
            "first": self.first,
            "last": self.last,
        }


@dataclass
class CallLog:
    """Every Cognito call since the last `clear`, in the order of arrival."""

    clock: Callable[[], float] = time.time
    calls: list[dict[str, Any]] = field(default_factory=list)
    _tallies: dict[str, dict[str, Tally]] = field(default_factory=lambda: {"categories": {}, "operations": {}})

    def clear(self) -> None:
        """Forget all calls; those in flight finish without a trace."""
        self.calls = []
        self._tallies = {"categories": {}, "operations": {}}

    def arrived(self, operation: str, request: dict[str, Any]) -> Callable[[str], None]:
        """Log a call and return the function that takes its error code ("" for a success) at its end."""
        moment = self.clock()
        entry: dict[str, Any] = {
            "time": moment,
            "operation": operation,
            "username": request.get("Username", ""),
            "group": request.get("GroupName", ""),
            "code": None,
        }
        self.calls.append(entry)
        tallies = [self._tallies["operations"].setdefault(operation, Tally())]
        category = CATEGORY_OF.get(operation)
        if category is not None:
            tallies.append(self._tallies["categories"].setdefault(category, Tally()))
        for tally in tallies:
            tally.arrived(moment)

        def ended(code: str) -> None:
            entry["code"] = code
            if code:
                for tally in tallies:
                    tally.errors[code] += 1

        return ended

    def figures(self) -> dict[str, Any]:
        """Return the figures, `{"categories": {name: {...}}, "operations": {name: {...}}}`."""
        return {
            kind: {name: tally.as_dict() for name, tally in tallies.items()} for kind, tallies in self._tallies.items()
        }
