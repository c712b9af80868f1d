"""Step Functions as AWS documents it: calls, errors, retries, limits, the ways an execution ends."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws

COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider"


def create_user(pool: str, **more: Any) -> dict[str, Any]:
    """Return a Task that creates the user its input names."""
    return {
        "Type": "Task",
        "Resource": f"{COGNITO}:adminCreateUser",
        "Arguments": {
            "UserPoolId": pool,
            "Username": "{% $states.input.useremail %}",
            "MessageAction": "SUPPRESS",
        },
        **more,
    }


def kinds(machine: Any, execution: str) -> list[str]:
    """Return the types of an execution's events."""
    return [event["type"] for event in machine.events(execution)]


def test_a_task_calls_cognito(machine: Callable[..., Any], cognito: Any, pool: str) -> None:
    """The SDK integration makes the call and gives its answer, times in ISO 8601."""
    user = machine(create_user(pool)).output({"useremail": "a@example.com"})["User"]
    assert cognito.admin_get_user(UserPoolId=pool, Username="a@example.com")["Username"] == user["Username"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", user["UserCreateDate"])


def test_a_failed_call_has_the_names_of_the_sdk(machine: Callable[..., Any], cognito: Any, pool: str) -> None:
    """Error is CognitoIdentityProvider.<code>, Cause ends with service, status and request id."""
    cognito.admin_create_user(UserPoolId=pool, Username="a@example.com")
    failed = machine(create_user(pool)).run({"useremail": "a@example.com"})
    assert failed["status"] == "FAILED"
    assert failed["error"] == "CognitoIdentityProvider.UsernameExistsException"
    assert re.fullmatch(
        r"User account already exists \(Service: CognitoIdentityProvider, Status Code: 400, Request ID: [0-9a-f-]{36}\)",
        failed["cause"],
    )


def test_a_code_that_the_sdk_does_not_model_is_its_general_error(
    aws: LocalAws, machine: Callable[..., Any], pool: str
) -> None:
    """Only modelled codes have an error name of their own."""
    aws.fault("AdminCreateUser", code="SomethingNewException", message="New")
    failed = machine(create_user(pool)).run({"useremail": "a@example.com"})
    assert failed["error"] == "CognitoIdentityProvider.CognitoIdentityProviderException"
    assert failed["cause"].startswith("New (Service: CognitoIdentityProvider,")


def test_a_lost_connection_is_a_client_error(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """The SDK's client gives up with SdkClientException."""
    aws.fault("AdminCreateUser", "drop_before")
    failed = machine(create_user(pool)).run({"useremail": "a@example.com"})
    assert failed["error"] == "CognitoIdentityProvider.SdkClientException"


def test_a_retry_written_for_aws_matches(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """Throttling is retried by its name, with jitter and a longest delay; each attempt is in the history."""
    aws.fault("AdminCreateUser", code="TooManyRequestsException", message="Rate exceeded", times=3)
    retry = {
        "ErrorEquals": ["CognitoIdentityProvider.TooManyRequestsException"],
        "IntervalSeconds": 100,
        "MaxDelaySeconds": 0.01,
        "JitterStrategy": "FULL",
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


def test_a_task_has_five_events(machine: Callable[..., Any], pool: str) -> None:
    """Entered, scheduled, started, succeeded, exited: between the start and the end of the execution."""
    made = machine(create_user(pool))
    execution = made.start({"useremail": "a@example.com"})
    made.wait(execution)
    events = made.events(execution)
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in events] == list(range(1, 8))
    assert events[2]["taskScheduledEventDetails"]["resource"] == "adminCreateUser"


def test_a_payload_above_the_limit_fails_the_execution(machine: Callable[..., Any]) -> None:
    """256 KiB pass and one byte more is States.DataLimitExceeded, which States.ALL does not catch."""
    # Built by doubling: a longer expression would take more than the second it may take.
    text = "($d := function($t, $n) { $n > 0 ? $d($t & $t, $n - 1) : $t }; $substring($d('x', 19), 0, $states.input.n))"
    made = machine(
        {
            "StartAt": "Grow",
            "States": {
                "Grow": {
                    "Type": "Parallel",
                    "End": True,
                    "Branches": [
                        {
                            "StartAt": "Pad",
                            "States": {"Pad": {"Type": "Pass", "End": True, "Output": f"{{% {text} %}}"}},
                        }
                    ],
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
                },
                "Caught": {"Type": "Succeed"},
            },
        }
    )
    fits = 256 * 1024 - len('[""]')
    assert len(made.output({"n": fits})[0]) == fits
    failed = made.run({"n": fits + 1})
    assert (failed["status"], failed["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_an_input_above_the_limit_starts_nothing(machine: Callable[..., Any]) -> None:
    """StartExecution refuses more than 256 KiB."""
    made = machine({"Type": "Pass"})
    with pytest.raises(ClientError, match=r"ValidationException.*less than or equal to 262144"):
        made.start({"data": "x" * 262_144})


def test_a_full_history_fails_the_execution(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """When the last event but one is no end, the last one is ExecutionFailed."""
    made = machine({"StartAt": "Loop", "States": {"Loop": {"Type": "Pass", "Next": "Loop"}}})
    aws.limits(history_events=50)
    execution = made.start()
    failed = made.wait(execution)
    aws.limits()
    assert failed["status"] == "FAILED"
    assert "maximum number of history events (50)" in failed["cause"]
    assert len(kinds(made, execution)) == 50
    assert kinds(made, execution)[-1] == "ExecutionFailed"


def test_a_state_machine_can_time_out(machine: Callable[..., Any]) -> None:
    """TimeoutSeconds of the state machine ends a waiting execution as TIMED_OUT."""
    made = machine(
        {
            "TimeoutSeconds": 1,
            "StartAt": "Wait",
            "States": {
                "Wait": {"Type": "Wait", "Seconds": 60, "End": True},
            },
        }
    )
    execution = made.start()
    assert made.wait(execution)["status"] == "TIMED_OUT"
    assert kinds(made, execution)[-1] == "ExecutionTimedOut"


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


def test_an_express_workflow_ends_at_its_limit(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """An express execution is over after five minutes (a second here)."""
    made = machine({"Type": "Wait", "Seconds": 60}, kind="EXPRESS")
    aws.limits(express_seconds=1)
    ended = made.wait(made.start())
    aws.limits()
    assert ended["status"] == "TIMED_OUT"


def test_the_same_name_and_input_is_the_same_execution(machine: Callable[..., Any]) -> None:
    """StartExecution is idempotent while the execution runs; another input or a later moment is refused."""
    made = machine({"Type": "Wait", "Seconds": 60})
    first = made.start({"n": 1}, name="run-1")
    assert made.start({"n": 1}, name="run-1") == first
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        made.start({"n": 2}, name="run-1")
    made.states.stop_execution(executionArn=first)
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        made.start({"n": 1}, name="run-1")


@pytest.mark.parametrize("name", ["manual__2026-01-01T00:00:00+00:00", "a b", "x" * 81])
def test_a_name_that_aws_does_not_take_is_refused(machine: Callable[..., Any], name: str) -> None:
    """No colon, no blank, at most 80 characters."""
    with pytest.raises(ClientError, match="InvalidName"):
        machine({"Type": "Pass"}).start(name=name)


def test_a_stopped_execution_makes_no_further_call(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """StopExecution ends it at once, with the error and cause given, and the next state is never entered."""
    made = machine(
        {
            "StartAt": "Wait",
            "States": {
                "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Create"},
                "Create": create_user(pool, End=True),
            },
        }
    )
    execution = made.start({"useremail": "a@example.com"})
    while "WaitStateEntered" not in kinds(made, execution):
        time.sleep(0.01)
    made.states.stop_execution(executionArn=execution, error="Operator", cause="Enough")
    stopped = made.wait(execution)
    assert (stopped["status"], stopped["error"], stopped["cause"]) == ("ABORTED", "Operator", "Enough")
    time.sleep(1.1)
    assert kinds(made, execution)[-1] == "ExecutionAborted"
    assert not [call for call in aws.calls() if call["operation"] == "AdminCreateUser"]


def test_a_failed_execution_can_be_redriven(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """It goes on from the state that failed; what went before is not done again."""
    made = machine(
        {
            "StartAt": "First",
            "States": {
                "First": create_user(pool, Output="{% {'useremail': 'b@example.com'} %}", Next="Second"),
                "Second": create_user(pool, End=True),
            },
        }
    )
    aws.fault("AdminCreateUser", code="InternalErrorException", username="b@example.com")
    execution = made.start({"useremail": "a@example.com"})
    failed = made.wait(execution)
    assert (failed["status"], failed["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    assert made.states.redrive_execution(executionArn=execution)["redriveDate"]
    redriven = made.wait(execution)
    assert (redriven["status"], redriven["redriveCount"]) == ("SUCCEEDED", 1)
    assert [call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser"] == [
        "a@example.com",
        "b@example.com",
        "b@example.com",
    ]
    assert "ExecutionRedriven" in kinds(made, execution)
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        made.states.redrive_execution(executionArn=execution)


def test_variables_and_choices_work_as_in_jsonata(machine: Callable[..., Any]) -> None:
    """Assign sets what later states read, and a Choice takes the first rule that holds."""
    made = machine(
        {
            "StartAt": "Set",
            "States": {
                "Set": {"Type": "Pass", "Assign": {"count": "{% $count($states.input.data) %}"}, "Next": "Many?"},
                "Many?": {
                    "Type": "Choice",
                    "Default": "Few",
                    "Choices": [{"Condition": "{% $count > 2 %}", "Next": "Many"}],
                },
                "Many": {"Type": "Succeed", "Output": "{% 'many: ' & $count %}"},
                "Few": {"Type": "Fail", "Error": "Few", "Cause": "{% 'only ' & $count %}"},
            },
        }
    )
    assert made.output({"data": [1, 2, 3]}) == "many: 3"
    failed = made.run({"data": [1]})
    assert (failed["error"], failed["cause"]) == ("Few", "only 1")


def test_objects_are_written_and_read(client: Callable[..., Any], machine: Callable[..., Any], bucket: str) -> None:
    """Body is written as JSON and read as a string, of a range too."""
    where = {"Bucket": bucket, "Key": "folder/名 100%+a.json"}
    s3 = "arn:aws:states:::aws-sdk:s3"
    made = machine(
        {
            "StartAt": "Put",
            "States": {
                "Put": {
                    "Type": "Task",
                    "Resource": f"{s3}:putObject",
                    "Arguments": {**where, "Body": {"name": "名"}, "ContentType": "application/json"},
                    "Next": "Get",
                },
                "Get": {
                    "Type": "Task",
                    "Resource": f"{s3}:getObject",
                    "Arguments": where,
                    "Assign": {
                        "whole": "{% $parse($states.result.Body) %}",
                        "stored": "{% $toMillis($states.result.LastModified) %}",
                    },
                    "Next": "Range",
                },
                "Range": {
                    "Type": "Task",
                    "Resource": f"{s3}:getObject",
                    "Arguments": {**where, "Range": "bytes=2-5"},
                    "Output": "{% [$whole, $states.result.Body] %}",
                    "End": True,
                },
            },
        }
    )
    assert made.output() == [{"name": "名"}, "name"]
    stored = client("s3").get_object(**where)
    assert (json.loads(stored["Body"].read()), stored["ContentType"]) == ({"name": "名"}, "application/json")


def test_a_missing_object_is_told_only_to_who_may_list(machine: Callable[..., Any], bucket: str) -> None:
    """S3.NoSuchKeyException, but an access denied for a role without s3:ListBucket."""
    get = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Arguments": {"Bucket": bucket, "Key": "none"},
    }
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    missing = machine(get).run()
    assert missing["error"] == "S3.NoSuchKeyException"
    assert "(Service: S3, Status Code: 404, Request ID: " in missing["cause"]
    denied = machine(get, [read]).run()
    assert denied["error"] != missing["error"]
    assert denied["cause"].startswith("Access Denied (Service: S3, Status Code: 403, ")


def test_an_assign_reads_the_values_from_before(machine: Callable[..., Any]) -> None:
    """Assignments of one state do not see one another."""
    made = machine(
        {
            "StartAt": "First",
            "States": {
                "First": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
                "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Show"},
                "Show": {"Type": "Succeed", "Output": "{% [$a, $b] %}"},
            },
        }
    )
    assert made.output() == [2, 1]


def test_an_expression_may_use_regular_expressions(machine: Callable[..., Any]) -> None:
    """JSONata's $replace and $match take patterns."""
    cause = "Group not found. (Service: CognitoIdentityProvider, Status Code: 400)"
    made = machine({"Type": "Pass", "Output": r"{% $replace($states.input, /\s*\(Service: [^()]*\)$/, '') %}"})
    assert made.output(cause) == "Group not found."


def test_a_loop_around_a_wait_of_no_seconds_polls(machine: Callable[..., Any]) -> None:
    """A Wait takes 0 seconds, and as on AWS no state takes no time at all, so a loop that polls does not spin."""
    made = machine(
        {
            "StartAt": "Begin",
            "States": {
                "Begin": {"Type": "Pass", "Assign": {"due": "{% $millis() + 400 %}"}, "Next": "IsDue"},
                "IsDue": {
                    "Type": "Choice",
                    "Choices": [{"Condition": "{% $millis() >= $due %}", "Next": "Done"}],
                    "Default": "Poll",
                },
                "Poll": {"Type": "Wait", "Seconds": 0, "Next": "IsDue"},
                "Done": {"Type": "Succeed"},
            },
        }
    )
    execution = made.start()
    assert made.wait(execution)["status"] == "SUCCEEDED"
    assert 1 <= kinds(made, execution).count("WaitStateEntered") <= 20


def test_largest_payload_is_in_the_figures(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """The figures tell how many bytes the largest input, output or set of variables had, until they are reset."""
    machine({"Type": "Pass", "Output": "{% $pad('', 5000, 'x') %}"}).output()
    assert 5000 <= aws.stats()["step_functions"]["largest_payload"] < 6000
    machine({"Type": "Pass", "Assign": {"text": "{% $pad('', 7000, 'x') %}"}}).output()
    assert 7000 <= aws.stats()["step_functions"]["largest_payload"] < 8000
    aws.reset()
    assert aws.stats()["step_functions"]["largest_payload"] == 0
