"""Faults, figures and the log of calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from tests.sandbox.aws.errors import code_of

from sandbox.aws.process import LocalAws, LocalAwsError
from sandbox.waiting import until


def test_calls_are_logged_in_order_of_arrival(aws: LocalAws, cognito: Any, pool: str) -> None:
    """Each call is there once with its operation, the names it was asked about and its code."""
    aws.reset()
    user = {"UserPoolId": pool, "Username": "a@example.com"}
    cognito.admin_create_user(**user, MessageAction="SUPPRESS")
    code_of(cognito.admin_add_user_to_group, **user, GroupName="NONE")
    calls = aws.calls()
    assert [(c["operation"], c["username"], c["group"], c["code"]) for c in calls] == [
        ("AdminCreateUser", "a@example.com", "", ""),
        ("AdminAddUserToGroup", "a@example.com", "NONE", "ResourceNotFoundException"),
    ]
    assert calls[0]["time"] < calls[1]["time"] < time.time()


def test_figures_are_kept_by_category_and_operation(aws: LocalAws, cognito: Any, pool: str) -> None:
    """Calls, throttles, errors by code, the peak and the first and last moment, until the reset."""
    aws.reset()
    user = {"UserPoolId": pool, "Username": "a@example.com"}
    code_of(cognito.admin_create_user, **user)
    code_of(cognito.admin_create_user, **user)
    aws.quotas(UserCreation=0)
    code_of(cognito.admin_create_user, **user)
    stats = aws.stats()
    figures = stats["operations"]["AdminCreateUser"]
    assert figures["calls"] == 3
    assert figures["throttles"] == 1
    assert figures["errors"] == {"UsernameExistsException": 1, "TooManyRequestsException": 1}
    assert 1 <= figures["peak"] <= 3
    assert figures["first"] < figures["last"]
    assert stats["categories"]["UserCreation"] == {**figures, "quota": 0}
    aws.reset()
    assert aws.stats() == {"categories": {}, "operations": {}, "live": {}, "step_functions": {"largest_payload": 0}}
    assert aws.calls() == []


def test_live_traffic_takes_the_quota_and_is_counted(aws: LocalAws, cognito: Any, pool: str) -> None:
    """Live calls above the quota leave nothing for ours, and the figures tell how many of them were served."""
    aws.quotas("window", UserCreation=1, UserUpdate=500)
    aws.traffic(200, seconds=30)
    time.sleep(0.1)
    codes = {code_of(cognito.admin_create_user, UserPoolId=pool, Username="a@example.com") for _ in range(30)}
    assert "TooManyRequestsException" in codes
    live = aws.stats()["live"]
    assert live["UserCreation"]["throttled"] > live["UserCreation"]["served"]
    assert live["UserUpdate"]["served"] > live["UserUpdate"]["throttled"] == 0
    aws.traffic()
    assert aws.stats()["live"] == {}
    assert aws.stats()["categories"]["UserCreation"]["quota"] == 1


def test_an_error_strikes_as_often_as_asked_and_has_no_effect(aws: LocalAws, cognito: Any, pool: str) -> None:
    """One call passes, the next two fail with the code asked for, the fourth passes."""
    aws.fault("AdminCreateUser", "error", code="InternalErrorException", status=500, times=2, after=1)
    codes = [
        code_of(cognito.admin_create_user, UserPoolId=pool, Username=f"user{number}@example.com") for number in range(4)
    ]
    assert codes == ["", "InternalErrorException", "InternalErrorException", ""]
    assert len(cognito.list_users(UserPoolId=pool)["Users"]) == 2


def test_a_fault_can_wait_for_one_user(aws: LocalAws, cognito: Any, pool: str) -> None:
    """With a username given, the calls for other users pass."""
    aws.fault("AdminCreateUser", "error", code="CodeDeliveryFailureException", username="bad@example.com")
    create = cognito.admin_create_user
    assert code_of(create, UserPoolId=pool, Username="good@example.com") == ""
    assert code_of(create, UserPoolId=pool, Username="bad@example.com") == "CodeDeliveryFailureException"


@pytest.mark.parametrize(("kind", "users"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_can_be_lost_on_either_side_of_the_effect(
    aws: LocalAws, cognito: Any, pool: str, kind: str, users: int
) -> None:
    """The client sees a broken connection both times; only one of them has made the user."""
    aws.fault("AdminCreateUser", kind)
    with pytest.raises(ConnectionClosedError):
        cognito.admin_create_user(UserPoolId=pool, Username="a@example.com")
    assert len(cognito.list_users(UserPoolId=pool)["Users"]) == users
    assert [c["code"] for c in aws.calls() if c["operation"] == "AdminCreateUser"] == [kind]


def test_a_hanging_call_holds_up_no_other(aws: LocalAws, cognito: Any, pool: str) -> None:
    """While one call hangs the others are answered; it takes effect in the end."""
    aws.fault("AdminCreateUser", "hang", seconds=0.5, username="slow@example.com")
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(cognito.admin_create_user, UserPoolId=pool, Username="slow@example.com")
        until("the slow call", lambda: [c for c in aws.calls() if c["username"] == "slow@example.com"], every=0.01)
        cognito.admin_create_user(UserPoolId=pool, Username="quick@example.com")
        codes = {call["username"]: call["code"] for call in aws.calls() if call["username"]}
        assert codes == {"slow@example.com": None, "quick@example.com": ""}
        assert slow.result()["User"]["Username"]


def test_faults_reach_s3_and_ses(aws: LocalAws, client: Callable[..., Any], bucket: str) -> None:
    """PutObject, GetObject and SendEmail can be made to fail too."""
    s3, ses = client("s3"), client("ses")
    aws.fault("PutObject", service="s3", code="SlowDown", status=503)
    aws.fault("GetObject", "drop_before", service="s3")
    aws.fault("SendEmail", service="ses", code="Throttling", message="Maximum sending rate exceeded.")
    assert code_of(s3.put_object, Bucket=bucket, Key="key", Body=b"") == "SlowDown"
    assert code_of(s3.put_object, Bucket=bucket, Key="key", Body=b"") == ""
    with pytest.raises(ConnectionClosedError):
        s3.get_object(Bucket=bucket, Key="key")
    mail = {
        "Source": "a@example.com",
        "Destination": {"ToAddresses": ["b@example.com"]},
        "Message": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}},
    }
    assert code_of(ses.send_email, **mail) == "Throttling"


def test_a_lost_upload_has_arrived(aws: LocalAws, client: Callable[..., Any], bucket: str) -> None:
    """An object whose answer was lost is there."""
    s3 = client("s3")
    aws.fault("PutObject", "drop_after", service="s3")
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


@pytest.mark.parametrize("service", ["s3", "cognito-idp", "ses", "sesv2", "stepfunctions"])
def test_an_outage_answers_503_until_it_is_over(
    aws: LocalAws, client: Callable[..., Any], bucket: str, pool: str, service: str
) -> None:
    """Every call of the service meets a 503; an SDK with retries outlives a short one."""
    call = {
        "s3": lambda made: made.put_object(Bucket=bucket, Key="key", Body=b""),
        "cognito-idp": lambda made: made.describe_user_pool(UserPoolId=pool),
        "ses": lambda made: made.get_send_quota(),
        "sesv2": lambda made: made.get_account(),
        "stepfunctions": lambda made: made.list_state_machines(),
    }[service]
    # Made ahead, which takes a while on a busy machine. botocore 1.44 begins its backoff at 50 ms, drawn at random:
    # eight attempts end within the second once in a hundred times, twelve do not.
    hasty, patient = client(service), client(service, attempts=12)
    aws.outage({"sesv2": "ses", "stepfunctions": "states"}.get(service, service), 1.0)
    with pytest.raises(ClientError) as caught:
        call(hasty)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert call(patient)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("control", "given"),
    [
        pytest.param("quotas", {"enforcement": "sieve"}, id="enforcement"),
        pytest.param("quotas", {"UserUpdates": 1}, id="category"),
        pytest.param("fault", {"operation": "AdminCreateUser", "kind": "explode"}, id="kind"),
        pytest.param("fault", {"operation": "AdminCreateUser", "unknown": 1}, id="field"),
        pytest.param("kill_child", {"visit": 3}, id="child"),
        pytest.param("outage", {"service": "s3", "seconds": 1, "kind": "gone"}, id="outage"),
    ],
)
def test_a_name_that_nobody_knows_is_refused(aws: LocalAws, control: str, given: dict[str, Any]) -> None:
    """A misspelt request is an error, not a test that passes for the wrong reason."""
    with pytest.raises(LocalAwsError):
        getattr(aws, control)(**given)
