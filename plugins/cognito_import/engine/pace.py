"""How fast a run goes: at the steady pace, or at all that the quotas leave free."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.engine.pacing import DEFAULT_QUOTAS, Pacer
from cognito_import.engine.shared_rate import SharedRate
from cognito_import.run import pace
from cognito_import.run.pace import RunPace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.engine.pacing import Category
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


def run_pace(cognito: CognitoIdentityProviderClient, settings: Settings, categories: Iterable[Category]) -> RunPace:
    """Return how fast a run may go whose users need calls of these quota categories."""
    quotas = {str(category): quota_in_force(cognito, category) for category in categories}
    free = min(quotas.values()) - settings.reserve
    return RunPace(free if settings.pace == "all" else settings.users_per_second, quotas)


def quota_in_force(cognito: CognitoIdentityProviderClient, category: Category) -> float:
    """Requests a second. GetProvisionedLimit tells where the role may ask and botocore knows it, else the table."""
    try:
        answer = cognito.get_provisioned_limit(
            LimitDefinition={"LimitClass": "API_CATEGORY", "Attributes": {"Category": str(category)}}
        )
        return float(answer["Limit"]["ProvisionedLimitValue"])
    except (AttributeError, KeyError, ClientError, BotoCoreError) as error:
        log.info("The quota in force for %s is not available (%s); taking the default.", category, type(error).__name__)
        return DEFAULT_QUOTAS[category]


def slot_pacer(settings: Settings, folder: RunFolder, *, held_for: float = 0.0) -> Pacer:
    """Return the pacer of one slot that works on the run, held for so many seconds already. Raises RunFolderError."""
    found = pace.read(folder) if settings.pace == "all" else None
    ceiling = found.limit / settings.users_per_second if found else 1.0
    return Pacer(
        settings.pacing_seconds, held_for=held_for, shared=SharedRate(folder.s3, folder.bucket), ceiling=ceiling
    )


def children(settings: Settings, folder: RunFolder) -> int:
    """Return how many children of the state machine may call at once. Raises RunFolderError.

    A child waits whole seconds, so it is never faster than its pace: with more to use there are more children.
    """
    found = pace.read(folder) if settings.pace == "all" else None
    if found is None:
        return settings.slots
    return max(1, math.floor(found.limit * max(1, math.ceil(settings.pacing_seconds))))
