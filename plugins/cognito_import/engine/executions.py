"""One run's executions of the state machine: started once, found again, continued after a failure, stopped."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions.client import SFNClient

ENDED_BADLY: Final = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
UNDER_WAY: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})
_MAX_CAUSE_LENGTH: Final = 2_000

_PERMISSIONS: Final = {
    "looked at": "states:DescribeExecution",
    "started": "states:StartExecution",
    "stopped": "states:StopExecution",
}


def start(sfn: SFNClient, state_machine_arn: str, run: str) -> str:
    """Start the execution of `run`, or find the one that is there, and return its ARN.

    The first one has the run's name, so a start that is repeated finds it. One that ended badly is continued by a new
    one, `{run}_2` and so on, which works on the same run folder and calls for no finished user again. Raises
    ExecutionError.
    """
    for arn in _arns(state_machine_arn, run):
        status = _status(sfn, arn)
        if status is None:
            _start(sfn, state_machine_arn, arn.rpartition(":")[2], run)
        if status not in ENDED_BADLY:
            return arn
    raise AssertionError  # there is always another name


def failure(sfn: SFNClient, execution_arn: str) -> str:
    """Return how the execution ended, with its error and cause, and what to do. Raises ExecutionError."""
    with _told("looked at", execution_arn):
        response = sfn.describe_execution(executionArn=execution_arn)
    name = execution_arn.rpartition(":")[2]
    error, cause = response.get("error") or "no error code", response.get("cause") or "no cause"
    # These are met before anybody is called for, and a setting is part of what the run has read.
    clear = "'read_request' with Downstream" if error in ("PreflightError", "SettingsError") else "the failed task"
    return (
        f"The execution {name} ended as {response['status']}: {error}: {cause[:_MAX_CAUSE_LENGTH]}. The report tells what became "
        f"of every user. Fix the cause, then clear {clear}: finished users are not called again."
    )


def is_running(sfn: SFNClient, execution_arn: str) -> bool:
    """Return whether the execution is under way, or about to be again. Raises ExecutionError."""
    return _status(sfn, execution_arn) in UNDER_WAY


def stop(sfn: SFNClient, execution_arn: str, cause: str) -> None:
    """Abort the execution; one that has ended already stays as it is. Raises ExecutionError."""
    with _told("stopped", execution_arn):
        sfn.stop_execution(executionArn=execution_arn, error="Stopped", cause=cause)


def stop_all(sfn: SFNClient, state_machine_arn: str, run: str, cause: str) -> list[str]:
    """Abort those of the run's executions that are under way, and return their ARNs. Raises ExecutionError."""
    stopped = []
    for arn in _arns(state_machine_arn, run):
        status = _status(sfn, arn)
        if status is None:
            break
        if status in UNDER_WAY:
            stop(sfn, arn, cause)
            stopped.append(arn)
    return stopped


def _arns(state_machine_arn: str, run: str) -> Iterator[str]:
    first = f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{run}"
    yield first
    yield from (f"{first}_{number}" for number in count(2))


def _status(sfn: SFNClient, arn: str) -> str | None:
    with _told("looked at", arn):
        try:
            return str(sfn.describe_execution(executionArn=arn)["status"])
        except sfn.exceptions.ExecutionDoesNotExist:
            return None


def _start(sfn: SFNClient, state_machine_arn: str, name: str, run: str) -> None:
    # It calls nobody before the sensor has said that it holds the slots (see `execution_lock`).
    request = json.dumps({"run": run, "report": False, "wait_for_slots": True})
    with _told("started", name):
        # The same name and input find an execution that another worker has just started.
        sfn.start_execution(stateMachineArn=state_machine_arn, name=name, input=request)


@contextmanager
def _told(doing: str, arn: str) -> Iterator[None]:
    """Raise the errors of a call as ExecutionError."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        correct = "correct the setting 'state_machine_arn'"
        what = f"The execution {arn.rpartition(':')[2]}"
        advice = {"StateMachineDoesNotExist": correct, "InvalidArn": correct}
        raise aws.failure(
            ExecutionError, error, doing, what, allow=_PERMISSIONS[doing], then="try again", advice=advice
        ) from error
