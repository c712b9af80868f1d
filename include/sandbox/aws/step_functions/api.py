"""The API operations that the emulator answers differently from AWS, or not at all.

Follows the Step Functions API Reference (StartExecution, StopExecution, DescribeExecution, RedriveExecution,
CreateStateMachine, UpdateStateMachine).
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ministack import app
from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from sandbox.aws.responses import Response, error_response, json_response
from sandbox.aws.step_functions import interpreter, role
from sandbox.aws.step_functions.definition import refusal
from sandbox.aws.step_functions.payloads import LIMITS
from sandbox.aws.step_functions.runs import Ended, in_own_context
from sandbox.aws.step_functions.status_events import emit, not_redrivable

JSON = dict[str, Any]
Operation = Callable[[JSON], Response]

_FORBIDDEN = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
MAX_NAME_LENGTH = 80


def _error(code: str, message: str) -> Response:
    return error_response("states", code, message)


def start_execution(original: Operation, request: JSON) -> Response:
    """Start an execution; the same name and input while it runs is the same execution."""
    name, given = request.get("name"), request.get("input", "{}")
    if name is not None and (not 1 <= len(name) <= MAX_NAME_LENGTH or _FORBIDDEN.search(name)):
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
        return json_response({"executionArn": arn, "startDate": running["startDate"]})
    return original(request)


def stop_execution(original: Operation, request: JSON) -> Response:
    """Stop an execution and everything that runs below it."""
    execution = sfn._executions.get(request.get("executionArn"))
    run = execution.get("_run") if execution else None
    if run is None or execution["status"] != "RUNNING":
        return original(request)
    run.end(Ended("ABORTED", request.get("error", ""), request.get("cause", "")))
    return json_response({"stopDate": execution["stopDate"]})


def describe_execution(original: Operation, request: JSON) -> Response:
    """Add to the description whether the execution can be redriven."""
    answer = original(request)
    execution = sfn._executions.get(request.get("executionArn"))
    if execution is None or answer[0] != 200:  # noqa: PLR2004
        return answer
    content = {key: value for key, value in json.loads(answer[2]).items() if value is not None}
    reason = not_redrivable(execution)
    content["redriveCount"] = execution.get("redriveCount", 0)
    content["redriveStatus"] = "NOT_REDRIVABLE" if reason else "REDRIVABLE"
    if reason:
        content["redriveStatusReason"] = reason
    if "redriveDate" in execution:
        content["redriveDate"] = execution["redriveDate"]
    return json_response(content)


def create_state_machine(original: Operation, request: JSON) -> Response:
    """Refuse a role that Step Functions may not assume, and a definition that it would not take."""
    if (request.get("type") or "STANDARD") != "STANDARD":
        return _error("StateMachineTypeNotSupported", "Only STANDARD workflows are emulated.")
    if request.get("roleArn") and not role.trusted(request["roleArn"]):
        return _error(
            "AccessDeniedException",
            "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to "
            "assume the provided role.",
        )
    refused = _definition_refusal(request) or _log_refusal(request, request.get("roleArn", ""))
    return refused or original(request)


def update_state_machine(original: Operation, request: JSON) -> Response:
    """Refuse a log that the role, the new one or the one there is, may not have delivered."""
    machine = sfn._state_machines.get(request.get("stateMachineArn")) or {}
    refused = _definition_refusal(request)
    return refused or _log_refusal(request, request.get("roleArn") or machine.get("roleArn", "")) or original(request)


def _definition_refusal(request: JSON) -> Response | None:
    """Refuse a definition that breaks AWS's rules or asks for what is not emulated."""
    try:
        message = refusal(json.loads(request["definition"])) if "definition" in request else ""
    except (KeyError, TypeError, ValueError) as error:
        message = f"{type(error).__name__} {error}"
    if not message:
        return None
    return _error("InvalidDefinition", f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {message}'")


def _check_in_stacks() -> None:
    """Fail a stack's state machine whose definition or role CreateStateMachine would refuse."""
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    create = provisioners._sfn_state_machine_create

    @functools.wraps(create)
    def checked(logical_id: str, props: JSON, stack_name: str) -> Any:
        asked = {"definition": provisioners._sfn_definition(props), "roleArn": props.get("RoleArn")}
        asked |= {"loggingConfiguration": props.get("LoggingConfiguration"), "type": props.get("StateMachineType")}
        refused = create_state_machine(lambda _: json_response({}), asked)
        malformed = sfn._validate_definition_jsonata(asked["definition"])
        if refused[0] != 200 or malformed:  # noqa: PLR2004
            raise ValueError(malformed or json.loads(refused[2])["message"])
        return create(logical_id, props, stack_name)

    provisioners._sfn_state_machine_create = checked
    provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]["create"] = checked


def _check_in_stacks_when_there_are_any() -> None:
    """Wait with the import of CloudFormation, which brings in every other service, until it is asked for something."""
    handler = app.SERVICE_HANDLERS["cloudformation"]

    async def first(*request: Any) -> Any:
        if app.SERVICE_HANDLERS["cloudformation"] is first:
            app.SERVICE_HANDLERS["cloudformation"] = handler
            _check_in_stacks()
        return await handler(*request)

    app.SERVICE_HANDLERS["cloudformation"] = first


LOG_DELIVERY = tuple(
    f"logs:{action}"
    for action in (
        "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
        "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
    )
)  # fmt: skip
"""What sets up the delivery of a log ("IAM policies for logging to CloudWatch Logs", Step Functions Developer Guide)."""


def _log_refusal(request: JSON, role_arn: str) -> Response | None:
    """Refuse a log destination unless the role may do all that its delivery takes; AWS does not say what is missing."""
    if not (request.get("loggingConfiguration") or {}).get("destinations"):
        return None
    if any(role.denial(role_arn, action, "*", "logging") for action in LOG_DELIVERY):
        message = "The state machine IAM Role is not authorized to access the Log Destination"
        return _error("AccessDeniedException", message)
    return None


def redrive_execution(request: JSON) -> Response:
    """Run a failed execution on from the state that failed, with the same input.

    Of a distributed Map only the children run again that did not succeed.
    """
    arn = request.get("executionArn")
    execution = sfn._executions.get(arn)
    if execution is None:
        return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    reason = not_redrivable(execution) or ("" if "_position" in execution else "Execution never started a state")
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
    emit(execution)
    map_run = execution.get("_map_runs", {}).get(execution["_position"]["state"])
    if map_run is not None and map_run.status != "SUCCEEDED":
        execution["_redriven_map_runs"] = {execution["_position"]["state"]: map_run}
    threading.Thread(target=in_own_context(interpreter.run_execution, arn), daemon=True).start()
    return json_response({"redriveDate": execution["redriveDate"]})


def serve_redrive(request: JSON) -> Response:
    """Answer RedriveExecution over HTTP, with its date as the protocol has it."""
    answer: Response = sfn._finalize_response(redrive_execution(request))
    return answer


def _in_front_of(name: str, operation: Callable[[Operation, JSON], Response]) -> None:
    original = getattr(sfn, name)
    setattr(sfn, name, lambda request: operation(original, request))


def install() -> None:
    """Put the operations in front of the emulator's."""
    _in_front_of("_start_execution", start_execution)
    _in_front_of("_stop_execution", stop_execution)
    _in_front_of("_describe_execution", describe_execution)
    _in_front_of("_create_state_machine", create_state_machine)
    _in_front_of("_update_state_machine", update_state_machine)
    _check_in_stacks_when_there_are_any()
