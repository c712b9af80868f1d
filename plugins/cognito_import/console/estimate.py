"""What a list takes: calls, time, and the time while others call a lot, by the forecast that preflight makes of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cognito_import import forecast
from cognito_import.console.shared import Shared
from cognito_import.engine.pace import reading_rates, run_pace
from cognito_import.engine.pacing import READING
from cognito_import.engine.user_pool import JOBS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.console.deployment import Deployment
    from cognito_import.forecast import Use
    from cognito_import.run.pace import RunPace
    from cognito_import.settings import JobType

_SECONDS: Final = 60.0
_kept = Shared(20)


def pace(deployed: Deployment, jobtype: JobType, *, dry_run: bool = False) -> RunPace:
    """Return how fast a run may go. A quota may be asked for once a second, and runs ask, too, so it is kept for a minute."""
    settings = deployed.settings
    found: RunPace = _kept.get(
        (settings.user_pool_id, settings.pace, settings.reserve, settings.users_per_second, jobtype, dry_run),
        _SECONDS,
        lambda: run_pace(deployed.cognito, settings, JOBS[jobtype].categories, dry_run=dry_run),
    )
    return found


def estimate(
    deployed: Deployment, jobtype: JobType, users: int, calls: Mapping[str, int], *, dry_run: bool = False
) -> dict[str, Any]:
    """Return what a run takes whose users need so many `calls` in each quota category.

    A user who exists may need others. `busy_seconds` is for how long it lasts while others call as in their busiest five
    minutes of late; both times are None where the reserve leaves nothing.
    """
    found = pace(deployed, jobtype, dry_run=dry_run)
    if dry_run:
        rate = reading_rates(deployed.settings, found)[READING[0]]
        return {"calls": users, "limit": rate, "seconds": users / rate, "busy_seconds": users / rate}
    use: dict[str, Use] = _kept.get(
        ("use", deployed.settings.aws_conn_id, jobtype),
        _SECONDS,
        lambda: forecast.recent_use(deployed.aws.cloudwatch, JOBS[jobtype].categories),
    )
    mean, busy = forecast.seconds(found, use, calls) if found.limit > 0 else (None, None)
    return {"calls": sum(calls.values()), "limit": found.limit, "seconds": mean, "busy_seconds": busy}
