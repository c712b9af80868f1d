"""The roles allow what is needed and nothing else: without any single action, the matching thing fails and says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.stack.roles import ADMIN, IDLE, WORKER, Worker, actions_of, folder_of, physical, without

from cognito_import import aws as clients
from cognito_import.engine import execution_lock
from cognito_import.engine.claims import Claim
from cognito_import.errors import ExecutionError, PreflightError, ReportError, RunFolderError, SourceError
from cognito_import.request.model import UserRow
from cognito_import.run.checkpoints import Checkpoint, Unsettled
from cognito_import.run.folder import CALLING, LOCK, RunFolder
from sandbox.aws.process import LocalAws
from stack import environment, handler
from stack.deploy import Stack

LOG_DELIVERY = (
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
)  # fmt: skip
Users = Callable[[int], list[dict[str, Any]]]


@pytest.fixture
def lacking(deployed: Any, aws: LocalAws) -> Iterator[Callable[..., None]]:
    """Take one action from a role of the stack until the test is over."""
    iam = boto3.client("iam")
    before: list[tuple[str, str, Any]] = []

    def take(logical: str, policy: str, sid: str, action: str) -> None:
        role = physical(deployed, logical)
        document: Any = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        before.append((role, policy, document))
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(without(document, sid, action)))

    yield take
    for role, policy, document in before:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sid", "action", "error"),
    [
        ("Function", "lambda:InvokeFunction", "Lambda.AWSLambdaException"),
        ("Children", "states:StartExecution", "IncompleteRunError"),
        ("Rounds", "s3:GetObject", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminCreateUser", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminAddUserToGroup", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminGetUser", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminDeleteUser", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminDisableUser", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminEnableUser", "IncompleteRunError"),
    ],
)
def test_state_machine_lacks_one_action(
    machine: Any,
    aws: LocalAws,
    lacking: Callable[..., None],
    addresses: Users,
    sid: str,
    action: str,
    error: str,
) -> None:
    """An execution whose role lacks an action fails and names it."""
    users, jobtype = addresses(60), "import"  # more than one in a batch: the function finishes whom a child has begun
    if action in ("cognito-idp:AdminGetUser", "cognito-idp:AdminDeleteUser"):
        jobtype = "delete"
        machine.make(users)
    if action == "cognito-idp:AdminDisableUser":
        users = [{**user, "enabled": False} for user in users]
    if action == "cognito-idp:AdminEnableUser":
        jobtype = "enable"
        machine.make(users)
        for user in users:
            machine.cognito.admin_disable_user(UserPoolId=machine.pool, Username=user["useremail"])
    machine.hurry()
    lacking("StateMachineRole", "state-machine", sid, action)
    ended = machine.run({"data": users, "adminemail": ADMIN, "jobtype": jobtype, "report": False})
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert action in ended["cause"]


@pytest.fixture
def function(machine: Any, deployed: Any, worker: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Run the function's code in this process with its role's policy, but for one action of one statement."""

    def lack(sid: str, action: str) -> None:
        role = physical(deployed, "FunctionRole")
        policy: Any = boto3.client("iam").get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
        session = worker.with_policy(without(policy, sid, action))
        configs = {"s3": clients.S3, "cognito-idp": clients.COGNITO}
        monkeypatch.setattr(environment, "client", lambda name: session.client(name, config=configs.get(name)))
        monkeypatch.setattr(environment, "settings", machine.settings)

    return lack


