"""Definitions that Step Functions refuses, and those that are not emulated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.waiting import until


def inner(assigned: dict[str, Any], **config: str) -> dict[str, Any]:
    """Return a Map whose iterations assign variables."""
    processor = {
        "StartAt": "A",
        "States": {"A": {"Type": "Pass", "End": True, "Assign": assigned}},
        "ProcessorConfig": config,
    }
    return {"Type": "Map", "Items": [1], "ItemProcessor": processor, "Next": "Last"}


@pytest.mark.parametrize(
    "config",
    [{"Mode": "INLINE"}, {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}],
    ids=lambda config: config["Mode"],
)
def test_an_inner_scope_may_not_assign_what_an_outer_one_does(
    machine: Callable[..., Any], config: dict[str, str]
) -> None:
    """Whatever the order of the states: CreateStateMachine and UpdateStateMachine refuse the definition."""
    last = {
        "Type": "Choice",
        "Default": "Done",
        "Choices": [{"Condition": True, "Assign": {"count": 1}, "Next": "Done"}],
    }
    states = {"Each": inner({"count": 2}, **config), "Last": last, "Done": {"Type": "Succeed"}}
    with pytest.raises(ClientError, match=r"InvalidDefinition.*variable count .*at /States/Each/ItemProcessor/States"):
        machine({"StartAt": "Each", "States": states})
    states["Each"] = inner({"number": 2}, **config)
    made = machine({"StartAt": "Each", "States": states})
    assert made.run()["status"] == "SUCCEEDED"
    states["Last"]["Choices"][0]["Assign"]["number"] = 1
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Each", "States": states})
    with pytest.raises(ClientError, match="variable number"):
        made.states.update_state_machine(stateMachineArn=made.arn, definition=definition)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        pytest.param({"Type": "Parallel", "Branches": []}, "The type Parallel", id="type"),
        pytest.param({"Type": "Pass", "InputPath": "$.a"}, "InputPath", id="JSONPath"),
        pytest.param({**inner({}), "ItemBatcher": {"MaxItemsPerBatch": 2}}, "ItemBatcher", id="batcher"),
        pytest.param({**inner({}), "ResultWriter": {}}, "ResultWriter", id="writer"),
        pytest.param(
            {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Arguments": {}}, "s3", id="resource"
        ),
    ],
)
def test_what_is_not_emulated_is_refused(machine: Callable[..., Any], state: dict[str, Any], what: str) -> None:
    """It is never passed over in silence."""
    with pytest.raises(ClientError, match=f"InvalidDefinition.*{what}.* is not emulated"):
        machine(state)


def test_a_stack_with_a_definition_that_is_refused_fails(client: Callable[..., Any]) -> None:
    """CloudFormation rolls it back with the reason."""
    role = {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    }
    states = {"Each": inner({"count": 2}), "Last": {"Type": "Pass", "Assign": {"count": 1}, "End": True}}
    text = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Each", "States": states})
    properties = {"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "DefinitionString": text}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties},
    }
    stacks = client("cloudformation")
    body = json.dumps({"Resources": resources})
    name = stacks.create_stack(StackName="refused", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])["StackId"]
    status = until(
        "the end of the deployment",
        lambda: stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"],
        lambda seen: not seen.endswith("IN_PROGRESS"),
    )
    assert status in ("ROLLBACK_COMPLETE", "CREATE_FAILED")
    reasons = [
        event.get("ResourceStatusReason", "") for event in stacks.describe_stack_events(StackName=name)["StackEvents"]
    ]
    assert any("variable count" in reason for reason in reasons)
