"""Cognito's quotas on the page: what is allowed, and what CloudWatch counted in the last day."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber

from cognito_import import aws
from cognito_import.console import quotas
from cognito_import.engine.calls import OPERATIONS
from cognito_import.engine.pacing import Category


@pytest.fixture
def cloudwatch(resources):
    """A client of the emulated CloudWatch."""
    return boto3.client("cloudwatch", config=aws.CLOUDWATCH)


@pytest.fixture
def deployed(resources, settings, cloudwatch):
    """A deployment on the emulated AWS."""
    return SimpleNamespace(settings=settings, cognito=resources.cognito, aws=SimpleNamespace(cloudwatch=cloudwatch))


def test_the_last_day_is_shown_in_five_minutes_for_each_category(deployed, cloudwatch):
    """Every operation counts in one category; a time without calls is zero, and yesterday's last hour is not in it."""
    now = datetime.now(UTC).timestamp() // 300 * 300
    for minutes, calls in ((10, 3000), (23 * 60, 1500), (25 * 60, 9000)):
        names = {"Type": "API", "Resource": "UserUpdate", "Service": "Cognito user pool"}
        datum = {
            "MetricName": "CallCount",
            "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
            "Timestamp": datetime.fromtimestamp(now - 60 * minutes + 30, UTC),
            "Value": calls,
        }
        cloudwatch.put_metric_data(Namespace="AWS/Usage", MetricData=[datum])
    found = quotas._look(deployed)
    assert (found["unknown"], len(found["times"])) == (None, 288)
    assert {later - earlier for earlier, later in zip(found["times"], found["times"][1:], strict=False)} == {300}
    by_name = {one["name"]: one for one in found["categories"]}
    assert list(by_name) == [str(category) for category in Category]
    assert {name for one in by_name.values() for name in one["operations"]} == set(OPERATIONS)
    update = by_name["UserUpdate"]
    assert (update["quota"], update["busiest"], update["mean"]) == (25.0, 10.0, pytest.approx(4500 / 86_400))
    used = {int(now - at) // 60: rate for at, rate in zip(found["times"], update["rates"], strict=True) if rate}
    assert used == {10: 10.0, 23 * 60: 5.0}
    assert set(by_name["UserCreation"]["rates"]) == {0.0}


def test_without_the_permission_the_quotas_are_shown_alone(deployed, cloudwatch):
    """Nobody has to give it; the page says what to allow."""
    with Stubber(cloudwatch) as stubber:
        stubber.add_client_error("list_metrics", "AccessDenied")
        found = quotas._look(deployed)
    assert (found["unknown"], found["times"]) == ("AccessDenied", [])
    assert all(one["quota"] > 0 and "rates" not in one for one in found["categories"])
