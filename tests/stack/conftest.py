"""The stack on a local AWS of its own: deployed once for all tests of this folder, with a user pool for each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from tests.stack.roles import Worker

from cognito_import import aws as clients
from cognito_import.ingest import ingest_request
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from sandbox.aws.process import LocalAws
from sandbox.waiting import until
from stack import definition
from stack.deploy import Stack

ADMIN = "admin@example.com"
SENDER = "report@example.com"
JSON = dict[str, Any]


@pytest.fixture(scope="session")
def process() -> Iterator[LocalAws]:
    """One local AWS for the whole session."""
    with LocalAws(latency=0.02) as aws:
        yield aws


@pytest.fixture
def aws(process: LocalAws, fresh: Callable[[LocalAws], LocalAws]) -> LocalAws:
    """The local AWS of this folder's tests."""
    return fresh(process)


@dataclass
class Machine:
    """The deployed state machine, and what tests do with it."""

    variable: JSON
    pool: str
    states: Any
    s3: Any
    cognito: Any

    def start(self, given: JSON, name: str = "") -> str:
        """Start an execution and return its ARN."""
        name = name or f"test-{secrets.token_hex(6)}"
        arn = self.variable["state_machine_arn"]
        answer = self.states.start_execution(stateMachineArn=arn, name=name, input=json.dumps(given))
        return str(answer["executionArn"])

    def wait(self, arn: str) -> JSON:
        """Wait for an execution's end and return its description."""

        def description() -> JSON:
            return self.states.describe_execution(executionArn=arn)

        ended = until("its end", description, lambda seen: seen["status"] != "RUNNING", seconds=400)
        print(arn, ended["status"], ended.get("error"), ended.get("cause"))  # shown where a test fails
        return ended

    def run(self, given: JSON) -> JSON:
        """Run an execution to its end and return its description."""
        return self.wait(self.start(given))

    def settings(self, **others: Any) -> Settings:
        """Return the deployment's settings."""
        return Settings.parse({**self.variable, **others})

    def filled(self, users: list[JSON], jobtype: str = "import", **keys: str) -> RunFolder:
        """Return a run folder as Airflow fills it."""
        folder = RunFolder(self.s3, self.variable["report_bucket"], f"run-{secrets.token_hex(6)}")
        settings = self.settings(approve_deletions=False, engine="step_functions")
        ingest_request({"data": users, "adminemail": ADMIN, "jobtype": jobtype, **keys}, settings, self.s3, folder)
        return folder

    def bury_children(self, folder: RunFolder) -> None:
        """Mark the children of an aborted execution as ended, so that nobody waits for them; the test knows that they are."""
        for number, checkpoint, _ in folder.all_checkpoints():
            folder.write_checkpoint(number, "round-001", replace(checkpoint, busy_seconds=0.0))

    def make(self, users: list[JSON]) -> list[str]:
        """Make users in the group BASIC as somebody else would, and return their usernames."""
        names = []
        for user in users:
            made = self.cognito.admin_create_user(
                UserPoolId=self.pool,
                Username=user["useremail"],
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": user["useremail"]}],
            )
            names.append(made["User"]["Username"])
            self.cognito.admin_add_user_to_group(UserPoolId=self.pool, Username=names[-1], GroupName="BASIC")
        return names

    def members(self, group: str = "BASIC") -> dict[str, str]:
        """Return the group's users: address to username."""
        pages = self.cognito.get_paginator("list_users_in_group").paginate(UserPoolId=self.pool, GroupName=group)
        return {
            attribute["Value"]: user["Username"]
            for page in pages
            for user in page["Users"]
            for attribute in user["Attributes"]
            if attribute["Name"] == "email"
        }

    def hurry(self) -> None:
        """Remove every Retry."""

        def hurried(machine: JSON) -> JSON:
            for _, state in definition.states_in(machine):
                state.pop("Retry", None)
            return machine

        self.use(hurried)

    def time_out_after(self, seconds: int) -> None:
        """Have the calls for users time out sooner, for tests that would wait for it several times."""

        def sooner(machine: JSON) -> JSON:
            for _, state in definition.states_in(machine):
                if ":cognitoidentityprovider:" in state.get("Resource", ""):
                    state["TimeoutSeconds"] = seconds
            return machine

        self.use(sooner)

    def use(self, change: Callable[[JSON], JSON]) -> None:
        """Put a changed definition in place of the deployed one."""
        arn = self.variable["state_machine_arn"]
        stored = json.loads(self.states.describe_state_machine(stateMachineArn=arn)["definition"])
        self.states.update_state_machine(stateMachineArn=arn, definition=json.dumps(change(stored)))


@pytest.fixture(scope="session")
def deployed(process: LocalAws) -> Iterator[tuple[Stack, str, str]]:
    """The stack, its user pool's id and the definition as it was deployed."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in process.environment().items():
            environment.setenv(name, value)
        cognito: Any = boto3.client("cognito-idp")
        pool = cognito.create_user_pool(
            PoolName="test",
            UsernameAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            Schema=[{"Name": "plan", "AttributeDataType": "String", "Mutable": True}],
        )["UserPool"]["Id"]
        for group in ("BASIC", "VIP"):
            cognito.create_group(UserPoolId=pool, GroupName=group)
        boto3.client("ses").verify_email_identity(EmailAddress=SENDER)
        stack = Stack("test")
        stack.deploy({"MailFrom": SENDER, "UserPoolId": pool, "Locale": "en", "TimeZone": "UTC"})
        arn = stack.variable()["state_machine_arn"]
        stored = boto3.client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"]
        yield stack, pool, stored


@pytest.fixture
def machine_of(aws: LocalAws) -> Callable[[Stack, str], Machine]:
    """Give the state machine of a stack."""

    def give(stack: Stack, pool: str) -> Machine:
        states: Any = boto3.client("stepfunctions")
        return Machine(
            stack.variable(), pool, states, boto3.client("s3", config=clients.S3), boto3.client("cognito-idp")
        )

    return give


@pytest.fixture
def machine(deployed: tuple[Stack, str, str], machine_of: Callable[[Stack, str], Machine]) -> Machine:
    """The state machine as it was deployed."""
    stack, pool, stored = deployed
    made = machine_of(stack, pool)
    made.use(lambda _: json.loads(stored))
    return made


@pytest.fixture
def hurried_machine(machine: Machine) -> Machine:
    """The state machine without any Retry, for tests of what it does when no attempt is left."""
    machine.hurry()
    return machine


@pytest.fixture
def addresses() -> Callable[[int], list[JSON]]:
    """Make users with new addresses."""

    def make(count: int) -> list[JSON]:
        mark = secrets.token_hex(4)
        return [{"useremail": f"user{number:03}-{mark}@example.com"} for number in range(1, count + 1)]

    return make


@pytest.fixture
def worker(deployed: Any, aws: LocalAws) -> Iterator[Worker]:
    """A user of IAM, to be given policies."""
    made = Worker(deployed)
    yield made
    made.leave()
