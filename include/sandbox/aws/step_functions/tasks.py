"""Task states: the call, as the state machine's role, and the errors in the words of AWS.

Follows "Integrating services with Step Functions" and "Learning to use AWS service SDK integrations".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from ministack import app
from ministack.services import stepfunctions as sfn

from sandbox.aws.step_functions import role
from sandbox.aws.step_functions.payloads import check_size
from sandbox.aws.step_functions.retry import with_retry_and_catch
from sandbox.aws.step_functions.runs import current, idle, in_own_context

JSON = dict[str, Any]
COGNITO = "CognitoIdentityProvider"
TARGET = "AWSCognitoIdentityProviderService"


def execute_task(state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    """Run a Task state under its Retry and Catch."""
    run = execution["_run"]
    attempt = functools.partial(_attempt, state, data, execution, context)
    return with_retry_and_catch(state, data, run, context, attempt)


def _attempt(state: JSON, data: Any, execution: JSON, context: JSON) -> Any:
    run, name = execution["_run"], context["State"]["Name"]
    kind, _, operation = state["Resource"].removeprefix("arn:aws:states:::").rpartition(":")
    what = {"resourceType": kind, "resource": operation}
    arguments = sfn._apply_jsonata_arguments(state, data, context)
    check_size(arguments, name)
    run.record("TaskScheduled", ("parameters", arguments), **what)
    run.record("TaskStarted", **what)
    try:
        seconds = sfn._apply_jsonata_template(state.get("TimeoutSeconds"), data, context)
        call = functools.partial(_invoke if kind == "lambda" else _call_cognito, operation, arguments)
        with idle():
            result = _within(seconds, call)
        check_size(result, name)
    except sfn._ExecutionError as error:
        event = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
        run.record(event, **what, error=error.error, cause=error.cause)
        raise
    run.record("TaskSucceeded", ("output", result), **what)
    return output_of(state, data, context, result)


def output_of(state: JSON, data: Any, context: JSON, result: Any) -> Any:
    """Return a state's Output, and assign its variables; both see the variables from before."""
    output = sfn._apply_jsonata_output(state, data, context, result=result, default=result)
    sfn._apply_state_assign(state, data, context, result=result)
    return output


def _within(seconds: float | None, call: Any) -> Any:
    """Make the call; past its seconds the state goes on with States.Timeout while the call ends unheard."""
    if seconds is None:
        return call()
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(in_own_context(call))
    pool.shutdown(wait=False)
    try:
        return future.result(seconds)
    except FutureTimeoutError:
        raise sfn._ExecutionError("States.Timeout", f"Task timed out after {seconds:g} seconds") from None


def denial(action: str, arn: str) -> str:
    """Return AWS's message if the role of this thread's state machine lacks `action` on `arn`, or ""."""
    run = current.get()
    return role.denial(run.machine["roleArn"], action, arn, run.execution["name"])


def _invoke(_operation: str, arguments: JSON) -> Any:
    """Invoke a Lambda function."""
    message = denial("lambda:InvokeFunction", role.function_arn(str(arguments.get("FunctionName", "*"))))
    if message:
        raise sfn._ExecutionError(
            "Lambda.AWSLambdaException",
            f"{message} (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; "
            f"Request ID: {uuid.uuid4()}; Proxy: null)",
        )
    return sfn._invoke_resource("arn:aws:states:::lambda:invoke", arguments)


def _call_cognito(operation: str, arguments: JSON) -> Any:
    """Call Cognito as the SDK integration does."""
    operation = f"{operation[0].upper()}{operation[1:]}"
    message = denial(*role.cognito_call(operation, arguments))
    if message:
        raise _sdk_error("AccessDeniedException", message, 400)
    request = sfn._sdk_json_params({}, "cognito-idp", operation, arguments)
    headers = {"x-amz-target": f"{TARGET}.{operation}", "content-type": "application/x-amz-json-1.1"}
    handler = app.SERVICE_HANDLERS["cognito-idp"]
    status, _, body = app.call_service_handler_sync(handler, "POST", "/", headers, json.dumps(request).encode(), {})
    answer = json.loads(body or b"{}")
    if status >= 400:  # noqa: PLR2004
        raise _sdk_error(answer.get("__type", ""), answer.get("message", ""), status)
    return sfn._sdk_json_result("cognito-idp", operation, answer)


@functools.cache
def modelled_errors() -> frozenset[str]:
    """Return the errors that the SDK's model of Cognito names; its client knows them all, whatever the operation."""
    model = sfn._service_model("cognito-idp")
    return frozenset(name for name in model.shape_names if model.shape_for(name).metadata.get("exception"))


def _sdk_error(code: str, message: str, status: int) -> Exception:
    """Return the error of an SDK call: it is named by the SDK's exception, for codes without one by the general one."""
    if code == "SdkClientException":
        return sfn._ExecutionError(f"{COGNITO}.{code}", message)  # type: ignore[no-any-return]
    name = code if code in modelled_errors() else f"{COGNITO}Exception"
    tail = f"(Service: {COGNITO}, Status Code: {status}, Request ID: {uuid.uuid4()}) (SDK Attempt Count: 1)"
    return sfn._ExecutionError(f"{COGNITO}.{name}", f"{message} {tail}")  # type: ignore[no-any-return]
