"""The API operations that the emulator answers differently from AWS, or not at all.

Follows the Step Functions API Reference (StartExecution, StopExecution, DescribeExecution, DescribeMapRun,
RedriveExecution, CreateStateMachine, UpdateStateMachine).
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from local_aws.answers import Answer, error_answer, json_answer
from local_aws.step_functions import role, walk
from local_aws.step_functions.runs import LIMITS, Ended, in_own_context

JSON = dict[str, Any]
Operation = Callable[[JSON], Answer]

_FORBIDDEN = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
LONGEST_NAME = 80


def _error(code: str, message: str) -> Answer:
    return error_answer("states", code, message)


def start_execution(original: Operation, request: JSON) -> Answer:
    """Start an execution; the same name and input while it runs is the same execution."""
    name, given = request.get("name"), request.get("input", "{}")
    if name is not None and (not 1 <= len(name) <= LONGEST_NAME or _FORBIDDEN.search(name)):
        return _error("InvalidName", f"Invalid Name: '{name}'")
    if len(given.encode()) > LIMITS.payload_bytes:
        return _error(
            "ValidationException",
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length "
            f"less than or equal to {LIMITS.payload_bytes}",
        )
    try:
        json.loads(given)
    except ValueError as error:
        return _error("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'")
    arn = f"{request.get('stateMachineArn', '').replace(':stateMachine:', ':execution:')}:{name}"
    running = sfn._executions.get(arn)
    if running and running["status"] == "RUNNING" and running["input"] == given:
        return json_answer({"executionArn": arn, "startDate": running["startDate"]})
    return original(request)


def stop_execution(original: Operation, request: JSON) -> Answer:
    """Stop an execution and everything that runs below it."""
    execution = sfn._executions.get(request.get("executionArn"))
    run = execution.get("_run") if execution else None
    if run is None or execution["status"] != "RUNNING":
        return original(request)
    run.end(Ended("ABORTED", request.get("error", ""), request.get("cause", "")))
    return json_answer({"stopDate": execution["stopDate"]})


def describe_execution(original: Operation, request: JSON) -> Answer:
    """Add to the description whether the execution can be redriven."""
    answer = original(request)
    execution = sfn._executions.get(request.get("executionArn"))
    if execution is None or answer[0] != 200:  # noqa: PLR2004
        return answer
    content = {key: value for key, value in json.loads(answer[2]).items() if value is not None}
    reason = _not_redrivable(execution)
    content["redriveCount"] = execution.get("redriveCount", 0)
    content["redriveStatus"] = "NOT_REDRIVABLE" if reason else "REDRIVABLE"
    if reason:
        content["redriveStatusReason"] = reason
    if "redriveDate" in execution:
        content["redriveDate"] = execution["redriveDate"]
    return json_answer(content)


def describe_map_run(original: Operation, request: JSON) -> Answer:
    """Describe a Map Run with its counts at this moment."""
    view = sfn._map_runs.get(request.get("mapRunArn"))
    if view is not None:
        view["itemCounts"] = view["_map_run"].counts(weigh=True)
        view["executionCounts"] = view["_map_run"].counts(weigh=False)
    return original(request)


def create_state_machine(original: Operation, request: JSON) -> Answer:
    """Refuse a role that Step Functions may not assume."""
    if request.get("roleArn") and not role.trusted(request["roleArn"]):
        return _error(
            "AccessDeniedException",
            "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to "
            "assume the provided role.",
        )
    return _log_refusal(request, request.get("roleArn", "")) or original(request)


def update_state_machine(original: Operation, request: JSON) -> Answer:
    """Refuse a log that the role, the new one or the one there is, may not have delivered."""
    machine = sfn._state_machines.get(request.get("stateMachineArn")) or {}
    return _log_refusal(request, request.get("roleArn") or machine.get("roleArn", "")) or original(request)


LOG_DELIVERY = tuple(
    f"logs:{action}"
    for action in (
        "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
        "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
    )
)  # fmt: skip
"""What sets up the delivery of a log ("IAM policies for logging to CloudWatch Logs", Step Functions Developer Guide)."""


def _log_refusal(request: JSON, role_arn: str) -> Answer | None:
    """Refuse a log destination unless the role may do all that its delivery takes; AWS does not say what is missing."""
    if not (request.get("loggingConfiguration") or {}).get("destinations"):
        return None
    if any(role.denial(role_arn, action, "*", "logging") for action in LOG_DELIVERY):
        message = "The state machine IAM Role is not authorized to access the Log Destination"
        return _error("AccessDeniedException", message)
    return None


def _not_redrivable(execution: JSON) -> str:
    """Return why an execution cannot be redriven, or ""."""
    status = execution["status"]
    if execution.get("_machine", {}).get("type") == "EXPRESS":
        return "Redrive is not supported for express workflows"
    if status in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {status} and cannot be redriven"
    return ""


def redrive_execution(request: JSON) -> Answer:
    """Run a failed execution on from the state that failed, with the same input.

    Of a distributed Map only the children run again that did not succeed.
    """
    arn = request.get("executionArn")
    execution = sfn._executions.get(arn)
    if execution is None:
        return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    reason = _not_redrivable(execution) or ("" if "_position" in execution else "Execution never started a state")
    if reason:
        return _error("ExecutionNotRedrivable", reason)
    execution["redriveCount"] = execution.get("redriveCount", 0) + 1
    execution["redriveDate"] = now_iso()
    execution.update(status="RUNNING", stopDate=None, output=None, error=None, cause=None)
    execution["events"].append(
        {
            "id": len(execution["events"]) + 1,
            "previousEventId": len(execution["events"]),
            "type": "ExecutionRedriven",
            "timestamp": execution["redriveDate"],
            "executionRedrivenEventDetails": {"redriveCount": execution["redriveCount"]},
        }
    )
    map_run = execution.get("_map_runs", {}).get(execution["_position"]["state"])
    if map_run is not None and map_run.view["status"] != "SUCCEEDED":
        execution["_redriven_map_runs"] = {execution["_position"]["state"]: map_run}
    threading.Thread(target=in_own_context(walk.run_execution, arn), daemon=True).start()
    return json_answer({"redriveDate": execution["redriveDate"]})


def serve_redrive(request: JSON) -> Answer:
    """Answer RedriveExecution over HTTP, with its date as the protocol has it."""
    answer: Answer = sfn._finalize_response(redrive_execution(request))
    return answer


def _in_front_of(name: str, operation: Callable[[Operation, JSON], Answer]) -> None:
    original = getattr(sfn, name)
    setattr(sfn, name, lambda request: operation(original, request))


def install() -> None:
    """Put the operations in front of the emulator's."""
    _in_front_of("_start_execution", start_execution)
    _in_front_of("_stop_execution", stop_execution)
    _in_front_of("_describe_execution", describe_execution)
    _in_front_of("_describe_map_run", describe_map_run)
    _in_front_of("_create_state_machine", create_state_machine)
    _in_front_of("_update_state_machine", update_state_machine)
