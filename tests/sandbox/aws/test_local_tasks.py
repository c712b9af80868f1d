"""A Task's call, its errors, retries and time limit, as AWS documents them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.sandbox.aws.tasks import create_user, kinds

from sandbox.aws.process import LocalAws


def test_a_task_calls_cognito(machine: Callable[..., Any], cognito: Any, pool: str) -> None:
    """The SDK integration makes the call and gives its answer, times in ISO 8601."""
    user = machine(create_user(pool)).output({"useremail": "a@example.com"})["User"]
    assert cognito.admin_get_user(UserPoolId=pool, Username="a@example.com")["Username"] == user["Username"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", user["UserCreateDate"])


def test_a_failed_call_has_the_names_of_the_sdk(machine: Callable[..., Any], cognito: Any, pool: str) -> None:
    """Error is CognitoIdentityProvider.<code>, Cause ends with service, status, request id and number of attempts."""
    cognito.admin_create_user(UserPoolId=pool, Username="a@example.com")
    failed = machine(create_user(pool)).run({"useremail": "a@example.com"})
    assert failed["status"] == "FAILED"
    assert failed["error"] == "CognitoIdentityProvider.UsernameExistsException"
    assert re.fullmatch(
        r"User account already exists \(Service: CognitoIdentityProvider, Status Code: 400, Request ID: [0-9a-f-]{36}\)"
        r" \(SDK Attempt Count: 1\)",
        failed["cause"],
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [("InternalFailure", 500), ("ServiceUnavailable", 503), ("Throttling", 400), ("SomethingNewException", 400)],
)
def test_a_code_that_the_sdk_does_not_model_is_its_general_error(
    aws: LocalAws, machine: Callable[..., Any], pool: str, code: str, status: int
) -> None:
    """Only modelled codes have an error name of their own."""
    aws.fault("AdminCreateUser", code=code, message="New", status=status)
    failed = machine(create_user(pool)).run({"useremail": "a@example.com"})
    assert failed["error"] == "CognitoIdentityProvider.CognitoIdentityProviderException"
    assert failed["cause"].startswith(f"New (Service: CognitoIdentityProvider, Status Code: {status}, Request ID: ")


@pytest.mark.parametrize("code", ["LimitExceededException", "InternalErrorException"])
def test_a_code_that_the_sdk_models_for_any_operation_keeps_its_name(
    aws: LocalAws, machine: Callable[..., Any], pool: str, code: str
) -> None:
    """The SDK's client knows the errors of its service, not of the operation alone, and whatever the status."""
    aws.fault("AdminCreateUser", code=code, status=500)
    assert machine(create_user(pool)).run({"useremail": "a@example.com"})["error"] == f"CognitoIdentityProvider.{code}"


def test_a_lost_connection_is_a_client_error(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """The SDK's client gives up with SdkClientException."""
    aws.fault("AdminCreateUser", "drop_before")
    failed = machine(create_user(pool)).run({"useremail": "a@example.com"})
    assert failed["error"] == "CognitoIdentityProvider.SdkClientException"


def test_a_retry_written_for_aws_matches(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """Throttling is retried by its name, with a longest delay; each attempt is in the history."""
    aws.fault("AdminCreateUser", code="TooManyRequestsException", message="Rate exceeded", times=3)
    retry = {
        "ErrorEquals": ["CognitoIdentityProvider.TooManyRequestsException"],
        "IntervalSeconds": 100,
        "MaxDelaySeconds": 0.01,
        "MaxAttempts": 3,
    }
    made = machine(create_user(pool, Retry=[retry]))
    execution = made.start({"useremail": "a@example.com"})
    assert made.wait(execution)["status"] == "SUCCEEDED"
    assert Counter(kinds(made, execution))["TaskFailed"] == 3
    assert [call["code"] for call in aws.calls() if call["operation"] == "AdminCreateUser"] == [
        *["TooManyRequestsException"] * 3,
        "",
    ]


def test_a_retry_ends_with_its_attempts(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """After MaxAttempts the error is caught, with Error and Cause in $states.errorOutput."""
    aws.fault("AdminCreateUser", code="TooManyRequestsException", message="Rate exceeded", times=9)
    made = machine(
        {
            "StartAt": "Create",
            "States": {
                "Create": create_user(
                    pool,
                    Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 0, "MaxAttempts": 1}],
                    Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}],
                    End=True,
                ),
                "Caught": {"Type": "Succeed"},
            },
        }
    )
    caught = made.output({"useremail": "a@example.com"})
    assert caught["Error"] == "CognitoIdentityProvider.TooManyRequestsException"
    assert caught["Cause"].startswith("Rate exceeded (Service: CognitoIdentityProvider, Status Code: 400,")
    assert len([call for call in aws.calls() if call["operation"] == "AdminCreateUser"]) == 2


def test_a_task_can_time_out(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """TimeoutSeconds of a Task is States.Timeout, which States.TaskFailed does not catch."""
    aws.fault("AdminCreateUser", "hang", seconds=2)
    catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]
    made = machine(
        {
            "StartAt": "Create",
            "States": {
                "Create": create_user(pool, TimeoutSeconds=1, Catch=catch, End=True),
                "Caught": {"Type": "Succeed"},
            },
        }
    )
    assert made.run({"useremail": "a@example.com"})["error"] == "States.Timeout"
