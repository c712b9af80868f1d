"""One run's executions of the state machine: started once, found again, watched, continued after a failure."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import explain
from cognito_import.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions.client import SFNClient

_ENDED_BADLY: Final = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
_UNDER_WAY: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})
_LONGEST_CAUSE: Final = 2_000


def start(sfn: SFNClient, state_machine_arn: str, run: str) -> str:
    """Start the execution of `run`, or find the one that is there, and give its ARN.

    The first one has the run's name, so a start that is repeated finds it. One that ended badly is continued by a new
    one, `{run}-2` and so on, which works on the same run folder and calls for no finished user again. Raises
    ExecutionError.
    """
    executions = state_machine_arn.replace(":stateMachine:", ":execution:", 1)
    for number in count(1):
        name = run if number == 1 else f"{run}-{number}"
        arn = f"{executions}:{name}"
        status = _status(sfn, arn)
        if status is None:
            status = _start(sfn, state_machine_arn, name, run)
        if status not in _ENDED_BADLY:
            return arn
    raise AssertionError  # count() does not end


def has_succeeded(sfn: SFNClient, execution_arn: str) -> bool:
    """Whether the execution has succeeded. Raises ExecutionError with its error and its cause if it ended badly."""
    with _told("look at"):
        answer = sfn.describe_execution(executionArn=execution_arn)
    status = answer["status"]
    if status in _ENDED_BADLY:
        name = execution_arn.rpartition(":")[2]
        error, cause = answer.get("error") or "no error code", answer.get("cause") or "no cause"
        message = (
            f"The execution {name} ended as {status}: {error}: {cause[:_LONGEST_CAUSE]}. The report tells what became of every "
            "user. Mend the cause, then clear this task with all behind it: finished users are not called again."
        )
        raise ExecutionError(message)
    return bool(status == "SUCCEEDED")


def is_running(sfn: SFNClient, execution_arn: str) -> bool:
    """Whether the execution is under way, or about to be again. Raises ExecutionError."""
    return _status(sfn, execution_arn) in _UNDER_WAY


def stop(sfn: SFNClient, execution_arn: str, cause: str) -> None:
    """Abort the execution; one that has ended already stays as it is. Raises ExecutionError."""
    with _told("stop"):
        sfn.stop_execution(executionArn=execution_arn, error="Stopped", cause=cause)


def _status(sfn: SFNClient, arn: str) -> str | None:
    with _told("look at"):
        try:
            return str(sfn.describe_execution(executionArn=arn)["status"])
        except sfn.exceptions.ExecutionDoesNotExist:
            return None


def _start(sfn: SFNClient, state_machine_arn: str, name: str, run: str) -> str:
    request = json.dumps({"run": run, "report": False})
    with _told("start"):
        # The same name and input find an execution that another worker has just started.
        sfn.start_execution(stateMachineArn=state_machine_arn, name=name, input=request)
    return "RUNNING"


@contextmanager
def _told(step: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _failure(step, error) from error


def _failure(step: str, error: ClientError | BotoCoreError) -> ExecutionError:
    code, text = explain(error)
    advice = {
        "StateMachineDoesNotExist": "correct the setting 'state_machine_arn'",
        "AccessDeniedException": "allow the worker's role states:StartExecution, DescribeExecution and StopExecution",
    }.get(code, "try again")
    return ExecutionError(f"Step Functions would not {step} the execution: {code} ({text}); {advice}.")
