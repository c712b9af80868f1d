"""Task states: the call, as the state machine's role, and the errors in the words of AWS.

Follows "Integrating services with Step Functions" and "Learning to use AWS service SDK integrations".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import contextvars
import functools
import uuid
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from ministack import app
from ministack.services import stepfunctions as sfn

from local_aws.answers import Answer
from local_aws.step_functions import role, storage
from local_aws.step_functions.retry import with_retry_and_catch
from local_aws.step_functions.runs import check_size, current, in_own_context

JSON = dict[str, Any]

_last_answer: contextvars.ContextVar[Answer | None] = contextvars.ContextVar("last_answer", default=None)


def named(resource: str) -> tuple[str, str]:
    """Return resourceType and resource of a Task's ARN as its events show them."""
    if resource.startswith("arn:aws:states:::"):
        service, _, operation = resource.removeprefix("arn:aws:states:::").rpartition(":")
        return service, operation
    return "lambda", resource


def execute_task(state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    """Run a Task state under its Retry and Catch."""
    run = execution["_run"]
    attempt = functools.partial(_attempt, state, data, execution, context)
    return with_retry_and_catch(state, data, run, context, attempt)


def _attempt(state: JSON, data: Any, execution: JSON, context: JSON) -> Any:
    run, name = execution["_run"], context["State"]["Name"]
    kind, resource = named(state["Resource"])
    what = {"resourceType": kind, "resource": resource}
    if ".waitForTaskToken" in state["Resource"]:
        context["Task"] = {"Token": str(uuid.uuid4())}
    arguments = arguments_of(state, data, context)
    check_size(arguments, name)
    run.record("TaskScheduled", ("parameters", arguments), **what)
    run.record("TaskStarted", **what)
    try:
        result = _within(seconds_allowed(state, data, context), state, arguments, context)
        check_size(result, name)
    except sfn._ExecutionError as error:
        event = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
        run.record(event, **what, error=error.error, cause=error.cause)
        raise
    run.record("TaskSucceeded", ("output", result), **what)
    return output_of(state, data, context, result)


def arguments_of(state: JSON, data: Any, context: JSON) -> Any:
    """Return what a Task, Parallel or Map state passes on: Arguments (JSONata), or InputPath and Parameters."""
    if sfn._state_query_language(state, context) == "JSONata":
        return sfn._apply_jsonata_arguments(state, data, context)
    return sfn._apply_parameters(state, sfn._apply_input_path(state, data, context), context)


def output_of(state: JSON, data: Any, context: JSON, result: Any) -> Any:
    """Return a state's output: Output and Assign (JSONata), or ResultSelector, ResultPath and OutputPath."""
    if sfn._state_query_language(state, context) == "JSONata":
        output = sfn._apply_jsonata_output(state, data, context, result=result, default=result)
        sfn._apply_state_assign(state, data, context, result=result)
        return output
    selected = sfn._apply_result_selector(state, result)
    return sfn._apply_output_path(state, sfn._apply_result_path(state, data, selected), context)


def seconds_allowed(state: JSON, data: Any, context: JSON) -> float | None:
    """Return a Task's TimeoutSeconds, which may be an expression or a path, or None."""
    if "TimeoutSecondsPath" in state:
        return float(sfn._resolve_path_or_ctx(state["TimeoutSecondsPath"], data, context))
    if "TimeoutSeconds" not in state:
        return None
    return float(sfn._apply_jsonata_template(state["TimeoutSeconds"], data, context))


def _within(seconds: float | None, state: JSON, arguments: Any, context: JSON) -> Any:
    """Make the call; past its seconds the state goes on with States.Timeout while the call ends unheard."""
    call = functools.partial(_call, state, arguments, context)
    if seconds is None or ":activity:" in state["Resource"]:
        return call()
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(in_own_context(call))
    pool.shutdown(wait=False)
    try:
        return future.result(seconds)
    except FutureTimeoutError:
        raise sfn._ExecutionError("States.Timeout", f"Task timed out after {seconds:g} seconds") from None


def _call(state: JSON, arguments: Any, context: JSON) -> Any:
    resource = state["Resource"]
    check_role(resource, arguments)
    if ".waitForTaskToken" in resource:
        return sfn._invoke_with_callback(resource, arguments, context["Task"]["Token"], state)
    return sfn._invoke_resource(resource, arguments)


def check_role(resource: str, arguments: Any) -> None:
    """Raise the error that AWS gives if the state machine's role may not make this call."""
    kind, operation = named(resource.replace(".sync:2", "").replace(".sync", "").replace(".waitForTaskToken", ""))
    request = arguments if isinstance(arguments, dict) else {}
    if kind.startswith("aws-sdk:"):
        service = kind.removeprefix("aws-sdk:").lower()
        info = sfn._AWS_SDK_SERVICE_MAP.get(service, {})
        action, arn = role.sdk_call(
            service, operation[0].upper() + operation[1:], request, info.get("target_prefix", "")
        )
    elif kind == "lambda" and operation == "invoke":
        action, arn = "lambda:InvokeFunction", role.function_arn(str(request.get("FunctionName", "*")))
    elif kind == "lambda":
        action, arn = "lambda:InvokeFunction", operation
    elif kind == "states" and operation.startswith("startExecution"):
        action, arn = "states:StartExecution", str(request.get("StateMachineArn", "*"))
    else:
        action, arn = f"{kind}:{operation[:1].upper()}{operation[1:]}", "*"
    listing = {"s3:prefix": str(request.get("Prefix", ""))} if action == "s3:ListBucket" else {}
    require(action, arn, kind, listing)


def denial(action: str, arn: str, keys: JSON | None = None) -> str:
    """Return AWS's message if the role of this thread's state machine lacks `action` on `arn`, or ""."""
    run = current.get()
    return role.denial(run.machine["roleArn"], action, arn, run.execution["name"], keys)


def require(action: str, arn: str, kind: str, keys: JSON | None = None) -> None:
    """Raise an access-denied error, worded as for integration `kind`, if the role lacks `action` on `arn`."""
    message = denial(action, arn, keys)
    if not message:
        return
    request_id = uuid.uuid4()
    if kind == "lambda":
        raise sfn._ExecutionError(
            "Lambda.AWSLambdaException",
            f"{message} (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; "
            f"Request ID: {request_id}; Proxy: null)",
        )
    if kind.startswith("aws-sdk:"):
        service = kind.removeprefix("aws-sdk:").lower()
        status = 403 if service == "s3" else 400
        raise sfn._ExecutionError(
            error_name(service, "AccessDeniedException"), f"{message} {tail(service, status, str(request_id))}"
        )
    raise sfn._ExecutionError("States.Permissions", message)


@functools.cache
def modelled_errors(service: str) -> frozenset[str]:
    """Return the errors that the SDK's model of `service` names."""
    info = sfn._AWS_SDK_SERVICE_MAP.get(service, {})
    model = sfn._service_model(info.get("service_key", service))
    names = model.shape_names if model else ()
    return frozenset(name for name in names if model.shape_for(name).metadata.get("exception"))


def error_name(service: str, code: str) -> str:
    """Return the error name of an SDK integration.

    It is the SDK's exception class: one of its own for each error that the service models, the service's
    general exception for all others.
    """
    prefix = sfn._AWS_SDK_ERROR_PREFIX.get(service, service.capitalize())
    plain = code.removesuffix("Exception")
    if code != "SdkClientException" and not {code, plain} & modelled_errors(service):
        plain = prefix
    return f"{prefix}.{plain}Exception"


def tail(service: str, status: int, request_id: str) -> str:
    """Return the end of the Cause of a failed SDK call, as the SDK's exceptions have it."""
    prefix = sfn._AWS_SDK_ERROR_PREFIX.get(service, service.capitalize())
    more = f", Extended Request ID: {uuid.uuid4().hex}" if service == "s3" else ""
    return f"(Service: {prefix}, Status Code: {status}, Request ID: {request_id}{more})"


def _remember_answer(call: Any) -> Any:
    @functools.wraps(call)
    def remembering(*arguments: Any, **options: Any) -> Answer:
        answer: Answer = call(*arguments, **options)
        _last_answer.set(answer)
        return answer

    return remembering


def s3_failure(name: str, bucket: str, answer: Answer) -> sfn._ExecutionError:
    """Return the error `name` with what S3 said; without s3:ListBucket a missing key is an access denied."""
    code, message = storage.error_of(answer)
    if code == "NoSuchKey" and denial("s3:ListBucket", f"arn:aws:s3:::{bucket}"):
        code, message = "AccessDenied", "Access Denied"
        _last_answer.set((403, {}, b""))
    return sfn._ExecutionError(name or error_name("s3", code), f"{code}: {message}" if name else message)


def _s3_task(operation: str, arguments: JSON) -> JSON:
    """Read or write an object, which the emulator's own integration does not."""
    answer = storage.perform(operation, arguments)
    if answer[0] < 400:  # noqa: PLR2004
        return storage.result_of(answer)
    raise s3_failure("", arguments["Bucket"], answer)


def _worded_as_the_sdk(integration: Any) -> Any:
    @functools.wraps(integration)
    def invoke(resource: str, arguments: Any) -> Any:
        _last_answer.set(None)
        kind, operation = named(resource)
        try:
            if (kind, operation) in {("aws-sdk:s3", "getObject"), ("aws-sdk:s3", "putObject")}:
                return _s3_task(operation[0].upper() + operation[1:], arguments)
            return integration(resource, arguments)
        except sfn._ExecutionError as error:
            answer = _last_answer.get()
            if answer is None:
                raise
            service = kind.removeprefix("aws-sdk:").lower()
            code = error.error.rpartition(".")[2]
            if code == "SdkClientException":
                raise sfn._ExecutionError(error_name(service, code), error.cause) from error
            ending = tail(service, answer[0], str(uuid.uuid4()))
            raise sfn._ExecutionError(error_name(service, code), f"{error.cause} {ending}") from error

    return invoke


def install() -> None:
    """Add Cognito to the SDK integrations and give all of them the names and texts of AWS."""
    sfn._AWS_SDK_SERVICE_MAP["cognitoidentityprovider"] = {
        "target_prefix": "AWSCognitoIdentityProviderService",
        "protocol": "json",
        "service_key": "cognito-idp",
    }
    sfn._AWS_SDK_ERROR_PREFIX["cognitoidentityprovider"] = "CognitoIdentityProvider"
    app.call_service_handler_sync = _remember_answer(app.call_service_handler_sync)
    sfn._invoke_aws_sdk_integration = _worded_as_the_sdk(sfn._invoke_aws_sdk_integration)
