"""Lambda functions run for real, as their role, and leave nothing behind."""

from __future__ import annotations

import io
import json
import sys
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox.aws.process import LocalAws

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
HANDLER = """
import os, time
def handle(event, context):
    if event.get("fail"):
        raise ValueError("asked to fail")
    time.sleep(event.get("seconds", 0))
    return {
        "given": event,
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "key": os.environ["AWS_ACCESS_KEY_ID"],
        "process": os.getpid(),
    }
"""
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


def package() -> bytes:
    """Return a deployment package of the handler."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("function.py", HANDLER)
    return content.getvalue()


def make_function(client: Callable[..., Any]) -> str:
    """Make a function with a role of its own and return its name."""
    name = f"function-{uuid.uuid4().hex[:8]}"
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName=name, Runtime=RUNTIME, Role=role, Handler="function.handle", Code={"ZipFile": package()}
    )
    return name


@pytest.fixture
def function(client: Callable[..., Any]) -> str:
    """The name of a function that answers its event, the endpoint it sees and the key it has."""
    return make_function(client)


def task(function: str) -> dict[str, Any]:
    """Return a Task that invokes the function with its input."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
    }


def test_a_state_machine_invokes_a_function(
    aws: LocalAws, machine: Callable[..., Any], function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function gets its payload, this endpoint and keys of its role."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    answer = machine(task(function)).output({"n": 1})["Payload"]
    assert answer["given"] == {"n": 1}
    assert answer["endpoint"] == aws.endpoint_url
    assert answer["key"].startswith("ASIA")


def test_a_failing_function_is_named_by_its_error(machine: Callable[..., Any], function: str) -> None:
    """Error is the exception's class, Cause the JSON of what it said."""
    failed = machine(task(function)).run({"fail": True})
    assert failed["error"] == "ValueError"
    assert json.loads(failed["cause"])["errorMessage"] == "asked to fail"


def test_invoking_needs_permission(machine: Callable[..., Any], function: str) -> None:
    """Without lambda:InvokeFunction the call is denied in Lambda's words."""
    arn = f"arn:aws:lambda:ap-northeast-1:000000000000:function:{function}"
    permitted = [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}]
    assert machine(task(function), permitted).run({})["status"] == "SUCCEEDED"
    denied = machine(task(function), [{**permitted[0], "Resource": f"{arn}-2"}]).run({})
    assert denied["error"] == "Lambda.AWSLambdaException"
    assert f"lambda:InvokeFunction on resource: {arn}" in denied["cause"]


def test_few_functions_run_at_a_time(machine: Callable[..., Any], function: str) -> None:
    """Twelve invocations at once share no more processes than a small machine can bear, and all are answered."""
    call = {"StartAt": "Call", "States": {"Call": {**task(function), "End": True}}}
    answers = machine(
        {"Type": "Map", "Items": list(range(12)), "ItemSelector": {"seconds": 0.2}, "ItemProcessor": call}
    ).output()
    assert len(answers) == 12
    assert 1 < len({answer["Payload"]["process"] for answer in answers}) <= 6


def test_functions_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a function unpacks is removed with the local AWS."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalAws() as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        name = make_function(boto3.client)
        assert boto3.client("lambda").invoke(FunctionName=name, Payload=b"{}")["StatusCode"] == 200
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
