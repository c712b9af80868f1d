"""How fast a run was from its beginning, step by step: for a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognito_import.run.checkpoints import STEP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.run.checkpoints import Work

_MAX_STEPS: Final = 120
_WIDER: Final = (1, 5, 15, 30, 60, 150, 300, 900, 1800, 3600, 10_800, 43_200)
"""How many steps of a worker make one of the picture, the fewest first."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The `users` finished and the `throttles` met in each step of `seconds`, from `began` in seconds since the epoch.

    It goes as far as workers have told, which is `until`: in the midst of the last step.
    """

    began: float
    until: float
    seconds: int
    users: list[int]
    throttles: list[int]

    def as_dict(self) -> dict[str, object]:
        """Return the middle of each step, with the users a second, and the throttles in it."""
        ends = [min(self.until, self.began + self.seconds * (step + 1)) for step in range(len(self.users))]
        begins = [self.began + self.seconds * step for step in range(len(self.users))]
        return {
            "times": [round((begin + end) / 2, 1) for begin, end in zip(begins, ends, strict=True)],
            # A second at the least, lest a user who was finished at a step's very beginning look like many.
            "rates": [
                round(users / max(1.0, end - begin), 2)
                for users, begin, end in zip(self.users, begins, ends, strict=True)
            ],
            "throttles": self.throttles,
            "rate": round(self._rate(), 2),
        }

    def _rate(self) -> float:
        """Return the users a second of the last half minute, or of the last steps if they are longer."""
        steps = max(2, 30 // self.seconds)
        users = self.users[-steps:]
        begin = self.began + self.seconds * (len(self.users) - len(users))
        return sum(users) / max(1.0, self.until - begin)


def timeline(work: Iterable[Work]) -> Timeline | None:
    """Return how fast all workers together were, or None if none of them has told."""
    told = [one for one in work if one.steps]
    if not told:
        return None
    began = min(one.began for one in told)
    until = max(one.began + max(one.seconds, STEP_SECONDS * one.steps[-1][0]) for one in told)
    wider = next((wide for wide in _WIDER if until - began < wide * STEP_SECONDS * _MAX_STEPS), _WIDER[-1])
    seconds = wider * STEP_SECONDS
    users, throttles = ([0] * (int((until - began) // seconds) + 1) for _ in range(2))
    for one in told:
        for step, finished, met in one.steps:
            place = int((one.began - began + step * STEP_SECONDS) // seconds)
            users[place] += finished
            throttles[place] += met
    return Timeline(began, until, seconds, users, throttles)
