"""What to expect of a run: how much of Cognito's quotas is in use, and when the run will be over.

CloudWatch counts the calls in each quota category (`AWS/Usage`, `CallCount`) in five minutes together, and some minutes late.
That is too coarse to steer by, and enough for a forecast.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import error_details
from cognito_import.engine.shared_rate import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cognito_import.run.pace import RunPace

PERIOD: Final = timedelta(minutes=5)
"""How often Cognito publishes its metrics."""
LOOK_BACK: Final = timedelta(hours=3)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """Calls a second that all callers have made lately in one quota category: on average, and in the busiest five minutes."""

    mean: float
    busiest: float

    @classmethod
    def of(cls, counted: Mapping[datetime, float]) -> Use:
        """Return the use of a category out of what :func:`calls_counted` returned."""
        seconds = PERIOD.total_seconds()
        return cls(sum(counted.values()) / (len(counted) * seconds), max(counted.values()) / seconds)


def recent_use(cloudwatch: Any, categories: Iterable[str]) -> dict[str, Use]:
    """Return the use of each category, earlier imports included; nothing without a client, or where CloudWatch does not say."""
    try:
        if cloudwatch:
            return {str(one): Use.of(calls_counted(cloudwatch, one, LOOK_BACK)) for one in categories}
    except (ClientError, BotoCoreError) as error:
        log.info(
            "How much of Cognito's quotas is in use is not known (%s): allow cloudwatch:ListMetrics and cloudwatch:GetMetricData "
            "to have it foreseen.",
            error_details(error)[0],
        )
    return {}


def calls_counted(cloudwatch: Any, category: str, look_back: timedelta) -> dict[datetime, float]:
    """Return the calls in a category in every five minutes of the time up to now, by the moment at which these begin.

    The metrics are listed first: AWS documents the dimension `Service` as "Cognito user pool" and no `Class`, and a metric that
    is asked for with any other spelling is empty and no error. A category that nobody called for two weeks is not listed.
    """
    end = _begin(datetime.now(UTC))
    counted = dict.fromkeys((end - PERIOD * number for number in range(look_back // PERIOD, 0, -1)), 0.0)
    listed = cloudwatch.list_metrics(
        Namespace="AWS/Usage",
        MetricName="CallCount",
        Dimensions=[{"Name": "Type", "Value": "API"}, {"Name": "Resource", "Value": str(category)}],
    )["Metrics"]
    queries = [
        {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": int(PERIOD.total_seconds()), "Stat": "Sum"}}
        for number, metric in enumerate(filter(_is_cognito_s, listed))
    ]
    if queries:
        found = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=end - look_back, EndTime=end)
        for one in found["MetricDataResults"]:
            for moment, value in zip(one["Timestamps"], one["Values"], strict=True):
                counted[_begin(moment)] += value
    return counted


def _begin(moment: datetime) -> datetime:
    """Return when the five minutes began that a moment lies in."""
    seconds = PERIOD.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _is_cognito_s(metric: Mapping[str, Any]) -> bool:
    return any(one["Name"] == "Service" and "cognito" in one["Value"].lower() for one in metric["Dimensions"])


def start(pace: RunPace, use: Mapping[str, Use], reserve: float) -> float:
    """Return how many calls a second are free even while others call as in the busiest five minutes; 0 if nobody knows."""
    free = [pace.quotas[category] - one.busiest - reserve for category, one in use.items()]
    return max(0.0, min(pace.limit, *free)) if free else 0.0


def foreseen(
    pace: RunPace, use: Mapping[str, Use], calls: Mapping[str, int], *, users: int, time_zone: str
) -> Iterator[str]:
    """Yield what to expect, in sentences without an address.

    `use` is what :func:`recent_use` returned, or empty where that is not known; `calls` is how many the run makes in each
    quota category.
    """
    for category, one in use.items():
        yield (
            f"{category}: in the last {LOOK_BACK.total_seconds() / 3600:g} hours {one.mean:.1f} calls a second were made on "
            f"average, {one.busiest:.1f} in the busiest five minutes, earlier imports included; the quota is "
            f"{pace.quotas[category]:g}."
        )
    mean, busiest = seconds(pace, use, calls)
    end = (datetime.now(UTC) + timedelta(seconds=mean)).astimezone(ZoneInfo(time_zone))
    told = (
        f"All is ready for {users:,} user{'s' * (users != 1)}, at most {pace.limit:g} calls a second in each category: about "
        f"{_words(mean)}, until {end:%Y-%m-%d %H:%M %Z}, if the slots are the run's alone"
    )
    late = f"; {_words(busiest)} while others call as in the busiest five minutes" if busiest > mean else ""
    yield f"{told}{late}."


def seconds(pace: RunPace, use: Mapping[str, Use], calls: Mapping[str, int]) -> tuple[float, float]:
    """Return how long the calls take while others call as they do on average, and as in their busiest five minutes."""
    return (
        _seconds(pace, {category: one.mean for category, one in use.items()}, calls),
        _seconds(pace, {category: one.busiest for category, one in use.items()}, calls),
    )


def _seconds(pace: RunPace, used: Mapping[str, float], calls: Mapping[str, int]) -> float:
    """Return how long the calls take in the category that takes longest, beside so many `used` calls a second of others."""
    return max(
        (
            count / max(min(pace.limit, quota - used.get(category, 0.0)), pace.limit * LEAST)
            for category, quota in pace.quotas.items()
            if (count := calls.get(category, 0))
        ),
        default=0.0,
    )


def _words(seconds: float) -> str:
    """So many seconds as a person says it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
