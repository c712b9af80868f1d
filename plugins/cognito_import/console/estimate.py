"""How long a list takes at the pace that a run would have now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cognito_import.console.views import Shared
from cognito_import.engine.pace import run_pace
from cognito_import.engine.user_pool import JOBS

if TYPE_CHECKING:
    from cognito_import.console.deployment import Deployment
    from cognito_import.console.drafts import Checked
    from cognito_import.run.pace import RunPace
    from cognito_import.settings import JobType

_paces = Shared(20)


def estimate(deployed: Deployment, checked: Checked, jobtype: JobType) -> dict[str, Any]:
    """Return the calls a second that a run may make in each quota category, and the seconds that the users take at that pace."""
    job = JOBS[jobtype]
    pace: RunPace = _paces.get(
        (deployed.settings.user_pool_id, deployed.settings.pace, jobtype),
        60.0,
        lambda: run_pace(deployed.cognito, deployed.settings, job.categories),
    )
    calls: Counter[str] = Counter()
    for _, row in checked.good:
        calls.update(job.calls_needed(row))
    return {"limit": pace.limit, "seconds": max(calls.values(), default=0) / pace.limit if pace.limit > 0 else None}
