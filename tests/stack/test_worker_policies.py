"""Airflow's worker can do what an engine needs with the engine's policies, and not without any single action of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.stack.roles import ADMIN, IDLE, WORKER, Worker, actions_of, folder_of, managed

from cognito_import.engine import execution_lock
from cognito_import.errors import ExecutionError, RunFolderError
from cognito_import.run.folder import LOCK
from sandbox.aws.process import LocalAws

MAPPED = [*WORKER, "MappedEnginePolicy"]
STEPS = [*WORKER, "StepFunctionsEnginePolicy"]
Use = Callable[[Any, Any], object]


def call(service: str, operation: str, **arguments: Any) -> Use:
    """Make a call of any service."""
    return lambda session, _: getattr(session.client(service), operation)(**arguments)


def pool(operation: str, **arguments: Any) -> Use:
    """Make a call for the user pool."""
    return lambda session, machine: call("cognito-idp", operation, UserPoolId=machine.pool, **arguments)(session, None)


def user(operation: str, **arguments: Any) -> Use:
    """Make a call for one user of the pool."""
    return pool(operation, Username="policy@example.com", **arguments)


def states(operation: str, **arguments: Callable[[Any], str]) -> Use:
    """Make a call of Step Functions, whose arguments come from the machine."""
    return lambda session, machine: call(
        "stepfunctions", operation, **{name: give(machine) for name, give in arguments.items()}
    )(session, None)


def ended(machine: Any) -> str:
    """Start an execution, stop it, and return its ARN."""
    arn: str = machine.start({})
    machine.states.stop_execution(executionArn=arn)
    return arn


def look_for_holder(session: Any, machine: Any) -> None:
    """Look whether an execution holds the lock."""
    bucket = machine.variable["report_bucket"]
    machine.s3.put_object(Bucket=bucket, Key=LOCK, Body=json.dumps({"execution": ended(machine)}).encode())
    execution_lock.running_holder(machine.s3, session.client("stepfunctions"), bucket)


def delete_of_the_inbox(session: Any, machine: Any) -> None:
    """Delete a file of the inbox."""
    session.client("s3").delete_object(Bucket=machine.variable["report_bucket"], Key="inbox/users.csv")


def its_arn(machine: Any) -> str:
    """Return the state machine's ARN."""
    return str(machine.variable["state_machine_arn"])


LIMIT = {"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserCreation"}}
METRIC = {"Id": "m", "MetricStat": {"Metric": {}, "Period": 300, "Stat": "Sum"}}
MAIL = {
    "Source": "report@example.com",
    "Destination": {"ToAddresses": [ADMIN]},
    "Message": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}},
}
HOURS = {"StartTime": datetime(2026, 1, 1, tzinfo=UTC), "EndTime": datetime(2026, 1, 2, tzinfo=UTC)}
NAME = [{"Name": "name", "Value": "x"}]
USES: list[tuple[str, list[str], Use]] = [
    ("cognito-idp:DescribeUserPool", WORKER, pool("describe_user_pool")),
    ("cognito-idp:CreateGroup", WORKER, pool("create_group", GroupName="BASIC")),
    ("cognito-idp:GetGroup", WORKER, pool("get_group", GroupName="BASIC")),
    ("cognito-idp:ListGroups", WORKER, pool("list_groups")),
    ("cognito-idp:GetProvisionedLimit", WORKER, call("cognito-idp", "get_provisioned_limit", LimitDefinition=LIMIT)),
    ("cloudwatch:ListMetrics", WORKER, call("cloudwatch", "list_metrics")),
    ("cloudwatch:GetMetricData", WORKER, call("cloudwatch", "get_metric_data", MetricDataQueries=[METRIC], **HOURS)),
    (
        "ses:GetIdentityVerificationAttributes",
        WORKER,
        call("ses", "get_identity_verification_attributes", Identities=["report@example.com"]),
    ),
    ("ses:GetAccount", WORKER, call("sesv2", "get_account")),
    ("ses:GetSuppressedDestination", WORKER, call("sesv2", "get_suppressed_destination", EmailAddress=ADMIN)),
    ("ses:SendEmail", WORKER, call("ses", "send_email", **MAIL)),
    ("s3:PutObject", WORKER, lambda session, machine: folder_of(session, machine).grant_slots()),
    ("s3:GetObject", WORKER, lambda session, machine: folder_of(session, machine).is_reported()),
    ("s3:ListBucket", WORKER, lambda session, machine: folder_of(session, machine).checkpoints(1)),
    ("s3:DeleteObject", WORKER, delete_of_the_inbox),
    ("cognito-idp:AdminCreateUser", MAPPED, user("admin_create_user", MessageAction="SUPPRESS")),
    ("cognito-idp:AdminAddUserToGroup", MAPPED, user("admin_add_user_to_group", GroupName="BASIC")),
    ("cognito-idp:AdminGetUser", WORKER, user("admin_get_user")),
    ("cognito-idp:AdminDeleteUser", MAPPED, user("admin_delete_user")),
    ("cognito-idp:AdminListGroupsForUser", WORKER, user("admin_list_groups_for_user")),
    ("cognito-idp:ListUsersInGroup", WORKER, pool("list_users_in_group", GroupName="BASIC")),
    ("cognito-idp:AdminDisableUser", MAPPED, user("admin_disable_user")),
    ("cognito-idp:AdminEnableUser", MAPPED, user("admin_enable_user")),
    ("cognito-idp:AdminUpdateUserAttributes", MAPPED, user("admin_update_user_attributes", UserAttributes=NAME)),
    ("states:StartExecution", STEPS, states("start_execution", stateMachineArn=its_arn)),
    ("states:DescribeStateMachine", STEPS, states("describe_state_machine", stateMachineArn=its_arn)),
    ("states:DescribeExecution", MAPPED, look_for_holder),
    ("states:DescribeExecution", STEPS, states("describe_execution", executionArn=ended)),
    ("states:StopExecution", STEPS, states("stop_execution", executionArn=lambda machine: machine.start({}))),
]


LET_THROUGH = ("GroupExistsException", "NotFoundException", "UsernameExistsException", "UserNotFoundException")


@pytest.mark.parametrize(
    ("action", "policies", "use"), [pytest.param(*use, id=f"{use[1][-1]}-{use[0]}") for use in USES]
)
def test_worker_needs_each_action_of_its_policies(
    machine: Any, worker: Worker, action: str, policies: list[str], use: Callable[[Any, Any], object]
) -> None:
    """Airflow's worker can do what an engine needs with the engine's policies, and not without the action."""
    machine.use(lambda _: IDLE)
    with pytest.raises(
        (ClientError, ExecutionError, RunFolderError), match=r"AccessDenied|not authorized|NotAuthorized"
    ):
        use(worker.with_policies(policies, lacking=action), machine)
    try:
        use(worker.with_policies(policies), machine)
    except ClientError as error:
        # Refused for what it is about, not for who asks: the user is there already, or nothing is left to redrive.
        assert error.response["Error"]["Code"] in LET_THROUGH


@pytest.mark.parametrize("policies", [pytest.param(MAPPED, id="mapped"), pytest.param(STEPS, id="step-functions")])
def test_policies_hold_exactly_the_actions_that_are_used(deployed: Any, aws: LocalAws, policies: list[str]) -> None:
    """No policy of the worker allows an action that the list above does not show to be needed."""
    iam = boto3.client("iam")
    documents = [managed(iam, deployed, logical) for logical in policies]
    allowed = {action for document in documents for entry in document["Statement"] for action in actions_of(entry)}
    assert allowed == {action for action, needed, _ in USES if set(needed) <= set(policies)}
