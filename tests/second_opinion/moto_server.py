"""An AWS by moto, whose Step Functions interpreter derives from LocalStack's, with what moto lacks plugged in.

    .venv-moto/bin/python tests/second_opinion/moto_server.py CALLS FOLDER...

Prints its port and serves until its standard input closes. Each call that a state makes by an SDK integration adds a line
to the file CALLS. Functions are not run in Docker, as moto does, but in this
process: `lambda:invoke` calls `stack.handler.handler` of the FOLDERs with the environment that CreateFunction was given.
Everything else (states, variables, Map, Retry, Catch, sizes) is moto's own judgement, which is what it is here for.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

from jsonata.jsonata import Jsonata
from moto.awslambda.models import lambda_backends
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.eval import variable_store
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend import execution_worker

UNKNOWN_TO_THE_GRAMMAR = {
    # Children are EXPRESS or STANDARD; failures of either it tolerates whatever the definition says.
    r'("ExecutionType"\s*:\s*)"EXPRESS"': r'\1"STANDARD"',
    r'("ToleratedFailurePercentage"\s*:\s*\d+)(?=\s*[,}])': r"\1.0",
}
"""What AWS takes and moto's parser does not, and what stands for it."""

_parse = AmazonStateLanguageParser.parse
_call = state_task_service_aws_sdk.StateTaskServiceAwsSdk._eval_service_task


def evaluate(expression: str) -> Any:
    """Evaluate a JSONata expression as the JVM does that moto lacks; an undefined result is an error, as on AWS."""
    try:
        result = Jsonata.jsonata(expression).evaluate(None)
    except Exception as error:
        raise jsonata.JSONataException("UNKNOWN", str(error)) from error
    return json.loads(json.dumps(result))


def declare(bindings: dict[str, Any]) -> str:
    """Declare variables for an expression. moto puts texts between quotation marks as they are, so that one in them ends it."""
    return "".join(f"{name}:={json.dumps(value)};" for name, value in bindings.items())


class Function:
    """The function that state machines invoke, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handler: Any = None

    def invoke(self, parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:  # noqa: ARG002 - moto's
        """Answer as Lambda's Invoke does."""
        with self._lock:
            if self._handler is None:
                created = lambda_backends["123456789012"][region].get_function(parameters["FunctionName"])
                os.environ.update(created.environment_vars)
                self._handler = importlib.import_module("stack.handler").handler
        answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        try:
            payload = self._handler(json.loads(parameters["Payload"]), None)
            return {**answer, "Payload": json.loads(json.dumps(payload))}
        except Exception as error:  # noqa: BLE001 - Lambda answers with whatever the function raised
            failure = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            return {**answer, "FunctionError": "Unhandled", "Payload": failure}


def parse(definition: str) -> Any:
    """Parse a definition."""
    for pattern, instead in UNKNOWN_TO_THE_GRAMMAR.items():
        definition = re.sub(pattern, instead, definition)
    return _parse(definition)


def call(self: Any, env: Any, **arguments: Any) -> None:
    """Call a service and say so. moto keeps moments as Python has them, and stumbles over them; on AWS they are texts."""
    with Path(sys.argv[1]).open("a", encoding="utf-8") as calls:
        calls.write(f"{self.resource.api_action}\n")
    _call(self, env=env, **arguments)
    env.stack.append(json.loads(json.dumps(env.stack.pop(), default=str)))


def plug_in() -> None:
    """Give moto what it lacks."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    jsonata._eval_jsonata = evaluate
    jsonata.encode_jsonata_variable_declarations = declare
    variable_store.encode_jsonata_variable_declarations = declare
    lambda_eval_utils._invoke_lambda_function = Function().invoke
    state_task_service.StateTaskService._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES["cognitoidentityprovider"] = "cognito-idp"
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES["cognitoidentityprovider"] = "CognitoIdentityProvider"
    state_task_service_aws_sdk.StateTaskServiceAwsSdk._eval_service_task = call
    AmazonStateLanguageParser.parse = staticmethod(parse)
    # moto's executions are never redriven.
    execution_worker.ExecutionData = lambda **data: {**data, "RedriveCount": 0}


def main() -> None:
    """Serve until the standard input closes."""
    sys.path[:0] = sys.argv[2:]
    plug_in()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    os.environ["MOTO_PORT"] = str(port)
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    print(port, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
