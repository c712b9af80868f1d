"""However an execution ends, a rule of EventBridge can start a function that hears of it."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.process import LocalAws
from sandbox.waiting import until

HANDLER = """
import boto3, json, os
def handle(event, context):
    key = "events/" + event["detail"]["name"] + "/" + event["id"]
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=key, Body=json.dumps(event).encode())
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}}
        | {"Action": "sts:AssumeRole"}
    ],
}


def template(bucket: str, waiting: dict[str, Any], *, permitted: bool) -> dict[str, Any]:
    """Return a stack of a state machine, and a function that stores the events of its bad ends."""
    role = {
        "AssumeRolePolicyDocument": TRUST,
        "Policies": [
            {
                "PolicyName": "all",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
                },
            }
        ],
    }
    resources: dict[str, Any] = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "DefinitionString": json.dumps(waiting)},
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
                "Handler": "index.handle",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": HANDLER},
                "Environment": {"Variables": {"BUCKET": bucket}},
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.states"],
                    "detail-type": ["Step Functions Execution Status Change"],
                    "detail": {
                        "stateMachineArn": [{"Ref": "Machine"}],
                        "status": ["ABORTED", "TIMED_OUT", "FAILED"],
                    },
                },
                "Targets": [{"Id": "Function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
            },
        },
    }
    if permitted:
        resources["Permission"] = {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "Function"},
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
            },
        }
    return {"Resources": resources, "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}}}


WAITING = {
    "QueryLanguage": "JSONata",
    "TimeoutSeconds": 2,
    "StartAt": "Which",
    "States": {
        "Which": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.end = 'FAILED' %}", "Next": "Fail"},
                {"Condition": "{% $states.input.end = 'SUCCEEDED' %}", "Next": "Succeed"},
            ],
            "Default": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 60, "Next": "Succeed"},
        "Fail": {"Type": "Fail", "Error": "Bad", "Cause": "It is bad"},
        "Succeed": {"Type": "Succeed"},
    },
}


class Stack:
    """The deployed stack: its state machine, and the events that its function was started with."""

    def __init__(self, client: Callable[..., Any], bucket: str, *, permitted: bool) -> None:
        self.states, self.s3, self.bucket = client("stepfunctions"), client("s3"), bucket
        made, name = client("cloudformation"), f"stack-{uuid.uuid4().hex[:8]}"
        body = json.dumps(template(bucket, WAITING, permitted=permitted))
        made.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        made.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        self.machine = made.describe_stacks(StackName=name)["Stacks"][0]["Outputs"][0]["OutputValue"]

    def start(self, end: str) -> str:
        """Start an execution that is to end so; return its ARN."""
        given = json.dumps({"end": end})
        return str(self.states.start_execution(stateMachineArn=self.machine, input=given)["executionArn"])

    def heard(self, execution: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the events of an execution; waits for so many, and then a moment for others."""
        prefix = f"events/{execution.rpartition(':')[2]}/"

        def listed() -> list[dict[str, Any]]:
            return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])

        until(f"{count} events", listed, lambda seen: len(seen) >= count, every=0.05)
        time.sleep(0.5)
        found = listed()
        return [json.loads(self.s3.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read()) for each in found]


@pytest.mark.usefixtures("aws")
def test_every_bad_end_starts_the_function_once(client: Callable[..., Any], bucket: str) -> None:
    """A stop, a timeout and a failure each arrive as one event with what AWS documents; a success does not."""
    stack = Stack(client, bucket, permitted=True)
    ends = ("ABORTED", "TIMED_OUT", "FAILED", "SUCCEEDED")
    executions = {end: stack.start(end) for end in ends}
    time.sleep(0.5)
    stack.states.stop_execution(executionArn=executions["ABORTED"], error="Operator", cause="Enough")
    said = {"ABORTED": ("Operator", "Enough"), "FAILED": ("Bad", "It is bad")}
    for end in ends[:3]:
        (event,) = stack.heard(executions[end])
        assert (event["source"], event["resources"]) == ("aws.states", [executions[end]])
        detail = event["detail"]
        assert detail["executionArn"] == executions[end]
        assert detail["stateMachineArn"] == stack.machine
        assert (detail["status"], json.loads(detail["input"])) == (end, {"end": end})
        assert (detail["output"], detail["redriveStatus"], detail["redriveCount"]) == (None, "REDRIVABLE", 0)
        assert detail["startDate"] < detail["stopDate"] < time.time() * 1000
        assert (detail["error"], detail["cause"]) == said.get(end, (detail["error"], detail["cause"]))
    assert stack.heard(executions["SUCCEEDED"], 0) == []


@pytest.mark.usefixtures("aws")
def test_an_execution_that_is_redriven_is_heard_of_again(client: Callable[..., Any], bucket: str) -> None:
    """Each end is one event, and tells how often the execution was redriven."""
    stack = Stack(client, bucket, permitted=True)
    execution = stack.start("FAILED")
    assert len(stack.heard(execution)) == 1
    stack.states.redrive_execution(executionArn=execution)
    assert sorted(event["detail"]["redriveCount"] for event in stack.heard(execution, 2)) == [0, 1]


def test_an_event_needs_permission_to_start_the_function(
    aws: LocalAws, client: Callable[..., Any], bucket: str
) -> None:
    """Without the function's permission for the rule nothing arrives."""
    assert aws.endpoint_url
    stack = Stack(client, bucket, permitted=False)
    execution = stack.start("FAILED")
    time.sleep(1.5)
    assert stack.heard(execution, 0) == []