@pytest.mark.parametrize(
    ("sid", "action", "error"),
    [
        ("Files", "s3:GetObject", RunFolderError),
        ("Files", "s3:PutObject", RunFolderError),
        ("Listing", "s3:ListBucket", RunFolderError),
        ("Mail", "ses:SendEmail", ReportError),
        ("Inbox", "s3:GetObject", SourceError),
        ("Executions", "states:DescribeExecution", ExecutionError),
        ("Users", "cognito-idp:DescribeUserPool", PreflightError),
        ("Users", "cognito-idp:GetGroup", PreflightError),
        ("Users", "cognito-idp:CreateGroup", PreflightError),
        ("PreflightOfTheAccount", "ses:GetIdentityVerificationAttributes", PreflightError),
    ],
)
def test_function_lacks_one_action(
    machine: Any, function: Callable[[str, str], None], addresses: Users, sid: str, action: str, error: type[Exception]
) -> None:
    """The function's own steps, with its policy but for one action, fail and name it."""
    bucket = machine.variable["report_bucket"]
    given: dict[str, Any] = {"data": addresses(1), "adminemail": ADMIN}
    if sid == "Inbox":
        machine.s3.put_object(Bucket=bucket, Key="inbox/users.csv", Body=b"useremail\n")
        given = {"source": f"s3://{bucket}/inbox/users.csv", "adminemail": ADMIN}
    if action == "cognito-idp:CreateGroup":
        given = {**given, "data": [{**given["data"][0], "groups": ["POLICY"]}], "create_groups": True}
    event = {"action": "ingest", "input": given, "execution": "policy", "state_machine": action}
    if sid == "Mail":
        run = machine.filled(addresses(1)).run
        event = {"action": "report", "run": run, "send": True, "kind": "", "detail": ""}
    if sid == "Executions":
        machine.use(lambda _: IDLE)
        execution_lock.acquire(
            machine.s3, machine.states, bucket, machine.start({}), granted_by=None
        )  # whoever was before has ended
        event = {"action": "acquire_lock", "run": "policy", "wait_for_slots": False, "execution": "another"}
    function(sid, action)
    with pytest.raises(error, match=action):
        handler.handler(event)


@pytest.mark.parametrize("action", ["cloudwatch:ListMetrics", "cloudwatch:GetMetricData"])
def test_function_goes_on_without_a_forecast(
    machine: Any, function: Callable[[str, str], None], addresses: Users, caplog: pytest.LogCaptureFixture, action: str
) -> None:
    """Whoever does not allow CloudWatch to be asked reads in the log what the forecast needs."""
    caplog.set_level("INFO")
    names = {"Type": "API", "Service": "Cognito user pool", "Resource": "UserCreation"}
    dimensions: Any = [{"Name": name, "Value": value} for name, value in names.items()]
    datum: Any = {"MetricName": "CallCount", "Dimensions": dimensions, "Value": 1.0}
    boto3.client("cloudwatch").put_metric_data(Namespace="AWS/Usage", MetricData=[datum])
    function("PreflightOfTheAccount", action)
    given = {"data": addresses(1), "adminemail": ADMIN}
    event = {"action": "ingest", "input": given, "execution": "policy", "state_machine": action.partition(":")[2]}
    assert handler.handler(event)["report"] is True
    assert "is not known (AccessDenied" in caplog.text
    assert f"allow {action}" in caplog.text or f"and {action}" in caplog.text


@pytest.mark.parametrize("action", ["ses:GetAccount", "ses:GetSuppressedDestination"])
def test_function_goes_on_without_an_optional_action(
    machine: Any, function: Callable[[str, str], None], addresses: Users, caplog: pytest.LogCaptureFixture, action: str
) -> None:
    """What may not be asked of SES is passed over, and the log says so without the administrator's address."""
    function("PreflightOfTheAccount", action)
    given = {"data": addresses(1), "adminemail": ADMIN}
    event = {"action": "ingest", "input": given, "execution": "policy", "state_machine": action.partition(":")[2]}
    assert handler.handler(event)["report"] is True
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert action in warning
    assert ADMIN not in caplog.text


