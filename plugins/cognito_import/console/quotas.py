"""The endpoint of Cognito's quotas: what is allowed in each category that imports call, and how much of it the last day used."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter

from cognito_import.aws import error_details
from cognito_import.console import deployment
from cognito_import.console.shared import Shared
from cognito_import.engine.calls import OPERATIONS
from cognito_import.engine.pace import quota_in_force
from cognito_import.engine.pacing import Category
from cognito_import.forecast import PERIOD, Use, calls_counted

if TYPE_CHECKING:
    from cognito_import.console.deployment import Deployment

_LOOK_BACK: Final = timedelta(days=1)
_FRESH_SECONDS: Final = 60.0
"""CloudWatch counts in five minutes together, and bills each metric that it is asked for."""

router = APIRouter()
_shared = Shared(2)


@router.get("/quotas")
def quotas() -> dict[str, Any]:
    """Return each quota category with what is allowed, the calls a second of the last day, and the operations that count.

    Where CloudWatch does not say, `unknown` is the code of its error, and there are no rates.
    """
    deployed = deployment.current()
    settings = deployed.settings
    found: dict[str, Any] = _shared.get(
        (settings.user_pool_id, settings.aws_conn_id), _FRESH_SECONDS, lambda: _look(deployed)
    )
    return {**found, "pace": settings.pace, "steady": settings.users_per_second, "reserve": settings.reserve}


def _look(deployed: Deployment) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {
            "name": str(category),
            "quota": quota_in_force(deployed.cognito, category),
            "operations": [name for name, operation in OPERATIONS.items() if operation.category == category],
        }
        for category in Category
    ]
    found: dict[str, Any] = {"categories": told, "times": [], "unknown": None}
    try:
        cloudwatch = deployed.aws.cloudwatch
        for one in told:
            counted = calls_counted(cloudwatch, one["name"], _LOOK_BACK)
            use = Use.of(counted)
            found["times"] = [int(moment.timestamp()) for moment in counted]
            one |= {
                "mean": use.mean,
                "busiest": use.busiest,
                "rates": [calls / PERIOD.total_seconds() for calls in counted.values()],
            }
    except (ClientError, BotoCoreError) as error:
        found["unknown"] = error_details(error)[0]
    return found
