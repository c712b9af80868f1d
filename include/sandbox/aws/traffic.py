"""Live traffic: the calls of people who sign up while an import runs, served or throttled like the import's."""

from __future__ import annotations

import random
from collections.abc import Callable


class LiveTraffic:
    """Calls of one category at random moments (a Poisson process), by a schedule that starts over at its end.

    `phases` are pairs of calls a second and seconds. What a call meets depends only on its moment and on the calls before
    it, so nothing runs in the background: whoever needs the count asks for the calls that are due, and each is admitted at
    its own moment. The same phases always give the same moments after `began`.
    """

    def __init__(self, category: str, phases: list[tuple[float, float]], began: float) -> None:
        if min(value for phase in phases for value in phase) < 0 or not sum(rate * seconds for rate, seconds in phases):
            raise ValueError("phases: pairs of calls a second and seconds are expected, one of them with calls")
        self.served = 0
        self.throttled = 0
        self._chance = random.Random(category)  # noqa: S311 it only has to be the same each time
        self._phases = phases
        self._phase = 0
        self._ends = began + phases[0][1]
        self._next = began
        self._draw()

    def call_until(self, now: float, admit: Callable[[float], bool]) -> None:
        """Make the calls that are due by `now`; `admit` returns of each whether it is served."""
        while self._next <= now:
            if admit(self._next):
                self.served += 1
            else:
                self.throttled += 1
            self._draw()

    def forget(self, now: float) -> None:
        """Count from 0 again, without the calls that are due by `now`."""
        self.call_until(now, lambda _: True)
        self.served = self.throttled = 0

    def _draw(self) -> None:
        """Find the next call's moment; the process has no memory, so each phase may draw anew."""
        while True:
            rate, _ = self._phases[self._phase]
            moment = self._next + self._chance.expovariate(rate) if rate else self._ends
            if moment < self._ends:
                self._next = moment
                return
            self._next = self._ends
            self._phase = (self._phase + 1) % len(self._phases)
            self._ends += self._phases[self._phase][1]
