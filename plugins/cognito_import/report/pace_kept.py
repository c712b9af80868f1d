"""How fast a run was, and why: what the mail and the run's note say of its pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognito_import.engine.pacing import DEFAULT_QUOTAS, Category
from cognito_import.run import pace
from cognito_import.run.pace import RunPace

if TYPE_CHECKING:
    from cognito_import.run.checkpoints import Progress, Work
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings


SCARCEST: Final = Category.USER_UPDATE
"""Of the categories that a run which was never checked may need."""


@dataclass(frozen=True, slots=True)
class PaceKept:
    """How fast a run was: `rate` users a second while calls were made, of at most `limit` calls a second in each category.

    So many calls met `throttles`, and in `slowed` of its seconds it went slower than its pace. `quota` is that of the scarcest
    `category`, and `takes_all` says that the run could use what the quota leaves.
    """

    rate: float
    limit: float
    throttles: int
    slowed: float
    quota: float
    category: str
    takes_all: bool

    @property
    def minutes(self) -> int:
        """`slowed` in whole minutes, one at the least."""
        return max(1, round(self.slowed / 60))

    def __str__(self) -> str:
        """Return the pace in a few words, for the run's note."""
        throttles = f", {self.throttles:,} throttle{'s' * (self.throttles != 1)}" if self.throttles else ""
        return f"{self.rate:.1f} users/s of at most {self.limit:g}{throttles}"


def pace_kept(folder: RunFolder, settings: Settings, progress: Progress, users: int) -> PaceKept | None:
    """Return how fast the run was that has finished so many `users`, or None if nobody knows. Raises RunFolderError.

    A run that was interrupted made no calls for a while: only the time counts in which a worker was at it.
    """
    seconds = _covered(progress.work)
    if seconds <= 0 or not users:
        return None
    found = pace.read(folder) or RunPace(settings.users_per_second, {str(SCARCEST): DEFAULT_QUOTAS[SCARCEST]})
    worked = sum(work.seconds for work in progress.work)
    return PaceKept(
        rate=users / seconds,
        limit=found.limit,
        throttles=sum(work.throttles for work in progress.work),
        # Throttles slow all slots, so the share of the workers' time is the run's.
        slowed=seconds * sum(work.slowed for work in progress.work) / worked,
        quota=found.quotas[found.scarcest],
        category=found.scarcest,
        takes_all=settings.pace == "all",
    )


def _covered(work: list[Work]) -> float:
    """Return the seconds in which at least one worker worked."""
    seconds = end = 0.0
    for one in sorted(work, key=lambda one: one.began):
        until = one.began + one.seconds
        seconds += max(0.0, until - max(one.began, end))
        end = max(end, until)
    return seconds
