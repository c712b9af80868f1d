"""One local AWS for all tests of this folder; each test starts with no faults, no traffic and an empty log."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.aws.process import LocalAws
from sandbox.waiting import until


@pytest.fixture(scope="session")
def running_aws() -> Iterator[LocalAws]:
    """One process for the whole session: starting it takes longer than most tests."""
    with LocalAws(latency=0.01) as aws:
        yield aws


@pytest.fixture
def aws(running_aws: LocalAws, fresh: Callable[[LocalAws], LocalAws]) -> LocalAws:
    """The local AWS of this folder's tests."""
    return fresh(running_aws)


@pytest.fixture
def client(aws: LocalAws) -> Callable[..., Any]:
    """Make a boto3 client, `client("s3")`; without retries unless `attempts` says otherwise."""

    def make(service: str, *, attempts: int = 1, **options: Any) -> Any:
        settings = {
            "endpoint_url": aws.endpoint_url,
            "region_name": aws.region,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        retries = {"total_max_attempts": attempts, "mode": "standard"}
        config = Config(signature_version="s3v4" if service == "s3" else None, retries=retries, proxies={})
        return boto3.client(service, **{"config": config, **settings, **options})

    return make


@pytest.fixture
def cognito(client: Callable[..., Any]) -> Any:
    """A Cognito client that never retries."""
    return client("cognito-idp")


@pytest.fixture
def pool(cognito: Any) -> str:
    """The id of a new pool whose users sign in by email, in any case, with the group BASIC."""
    pool_id: str = cognito.create_user_pool(
        PoolName=f"pool-{uuid.uuid4().hex[:8]}",
        UsernameAttributes=["email"],
        UsernameConfiguration={"CaseSensitive": False},
        Schema=[
            {
                "Name": "plan",
                "AttributeDataType": "String",
                "Mutable": True,
                "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "10"},
            }
        ],
    )["UserPool"]["Id"]
    cognito.create_group(UserPoolId=pool_id, GroupName="BASIC")
    return pool_id


@pytest.fixture
def bucket(client: Callable[..., Any]) -> str:
    """The name of a new bucket."""
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    return name


STATES_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


class Machine:
    """One state machine and what can be asked of its executions."""

    def __init__(self, states: Any, arn: str) -> None:
        self.states = states
        self.arn = arn

    def start(self, data: Any = None, **more: Any) -> str:
        """Start an execution and return its ARN."""
        given = json.dumps({} if data is None else data)
        return str(self.states.start_execution(stateMachineArn=self.arn, input=given, **more)["executionArn"])

    def wait(self, execution: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for an execution's end and return its description."""

        def description() -> dict[str, Any]:
            return self.states.describe_execution(executionArn=execution)

        return until("its end", description, lambda seen: seen["status"] != "RUNNING", seconds=seconds, every=0.02)

    def run(self, data: Any = None) -> dict[str, Any]:
        """Start an execution and return its description once it ended."""
        return self.wait(self.start(data))

    def output(self, data: Any = None) -> Any:
        """Run an execution that must succeed and return its output."""
        description = self.run(data)
        assert description["status"] == "SUCCEEDED", description
        return json.loads(description["output"])

    def events(self, execution: str) -> list[dict[str, Any]]:
        """Return the history of an execution."""
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]


@pytest.fixture
def machine(client: Callable[..., Any]) -> Callable[..., Machine]:
    """Make a state machine from its states (or one state), whose role may do what `policy` says."""
    states, iam = client("stepfunctions"), client("iam")

    def make(definition: dict[str, Any], policy: list[dict[str, Any]] | None = None, kind: str = "STANDARD") -> Machine:
        name = f"machine-{uuid.uuid4().hex[:8]}"
        if "Type" in definition:
            definition = {"StartAt": "Only", "States": {"Only": {"End": True, **definition}}}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(STATES_TRUST))["Role"]["Arn"]
        statements = {"Version": "2012-10-17", "Statement": EVERYTHING if policy is None else policy}
        iam.put_role_policy(RoleName=name, PolicyName="calls", PolicyDocument=json.dumps(statements))
        text = json.dumps({"QueryLanguage": "JSONata", **definition})
        arn = states.create_state_machine(name=name, definition=text, roleArn=role, type=kind)["stateMachineArn"]
        return Machine(states, arn)

    return make
