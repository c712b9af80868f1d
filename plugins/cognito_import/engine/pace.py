"""How fast a run goes: at the steady pace, or at all that the quotas leave free."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from cognito_import.aws import error_details
from cognito_import.engine.calls import OPERATIONS
from cognito_import.engine.error_policy import THROTTLES
from cognito_import.engine.pacing import DEFAULT_QUOTAS, READING, Pacer
from cognito_import.engine.shared_rate import SharedRate
from cognito_import.run import pace
from cognito_import.run.pace import RunPace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.engine.pacing import Category
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

ATTEMPTS: Final = 5
"""To read a quota in force, which Cognito lets an account do once a second."""

log = logging.getLogger(__name__)


def run_pace(
    cognito: CognitoIdentityProviderClient,
    settings: Settings,
    categories: Iterable[Category],
    *,
    dry_run: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> RunPace:
    """Return how fast a run may go whose users need calls of these quota categories; of a `dry_run` the real run."""
    quotas = {str(category): quota_in_force(cognito, category, sleep=sleep) for category in categories}
    free = min(quotas.values()) - settings.reserve
    reading = {str(category): quota_in_force(cognito, category, sleep=sleep) for category in READING} if dry_run else {}
    return RunPace(free if settings.pace == "all" else settings.users_per_second, quotas, reading)


def quota_in_force(
    cognito: CognitoIdentityProviderClient, category: Category, *, sleep: Callable[[float], None] = time.sleep
) -> float:
    """Requests a second. From GetProvisionedLimit where the role may call it and botocore knows it, else from the table."""
    asked = Retrying(
        retry=retry_if_exception(_is_throttled),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random(1, 2),
        sleep=sleep,
        reraise=True,
    )
    try:
        answer = asked(
            cognito.get_provisioned_limit,
            LimitDefinition={"LimitClass": "API_CATEGORY", "Attributes": {"Category": str(category)}},
        )
        return float(answer["Limit"]["ProvisionedLimitValue"])
    except (AttributeError, KeyError, ClientError, BotoCoreError) as error:
        log.info("The quota in force for %s is not available (%s); taking the default.", category, type(error).__name__)
        return DEFAULT_QUOTAS[category]


def _is_throttled(error: BaseException) -> bool:
    return isinstance(error, ClientError) and error_details(error)[0] in THROTTLES


def expected_seconds(calls: Mapping[str, int], settings: Settings, found: RunPace | None) -> float:
    """Return how long a run takes that makes so many `calls` of each operation, if nothing slows it down."""
    categories: Counter[Category] = Counter()
    for operation, count in calls.items():
        categories[OPERATIONS[operation].category] += count
    limit = found.limit if found and settings.pace == "all" else settings.users_per_second
    return max(categories.values(), default=0) / limit


def reading_rates(settings: Settings, found: RunPace | None) -> dict[Category, float]:
    """Return how many calls a second the slots of a dry run make together in each quota category for reading."""
    quotas = {
        category: (found.reading if found else {}).get(category, DEFAULT_QUOTAS[category]) for category in READING
    }
    return {category: max(1.0, quota - settings.reserve) for category, quota in quotas.items()}


def slot_pacer(settings: Settings, folder: RunFolder, *, held_for: float = 0.0) -> Pacer:
    """Return the pacer of one slot that works on the run, held for so many seconds already. Raises RunFolderError."""
    return pacers(settings, folder)(held_for=held_for)


def pacers(settings: Settings, folder: RunFolder) -> Callable[..., Pacer]:
    """Read how fast the run may go, and return what makes the pacer of each of its slots. Raises RunFolderError.

    The slots of a dry run share what the quotas for reading leave, less the reserve, whatever the pace of an import.
    """
    pacer = partial(Pacer, settings.pacing_seconds, shared=SharedRate(folder))
    if (manifest := folder.manifest()) and manifest.dry_run:
        found = pace.read(folder)
        rates = reading_rates(settings, found)
        return partial(pacer, own={category: settings.slots / rate for category, rate in rates.items()})
    found = pace.read(folder) if settings.pace == "all" else None
    limit, start = (found.limit, found.start) if found else (settings.users_per_second, 0.0)
    return partial(pacer, ceiling=limit / settings.users_per_second, start=start / settings.users_per_second)


def children(settings: Settings, folder: RunFolder) -> int:
    """Return how many children of the state machine may call at once. Raises RunFolderError.

    A child waits whole seconds, so it is never faster than its pace: with more to use there are more children.
    """
    found = pace.read(folder) if settings.pace == "all" else None
    return settings.slots if found is None else _children(settings, found)


def planned_slots(
    cognito: CognitoIdentityProviderClient | None, settings: Settings, engine: str, categories: Iterable[Category]
) -> int:
    """Return for how many workers at a time a run's users are split into batches: no fewer than will call at once."""
    if cognito is None or engine == "mapped" or settings.pace == "steady":
        return settings.slots
    return max(settings.slots, _children(settings, run_pace(cognito, settings, categories)))


def _children(settings: Settings, found: RunPace) -> int:
    return max(1, math.floor(found.limit * max(1, math.ceil(settings.pacing_seconds))))
