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

from sandbox.aws.process import LocalAws
from sandbox.waiting import until

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


# Built by doubling: a longer expression would take more than the second it may take.
LONG = (
    "{% ($d := function($t, $n) { $n > 0 ? $d($t & $t, $n - 1) : $t }; $substring($d('x', 19), 0, $states.input.n)) %}"
)
LONG_IN_CONTEXT = LONG.replace("$states.input", "$states.context.Execution.Input")
MAX_BYTES = 256 * 1024
PASS = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("state", "frame"),
    [
        pytest.param({"Type": "Pass", "Output": LONG}, '""', id="output"),
        pytest.param({"Type": "Pass", "Assign": {"text": LONG}, "Output": ""}, '{"text":""}', id="assign"),
        pytest.param(
            {"Type": "Map", "Items": [1], "Output": ""}
            | {"ItemProcessor": {"StartAt": "A", "States": {"A": {**PASS, "Output": LONG_IN_CONTEXT}}}},
            '[""]',
            id="result",
        ),
        pytest.param(
            {"Type": "Task", "Resource": f"{COGNITO}:adminGetUser", "Arguments": {"UserPoolId": "-", "Username": LONG}},
            '{"UserPoolId":"-","Username":""}',
            id="arguments",
        ),
        pytest.param(
            {"Type": "Map", "Items": [1], "ItemSelector": {"text": LONG}, "Output": ""}
            | {"ItemProcessor": {"StartAt": "A", "States": {"A": {**PASS, "Output": ""}}}},
            '{"text":""}',
            id="input",
        ),
    ],
)
def test_a_payload_above_the_limit_fails_the_execution(
    machine: Callable[..., Any], state: dict[str, Any], frame: str
) -> None:
    """256 KiB pass; a byte more is States.DataLimitExceeded, which nothing repeats or catches."""
    fields: dict[str, Any] = {"Next": "Caught"}
    if state["Type"] != "Pass":
        fields |= {"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 0}]}
        fields |= {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}
    made = machine({"StartAt": "Grow", "States": {"Grow": {**state, **fields}, "Caught": {"Type": "Succeed"}}})
    fits = MAX_BYTES - len(frame)
    passed = made.run({"n": fits})
    assert passed["status"] == "SUCCEEDED", passed
    failed = made.run({"n": fits + 1})
    assert (failed["status"], failed["error"]) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize("names", [["States.ALL"], ["States.Runtime"]], ids=["all", "by name"])
def test_a_runtime_error_ends_the_execution(machine: Callable[..., Any], names: list[str]) -> None:
    """States.Runtime is neither repeated nor caught."""
    broken = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Missing"}}}
    handlers = {
        "Retry": [{"ErrorEquals": names, "IntervalSeconds": 0}],
        "Catch": [{"ErrorEquals": names, "Next": "Caught"}],
    }
    each = {"Type": "Map", "Items": [1], "ItemProcessor": broken, "End": True, **handlers}
    made = machine({"StartAt": "Each", "States": {"Each": each, "Caught": {"Type": "Succeed"}}})
    execution = made.start()
    assert made.wait(execution)["error"] == "States.Runtime"
    assert kinds(made, execution).count("MapIterationFailed") == 1


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
    until("the Wait", lambda: kinds(made, execution), lambda seen: "WaitStateEntered" in seen, every=0.01)
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


def inner(assigned: dict[str, Any], **config: str) -> dict[str, Any]:
    """Return a Map whose iterations assign variables."""
    processor = {"StartAt": "A", "States": {"A": {**PASS, "Assign": assigned}}, "ProcessorConfig": config}
    return {"Type": "Map", "Items": [1], "ItemProcessor": processor, "Next": "Last"}


@pytest.mark.parametrize(
    "config",
    [{"Mode": "INLINE"}, {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}],
    ids=lambda config: config["Mode"],
)
def test_an_inner_scope_may_not_assign_what_an_outer_one_does(
    machine: Callable[..., Any], config: dict[str, str]
) -> None:
    """Whatever the order of the states: CreateStateMachine and UpdateStateMachine refuse the definition."""
    last = {
        "Type": "Choice",
        "Default": "Done",
        "Choices": [{"Condition": True, "Assign": {"count": 1}, "Next": "Done"}],
    }
    states = {"Each": inner({"count": 2}, **config), "Last": last, "Done": {"Type": "Succeed"}}
    with pytest.raises(ClientError, match=r"InvalidDefinition.*variable count .*at /States/Each/ItemProcessor/States"):
        machine({"StartAt": "Each", "States": states})
    states["Each"] = inner({"number": 2}, **config)
    made = machine({"StartAt": "Each", "States": states})
    assert made.run()["status"] == "SUCCEEDED"
    states["Last"]["Choices"][0]["Assign"]["number"] = 1
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Each", "States": states})
    with pytest.raises(ClientError, match="variable number"):
        made.states.update_state_machine(stateMachineArn=made.arn, definition=definition)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        pytest.param({"Type": "Parallel", "Branches": []}, "The type Parallel", id="type"),
        pytest.param({"Type": "Pass", "InputPath": "$.a"}, "InputPath", id="JSONPath"),
        pytest.param({**inner({}), "ItemBatcher": {"MaxItemsPerBatch": 2}}, "ItemBatcher", id="batcher"),
        pytest.param({**inner({}), "ResultWriter": {}}, "ResultWriter", id="writer"),
        pytest.param(
            {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Arguments": {}}, "s3", id="resource"
        ),
    ],
)
def test_what_is_not_emulated_is_refused(machine: Callable[..., Any], state: dict[str, Any], what: str) -> None:
    """It is never passed over in silence."""
    with pytest.raises(ClientError, match=f"InvalidDefinition.*{what}.* is not emulated"):
        machine(state)


def test_a_stack_with_a_definition_that_is_refused_fails(client: Callable[..., Any]) -> None:
    """CloudFormation rolls it back with the reason."""
    role = {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    }
    states = {"Each": inner({"count": 2}), "Last": {"Type": "Pass", "Assign": {"count": 1}, "End": True}}
    text = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Each", "States": states})
    properties = {"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "DefinitionString": text}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties},
    }
    stacks = client("cloudformation")
    body = json.dumps({"Resources": resources})
    name = stacks.create_stack(StackName="refused", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])["StackId"]
    status = until(
        "the end of the deployment",
        lambda: stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"],
        lambda seen: not seen.endswith("IN_PROGRESS"),
    )
    assert status in ("ROLLBACK_COMPLETE", "CREATE_FAILED")
    reasons = [
        event.get("ResourceStatusReason", "") for event in stacks.describe_stack_events(StackName=name)["StackEvents"]
    ]
    assert any("variable count" in reason for reason in reasons)
