"""How an execution of Step Functions begins, and the ways in which it ends, as AWS documents them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.aws.tasks import create_user, kinds

from sandbox.aws.process import LocalAws
from sandbox.waiting import until


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