@pytest.mark.parametrize("allowed", [True, False])
def test_claim_is_withdrawn_by_whoever_wrote_it(
    machine: Any, function: Callable[[str, str], None], worker: Worker, *, allowed: bool
) -> None:
    """Function and Airflow's worker may delete claims, and nothing else of a run; without the right a claim only lapses."""
    function(*(("Claims", "s3:DeleteObject") if not allowed else ("Mail", "ses:SendEmail")))
    bucket = machine.variable["report_bucket"]
    for s3 in (
        environment.client("s3"),
        folder_of(worker.with_policies(WORKER, "" if allowed else "s3:DeleteObject"), machine).s3,
    ):
        row = UserRow(1, "claimed@example.com")
        claim = Claim(RunFolder(s3, bucket, "policy"), 1, "token", [row], 60.0)
        assert claim.stake() == set()
        key = f"{CALLING}policy/00001-token"
        assert machine.s3.get_object(Bucket=bucket, Key=key)["ContentLength"]
        claim.withdraw()
        left = machine.s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount")
        assert bool(left) is not allowed
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            s3.delete_object(Bucket=bucket, Key="runs/policy/manifest.json")
        machine.s3.delete_object(Bucket=bucket, Key=key)


@pytest.mark.parametrize(
    ("action", "jobtype"),
    [
        ("cognito-idp:AdminGetUser", "import"),
        ("cognito-idp:AdminCreateUser", "import"),
        ("cognito-idp:AdminAddUserToGroup", "import"),
        ("cognito-idp:AdminDeleteUser", "delete"),
        ("cognito-idp:AdminListGroupsForUser", "import"),
        ("cognito-idp:AdminUpdateUserAttributes", "import"),
        ("cognito-idp:AdminDisableUser", "import"),
        ("cognito-idp:AdminEnableUser", "import"),
    ],
)
def test_settling_lacks_one_action(
    machine: Any, function: Callable[[str, str], None], addresses: Users, action: str, jobtype: str
) -> None:
    """Users whom a child may have reached are settled by the function; without an action it stops and names it."""
    enabled = action != "cognito-idp:AdminDisableUser"
    users = [{**user, "attributes": {"given_name": "花子"}, "enabled": enabled} for user in addresses(1)]
    there = action.removeprefix("cognito-idp:") not in ("AdminCreateUser", "AdminAddUserToGroup")
    if there:
        (username,) = machine.make(users)
        if enabled:
            machine.cognito.admin_disable_user(UserPoolId=machine.pool, Username=username)
    folder = machine.filled(users, jobtype, existing_users="complete")
    since = (folder.now() + timedelta(minutes=there)).isoformat()  # the user is surely older
    folder.write_checkpoint(1, "dead", Checkpoint(unsettled=[Unsettled(1, users[0]["useremail"], since)], closed=True))
    holder = json.dumps({"execution": "policy"}).encode()
    machine.s3.put_object(Bucket=folder.bucket, Key=LOCK, Body=holder)
    function("Users", action)
    told = handler.handler({"action": "settle", "run": folder.run, "execution": "policy", "before": None})
    machine.s3.delete_object(Bucket=folder.bucket, Key=LOCK)
    assert (told["step"], told["kind"]) == ("report", "stopped")
    assert action in told["detail"]


@pytest.mark.parametrize("action", LOG_DELIVERY)
def test_log_of_the_state_machine_needs_each_action(
    machine: Any, deployed: Any, lacking: Callable[..., None], action: str
) -> None:
    """Step Functions takes no log destination that the role may not have delivered to in every step."""
    log = f"arn:aws:logs:ap-northeast-1:000000000000:log-group:{physical(deployed, 'StateMachineLog')}:*"
    change = {
        "stateMachineArn": machine.variable["state_machine_arn"],
        "loggingConfiguration": {
            "level": "ERROR",
            "includeExecutionData": False,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": log}}],
        },
    }
    machine.states.update_state_machine(**change)
    lacking("StateMachineRole", "state-machine", "Log", action)
    with pytest.raises(ClientError, match="not authorized to access the Log Destination"):
        machine.states.update_state_machine(**change)


PASSWORD = "Secret-0-of-all"


