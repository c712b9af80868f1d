"""What preflight foresees of a run, from what CloudWatch counts."""

import json
import logging
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from cognito_import import aws, forecast
from cognito_import.forecast import Use
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.run import pace
from cognito_import.run.folder import RunFolder
from cognito_import.run.pace import RunPace
from cognito_import.settings import Settings

USED = ("UserCreation", "UserUpdate")
PACE = RunPace(20.0, {"UserCreation": 50.0, "UserUpdate": 25.0})


@pytest.fixture
def cloudwatch(local_aws):
    """A client of the emulated CloudWatch."""
    return boto3.client("cloudwatch", config=aws.CLOUDWATCH)


@pytest.fixture
def called(cloudwatch):
    """Have CloudWatch count so many calls in a category in the five minutes that ended so many minutes ago."""

    def called(category, calls, minutes, service="Cognito user pool", **more):
        names = {"Type": "API", "Resource": category, "Service": service, **more}
        moment = datetime.now(UTC).timestamp() // 300 * 300 - 60 * minutes - 300
        datum = {
            "MetricName": "CallCount",
            "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
            "Timestamp": datetime.fromtimestamp(moment + 30, UTC),
            "Value": calls,
        }
        cloudwatch.put_metric_data(Namespace="AWS/Usage", MetricData=[datum])

    return called


@pytest.mark.parametrize("more", [{}, {"service": "Cognito User Pool", "Class": "None"}], ids=["documented", "other"])
def test_the_last_hours_tell_the_use_of_each_category(cloudwatch, called, more):
    """However the metric's dimensions are spelled; calls of others than Cognito, and of yesterday, are not counted."""
    called("UserCreation", 3000, 10, **more)
    called("UserCreation", 600, 170, **more)
    called("UserCreation", 9999, 24 * 60, **more)
    called("UserUpdate", 9999, 10, service="Another")
    use = forecast.recent_use(cloudwatch, USED)
    assert use == {"UserCreation": Use(3600 / 10_800, 10.0), "UserUpdate": Use(0.0, 0.0)}


@pytest.mark.parametrize("allowed", [0, 1], ids=["nothing", "only-the-list"])
def test_without_the_permission_a_sentence_says_what_to_allow(cloudwatch, caplog, allowed):
    """Nobody has to give it: the run begins without a forecast of what others need."""
    caplog.set_level(logging.INFO)
    metric = {"Dimensions": [{"Name": "Service", "Value": "Cognito user pool"}]}
    with Stubber(cloudwatch) as stubber:
        if allowed:
            stubber.add_response("list_metrics", {"Metrics": [metric]})
        stubber.add_client_error("get_metric_data" if allowed else "list_metrics", "AccessDenied")
        assert forecast.recent_use(cloudwatch, USED) == {}
    (record,) = caplog.records
    assert "not known (AccessDenied): allow cloudwatch:ListMetrics and cloudwatch:GetMetricData" in record.getMessage()
    assert forecast.recent_use(None, USED) == {}


@pytest.mark.parametrize(
    ("use", "calls", "told"),
    [
        pytest.param({}, (1_000, 1_000), "about 50 s, until", id="nobody-knows"),
        pytest.param({}, (1_000, 2_000), "about 1 min 40 s, until", id="two-groups"),
        pytest.param({}, (0, 0), "about 0 s, until", id="nobody"),
        pytest.param((1.0, 3.0), (1_000, 1_000), "about 50 s, until", id="light"),
        pytest.param((5.0, 12.0), (1_300, 1_300), "about 1 min 5 s, until", id="heavy-at-times"),
        pytest.param((15.0, 15.0), (72_000, 72_000), "about 2 h 0 min, until", id="heavy"),
        pytest.param((25.0, 25.0), (1_000, 1_000), "about 3 min 20 s, until", id="used-up"),
    ],
)
def test_the_time_is_that_of_the_category_that_takes_longest(use, calls, told):
    """Beside the average use of the others, and never below the quarter of its pace that an import always keeps."""
    known = {"UserCreation": Use(0.0, 0.0), "UserUpdate": Use(*use)} if use else {}
    *lines, last = forecast.foreseen(PACE, known, dict(zip(USED, calls, strict=True)), users=calls[0], time_zone="UTC")
    assert told in last
    assert ("1 min 40 s while others call as in the busiest five minutes" in last) == (use == (5.0, 12.0))
    assert [line.partition(":")[0] for line in lines] == list(known)


def test_a_run_that_takes_all_begins_with_what_was_free_at_the_busiest_time():
    """Probing up from the steady pace takes minutes; the busiest five minutes are no reason for throttles."""
    raised = RunPace(57.0, {"UserCreation": 60.0, "UserUpdate": 60.0})
    assert forecast.start(raised, {}, 3) == 0.0
    assert forecast.start(raised, {"UserCreation": Use(0.0, 0.0), "UserUpdate": Use(2.0, 20.0)}, 3) == 37.0
    assert forecast.start(raised, dict.fromkeys(USED, Use(0.0, 0.0)), 3) == 57.0
    assert forecast.start(raised, dict.fromkeys(USED, Use(60.0, 70.0)), 3) == 0.0


def test_preflight_says_when_the_run_will_be_over(resources, called, cloudwatch, caplog, local_aws):
    """In its log, with the quota in force and the use of it, and without an address; a run that takes all begins with it."""
    caplog.set_level(logging.INFO)
    local_aws.quotas(UserUpdate=60)
    called("UserUpdate", 3_000, 15)
    settings = Settings.parse({**json.loads(resources.variable(pace="all")), "time_zone": "Asia/Tokyo"})
    users = [{"useremail": f"user{number}@example.com", "groups": ["BASIC"]} for number in range(300)]
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    manifest = ingest_request({"data": users, "adminemail": resources.admin}, settings, resources.s3, folder)
    cognito = boto3.client("cognito-idp", config=aws.COGNITO)
    clients = Clients(cognito, resources.s3, resources.ses, None, cloudwatch=cloudwatch)
    assert check(manifest, settings, clients, None, rows=folder.all_rows(), folder=folder) == []
    assert "10.0 in the busiest five minutes, earlier imports included; the quota is 60." in caplog.text
    assert "All is ready for 300 users, at most 47 calls a second in each category: about 6 s, until " in caplog.text
    assert "JST" in caplog.text
    assert "@" not in caplog.text
    assert pace.read(folder) == RunPace(47.0, {"UserCreation": 50.0, "UserUpdate": 60.0}, start=47.0)
