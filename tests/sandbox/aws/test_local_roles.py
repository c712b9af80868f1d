"""IAM: roles and users may do what their policies say, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider"


def allow(action: str | list[str], resource: str) -> dict[str, Any]:
    """Return a policy statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def pool_arn(pool: str) -> str:
    """Return the ARN of a user pool."""
    return f"arn:aws:cognito-idp:ap-northeast-1:000000000000:userpool/{pool}"


def describe_pool(pool: str) -> dict[str, Any]:
    """Return a Task that describes the pool."""
    return {"Type": "Task", "Resource": f"{COGNITO}:describeUserPool", "Arguments": {"UserPoolId": pool}}


def test_a_state_machine_may_do_what_its_role_allows(machine: Callable[..., Any], pool: str) -> None:
    """The one permission that a call needs is enough."""
    policy = [allow("cognito-idp:DescribeUserPool", pool_arn(pool))]
    assert machine(describe_pool(pool), policy).run()["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        pytest.param("cognito-idp:AdminGetUser", None, id="another action"),
        pytest.param("cognito-idp:DescribeUserPool", pool_arn("ap-northeast-1_Another00"), id="another pool"),
    ],
)
def test_a_state_machine_may_do_nothing_else(
    machine: Callable[..., Any], pool: str, action: str, resource: str | None
) -> None:
    """A call outside the role's policy is denied as AWS words it."""
    denied = machine(describe_pool(pool), [allow(action, resource or pool_arn(pool))]).run()
    assert denied["error"] == "CognitoIdentityProvider.AccessDeniedException"
    assert "is not authorized to perform: cognito-idp:DescribeUserPool on resource: " in denied["cause"]
    assert f"{pool_arn(pool)} because no identity-based policy allows" in denied["cause"]


def test_a_distributed_map_needs_its_permissions(
    client: Callable[..., Any], machine: Callable[..., Any], bucket: str
) -> None:
    """Starting children and reading the items are each checked; without s3:ListBucket no key is missing."""
    client("s3").put_object(Bucket=bucket, Key="rows", Body=b'["a"]')
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Arguments": {"Bucket": bucket, "Key": "{% $states.input.key %}"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "Same",
            "States": {"Same": {"Type": "Pass", "End": True}},
        },
    }
    start = allow("states:StartExecution", "arn:aws:states:*:*:stateMachine:machine-*")
    read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    made = machine(state, [start, read])
    assert made.output({"key": "rows"}) == ["a"]
    assert made.run({"key": "none"})["cause"] == "AccessDenied"
    assert machine(state, [read]).run({"key": "rows"})["error"] == "States.Permissions"
    denied = machine(state, [start]).run({"key": "rows"})
    assert denied["error"] == "States.ItemReaderFailed"
    assert "is not authorized to perform: s3:GetObject" in denied["cause"]


def test_a_role_must_trust_step_functions(client: Callable[..., Any]) -> None:
    """A role for another service cannot be a state machine's role."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }
    name = f"lambda-{uuid.uuid4().hex[:8]}"
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    with pytest.raises(ClientError, match="authorized to assume the provided role"):
        client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)


@pytest.fixture
def user(client: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    """Make an IAM user with a policy; returns a maker of clients with the user's keys."""
    iam = client("iam")

    def make(*statements: dict[str, Any]) -> Callable[..., Any]:
        name = f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="calls", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return lambda service: client(service, **keys)

    return make


MAIL = {
    "Destination": {"ToAddresses": ["a@example.com"]},
    "Message": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}},
}
IDENTITY = "arn:aws:ses:ap-northeast-1:000000000000:identity/"


def test_sending_is_permitted_for_an_identity(client: Callable[..., Any], user: Callable[..., Any]) -> None:
    """Permission on the sender's identity is enough, on another's it is not."""
    client("ses").verify_email_identity(EmailAddress="sender@example.com")
    mail = {"Source": "Imports <sender@example.com>", **MAIL}
    user(allow("ses:SendEmail", f"{IDENTITY}sender@example.com"))("ses").send_email(**mail)
    with pytest.raises(ClientError, match="AccessDenied"):
        user(allow("ses:SendEmail", f"{IDENTITY}other@example.com"))("ses").send_email(**mail)


def test_a_verified_domain_is_the_identity_of_its_addresses(
    client: Callable[..., Any], user: Callable[..., Any]
) -> None:
    """Where only the domain is verified, permission is asked on the domain."""
    client("ses").verify_domain_identity(Domain="verified.example")
    mail = {"Source": "a@verified.example", **MAIL}
    user(allow("ses:SendEmail", f"{IDENTITY}verified.example"))("ses").send_email(**mail)
    with pytest.raises(ClientError, match="AccessDenied"):
        user(allow("ses:SendEmail", f"{IDENTITY}a@verified.example"))("ses").send_email(**mail)


def test_who_may_not_list_is_not_told_of_a_missing_key(user: Callable[..., Any], bucket: str) -> None:
    """GetObject of a missing key is NoSuchKey only with s3:ListBucket."""
    read, listing = allow("s3:GetObject", "*"), allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")
    with pytest.raises(ClientError, match="NoSuchKey"):
        user(read, listing)("s3").get_object(Bucket=bucket, Key="none")
    with pytest.raises(ClientError, match="AccessDenied"):
        user(read)("s3").get_object(Bucket=bucket, Key="none")
    with pytest.raises(ClientError, match="403"):
        user(read)("s3").head_object(Bucket=bucket, Key="none")


def test_a_user_is_held_to_its_policy_in_cognito(user: Callable[..., Any], pool: str) -> None:
    """Calls over HTTP are checked as well."""
    cognito = user(allow("cognito-idp:DescribeUserPool", pool_arn(pool)))("cognito-idp")
    assert cognito.describe_user_pool(UserPoolId=pool)["UserPool"]["Id"] == pool
    with pytest.raises(ClientError, match=r"AccessDenied.*cognito-idp:ListUsers"):
        cognito.list_users(UserPoolId=pool)


def test_a_log_needs_a_role_that_may_have_it_delivered(machine: Callable[..., Any]) -> None:
    """A log destination is taken only from a role with every action of log delivery; AWS names no missing one."""
    delivery = [
        f"logs:{action}"
        for action in (
            "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
            "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
        )
    ]  # fmt: skip
    log = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:ap-northeast-1:000000000000:log-group:states:*"}}
    logging = {"level": "ERROR", "includeExecutionData": False, "destinations": [log]}
    made = machine({"Type": "Pass"}, [allow(delivery, "*")])
    made.states.update_state_machine(stateMachineArn=made.arn, loggingConfiguration=logging)
    made = machine({"Type": "Pass"}, [allow(delivery[1:], "*")])
    with pytest.raises(ClientError, match="not authorized to access the Log Destination") as raised:
        made.states.update_state_machine(stateMachineArn=made.arn, loggingConfiguration=logging)
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