def test_secret_is_read_with_the_permission_alone(deployed: Any, machine_of: Callable[..., Any]) -> None:
    """The function reads a temporary password's secret, and nobody stores it; without the action it fails and names it."""
    _, pool, _ = deployed
    arn = boto3.client("secretsmanager").create_secret(Name="password", SecretString=PASSWORD)["ARN"]
    stack = Stack("secret")
    given = {"MailFrom": "report@example.com", "UserPoolId": pool, "TemporaryPasswordSecret": arn}
    stack.deploy(given)
    try:
        detail = boto3.client("cloudformation").describe_stack_resource(
            StackName=stack.name, LogicalResourceId="FunctionRole"
        )
        role = detail["StackResourceDetail"]["PhysicalResourceId"]
        iam = boto3.client("iam")
        document: Any = iam.get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
        machine = machine_of(stack, pool)
        machine.hurry()
        request = {"data": [{"useremail": "secret@example.com"}], "adminemail": ADMIN, "report": False}
        less = without(document, "TemporaryPassword", "secretsmanager:GetSecretValue")
        iam.put_role_policy(RoleName=role, PolicyName="function", PolicyDocument=json.dumps(less))
        ended = machine.run(request)
        assert ended["status"] == "FAILED"
        assert "secretsmanager:GetSecretValue" in ended["cause"]
        iam.put_role_policy(RoleName=role, PolicyName="function", PolicyDocument=json.dumps(document))
        arn = machine.start(request)
        assert machine.wait(arn)["status"] == "SUCCEEDED"
        history = machine.states.get_paginator("get_execution_history").paginate(executionArn=arn).build_full_result()
        assert PASSWORD not in json.dumps(history, default=str)
        bucket = machine.variable["report_bucket"]
        stored = [item["Key"] for item in machine.s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert len(stored) > 4
        for key in stored:
            assert PASSWORD.encode() not in machine.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    finally:
        stack.remove(delete_data=True)


NOT_SHOWN = {
    "states:DescribeExecution": "AWS documents it for distributed Maps; nothing tells what fails without it",
    "states:StopExecution": "as above",
    "cognito-idp:GetProvisionedLimit": "the default quota is taken without it",
    "cognito-idp:ListUsersInGroup": "groups are looked up user by user without it",
    "cloudwatch:GetMetricData": "optional: see the test above",
    "cloudwatch:ListMetrics": "as above",
    "secretsmanager:GetSecretValue": "only in a stack with a secret: see the test above, and test_mailing.py",
    "ses:GetAccount": "optional: see the test above",
    "ses:GetSuppressedDestination": "as above",
    "logs:CreateLogStream": "the function goes on without a log",
    "logs:PutLogEvents": "as above",
    "xray:PutTraceSegments": "whatever lacks it goes on without traces",
    "xray:PutTelemetryRecords": "as above",
    "xray:GetSamplingRules": "as above",
    "xray:GetSamplingTargets": "as above",
}
"""Actions of the two roles whose absence no execution shows, and why."""


def test_every_action_of_the_roles_is_shown_or_excused(deployed: Any, aws: LocalAws) -> None:
    """No role allows an action that no test takes away, but for those that are listed with a reason."""

    def cases(test: Any) -> Any:
        (parameters,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
        return parameters.args[1]

    taken = {
        "StateMachineRole": {case[1] for case in cases(test_state_machine_lacks_one_action)} | set(LOG_DELIVERY),
        "FunctionRole": {case[1] for case in cases(test_function_lacks_one_action)}
        | {case[0] for case in cases(test_settling_lacks_one_action)}
        | {"s3:DeleteObject"},  # see test_claim_is_withdrawn_by_whoever_wrote_it
    }
    iam = boto3.client("iam")
    for logical, policy in (("StateMachineRole", "state-machine"), ("FunctionRole", "function")):
        document: Any = iam.get_role_policy(RoleName=physical(deployed, logical), PolicyName=policy)["PolicyDocument"]
        allowed = {action for entry in document["Statement"] for action in actions_of(entry)}
        assert allowed - taken[logical] <= NOT_SHOWN.keys()
        assert taken[logical] <= allowed
