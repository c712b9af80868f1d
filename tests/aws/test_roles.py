"""The roles allow what is needed and nothing else: without any single action, the matching thing fails and says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from aws import handler
from aws.deploy import Stack
from cognito_import import aws as clients
from cognito_import import turns
from cognito_import.errors import ExecutionError, ReportError, RunFolderError, SourceError
from cognito_import.run_folder import RunFolder
from local_aws.process import LocalAws

LOG_DELIVERY = (
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
)  # fmt: skip
ADMIN = "admin@example.com"
IDLE = {"StartAt": "Idle", "States": {"Idle": {"Type": "Wait", "Seconds": 60, "End": True}}}
Users = Callable[[int], list[dict[str, Any]]]


def physical(deployed: Any, logical: str) -> str:
    """The physical id of a resource of the stack."""
    stack, _, _ = deployed
    cloudformation = boto3.client("cloudformation")
    detail = cloudformation.describe_stack_resource(StackName=stack.name, LogicalResourceId=logical)
    return str(detail["StackResourceDetail"]["PhysicalResourceId"])


def managed(iam: Any, deployed: Any, logical: str) -> dict[str, Any]:
    """The document of a managed policy of the stack."""
    arn = physical(deployed, logical)
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: dict[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document


def actions_of(statement: dict[str, Any]) -> list[str]:
    """The actions of a statement, which may be one text."""
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


def without(document: dict[str, Any], sid: str, action: str) -> dict[str, Any]:
    """A policy without one action of one statement."""
    kept = []
    for statement in document["Statement"]:
        actions = actions_of(statement)
        if statement["Sid"] == sid:
            assert action in actions
            actions = [other for other in actions if other != action]
        if actions:
            kept.append({**statement, "Action": actions})
    return {**document, "Statement": kept}


class Worker:
    """A user of IAM who has some of the stack's policies."""

    def __init__(self, deployed: Any) -> None:
        self._deployed = deployed
        self._iam: Any = boto3.client("iam")
        self._iam.create_user(UserName="worker")
        self._key = self._iam.create_access_key(UserName="worker")["AccessKey"]

    def with_policy(self, *documents: dict[str, Any]) -> Any:
        """A session of the user with these policies."""
        for number, document in enumerate(documents):
            self._iam.put_user_policy(UserName="worker", PolicyName=f"{number}", PolicyDocument=json.dumps(document))
        return boto3.Session(self._key["AccessKeyId"], self._key["SecretAccessKey"])

    def with_policies(self, logical: list[str], lacking: str = "") -> Any:
        """A session of the user with managed policies of the stack, perhaps without one action."""
        documents = []
        for name in logical:
            document = managed(self._iam, self._deployed, name)
            for statement in document["Statement"]:
                if lacking and lacking in actions_of(statement):
                    document = without(document, statement["Sid"], lacking)
            documents.append(document)
        return self.with_policy(*documents)

    def leave(self) -> None:
        """Remove the user."""
        for name in self._iam.list_user_policies(UserName="worker")["PolicyNames"]:
            self._iam.delete_user_policy(UserName="worker", PolicyName=name)
        self._iam.delete_access_key(UserName="worker", AccessKeyId=self._key["AccessKeyId"])
        self._iam.delete_user(UserName="worker")


@pytest.fixture
def worker(deployed: Any, aws: LocalAws) -> Iterator[Worker]:
    """A user of IAM, to be given policies."""
    made = Worker(deployed)
    yield made
    made.leave()


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


@pytest.mark.parametrize(
    ("sid", "action", "error"),
    [
        ("Function", "lambda:InvokeFunction", "Lambda.AWSLambdaException"),
        ("Children", "states:StartExecution", "IncompleteRunError"),
        ("Files", "s3:GetObject", "IncompleteRunError"),
        ("Files", "s3:PutObject", "IncompleteRunError"),
        ("Listing", "s3:ListBucket", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminCreateUser", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminAddUserToGroup", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminGetUser", "IncompleteRunError"),
        ("Users", "cognito-idp:AdminDeleteUser", "IncompleteRunError"),
    ],
)
def test_state_machine_lacks_one_action(
    hurried_machine: Any,
    aws: LocalAws,
    lacking: Callable[..., None],
    addresses: Users,
    sid: str,
    action: str,
    error: str,
) -> None:
    """An execution whose role lacks an action fails and names it."""
    users, jobtype = addresses(1), "import"
    if action in ("cognito-idp:AdminGetUser", "cognito-idp:AdminDeleteUser"):
        jobtype = "delete"
        hurried_machine.make(users)
    folder = hurried_machine.filled(users, jobtype)
    lacking("StateMachineRole", "state-machine", sid, action)
    ended = hurried_machine.run({"run": folder.run, "report": False})
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert action in ended["cause"]


@pytest.mark.parametrize(
    ("sid", "action", "error"),
    [
        ("Files", "s3:GetObject", RunFolderError),
        ("Files", "s3:PutObject", RunFolderError),
        ("Listing", "s3:ListBucket", RunFolderError),
        ("Mail", "ses:SendEmail", ReportError),
        ("Inbox", "s3:GetObject", SourceError),
        ("Turns", "states:DescribeExecution", ExecutionError),
    ],
)
def test_function_lacks_one_action(
    machine: Any, deployed: Any, worker: Any, addresses: Users, monkeypatch: pytest.MonkeyPatch,
    sid: str, action: str, error: type[Exception],
) -> None:  # fmt: skip
    """The function's own steps, with its policy but for one action, fail and name it."""
    bucket = machine.variable["report_bucket"]
    role = physical(deployed, "FunctionRole")
    policy: Any = boto3.client("iam").get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
    given: dict[str, Any] = {"data": addresses(1), "adminemail": ADMIN}
    if sid == "Inbox":
        machine.s3.put_object(Bucket=bucket, Key="inbox/users.csv", Body=b"useremail\n")
        given = {"source": f"s3://{bucket}/inbox/users.csv", "adminemail": ADMIN}
    session = worker.with_policy(without(policy, sid, action))
    monkeypatch.setattr(handler, "s3", lambda: session.client("s3", config=clients.S3))
    monkeypatch.setattr(handler, "ses", lambda: session.client("ses"))
    monkeypatch.setattr(handler, "step_functions", lambda: session.client("stepfunctions"))
    monkeypatch.setattr(handler, "settings", machine.settings)
    event = {"action": "take_in", "input": given, "execution": "policy", "state_machine": action}
    if sid == "Mail":
        event = {"action": "report", "run": machine.filled(addresses(1)).run}
    if sid == "Turns":
        machine.use(lambda _: IDLE)
        turns.take(machine.s3, machine.states, bucket, machine.start({}))  # whoever had the turn before has ended
        event = {"action": "take_turn", "execution": "another"}
    with pytest.raises(error, match=action):
        handler.handler(event)


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


def test_secret_is_read_with_the_permission_alone(deployed: Any, machine_of: Callable[..., Any]) -> None:
    """A stack with a temporary password's secret may read it; without the action an execution fails and names it."""
    _, pool, _ = deployed
    arn = boto3.client("secretsmanager").create_secret(Name="password", SecretString="Secret-0-of-all")["ARN"]
    stack = Stack("secret")
    given = {"MailFrom": "report@example.com", "UserPoolId": pool, "TemporaryPasswordSecret": arn}
    stack.deploy(given)
    try:
        detail = boto3.client("cloudformation").describe_stack_resource(
            StackName=stack.name, LogicalResourceId="StateMachineRole"
        )
        role = detail["StackResourceDetail"]["PhysicalResourceId"]
        iam = boto3.client("iam")
        document: Any = iam.get_role_policy(RoleName=role, PolicyName="state-machine")["PolicyDocument"]
        machine = machine_of(stack, pool)
        machine.hurry()
        request = {"data": [{"useremail": "secret@example.com"}], "adminemail": ADMIN, "report": False}
        less = without(document, "TemporaryPassword", "secretsmanager:GetSecretValue")
        iam.put_role_policy(RoleName=role, PolicyName="state-machine", PolicyDocument=json.dumps(less))
        ended = machine.run(request)
        assert (ended["status"], ended["error"]) == ("FAILED", "IncompleteRunError")
        assert "secretsmanager:GetSecretValue" in ended["cause"]
        iam.put_role_policy(RoleName=role, PolicyName="state-machine", PolicyDocument=json.dumps(document))
        assert machine.run(request)["status"] == "SUCCEEDED"
    finally:
        stack.remove(delete_data=True)


NOT_SHOWN = {
    "states:DescribeExecution": "AWS documents it for distributed Maps; nothing tells what fails without it",
    "states:StopExecution": "as above",
    "secretsmanager:GetSecretValue": "only in a stack with a secret: see the test above",
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
    taken = {
        "StateMachineRole": {
            case[1] for mark in test_state_machine_lacks_one_action.pytestmark for case in mark.args[1]
        }
        | set(LOG_DELIVERY),
        "FunctionRole": {case[1] for mark in test_function_lacks_one_action.pytestmark for case in mark.args[1]},
    }
    iam = boto3.client("iam")
    for logical, policy in (("StateMachineRole", "state-machine"), ("FunctionRole", "function")):
        document: Any = iam.get_role_policy(RoleName=physical(deployed, logical), PolicyName=policy)["PolicyDocument"]
        allowed = {action for entry in document["Statement"] for action in actions_of(entry)}
        assert allowed - taken[logical] <= NOT_SHOWN.keys()
        assert taken[logical] <= allowed


WORKER = ["WorkerPolicy"]
MAPPED, STEPS = [*WORKER, "MappedEnginePolicy"], [*WORKER, "StepFunctionsEnginePolicy"]


def _folder(session: Any, machine: Any) -> RunFolder:
    return RunFolder(session.client("s3", config=clients.S3), machine.variable["report_bucket"], "policy")


def _user(session: Any, machine: Any, operation: str, **arguments: Any) -> None:
    getattr(session.client("cognito-idp"), operation)(UserPoolId=machine.pool, **arguments)


def _mail(session: Any) -> None:
    session.client("ses").send_email(
        Source="report@example.com",
        Destination={"ToAddresses": [ADMIN]},
        Message={"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}},
    )


def _ended(machine: Any) -> str:
    arn: str = machine.start({})
    machine.states.stop_execution(executionArn=arn)
    return arn


_LIMIT = {"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserCreation"}}
USES: dict[str, tuple[list[str], Callable[[Any, Any], object]]] = {
    "cognito-idp:DescribeUserPool": (WORKER, lambda s, m: _user(s, m, "describe_user_pool")),
    "cognito-idp:GetGroup": (WORKER, lambda s, m: _user(s, m, "get_group", GroupName="BASIC")),
    "cognito-idp:GetProvisionedLimit": (
        WORKER, lambda s, _: s.client("cognito-idp").get_provisioned_limit(LimitDefinition=_LIMIT),
    ),
    "ses:GetIdentityVerificationAttributes": (
        WORKER, lambda s, _: s.client("ses").get_identity_verification_attributes(Identities=["report@example.com"]),
    ),
    "ses:SendEmail": (WORKER, lambda s, _: _mail(s)),
    "s3:PutObject": (WORKER, lambda s, m: _folder(s, m).write_report({})),
    "s3:GetObject": (WORKER, lambda s, m: _folder(s, m).read_report()),
    "s3:ListBucket": (WORKER, lambda s, m: _folder(s, m).parts(1)),
    "s3:DeleteObject": (
        WORKER, lambda s, m: s.client("s3").delete_object(Bucket=m.variable["report_bucket"], Key="inbox/users.csv"),
    ),
    "cognito-idp:AdminCreateUser": (
        MAPPED, lambda s, m: _user(s, m, "admin_create_user", Username="policy@example.com", MessageAction="SUPPRESS"),
    ),
    "cognito-idp:AdminAddUserToGroup": (
        MAPPED, lambda s, m: _user(s, m, "admin_add_user_to_group", Username="policy@example.com", GroupName="BASIC"),
    ),
    "cognito-idp:AdminGetUser": (MAPPED, lambda s, m: _user(s, m, "admin_get_user", Username="policy@example.com")),
    "cognito-idp:AdminDeleteUser": (
        MAPPED, lambda s, m: _user(s, m, "admin_delete_user", Username="policy@example.com"),
    ),
    "states:StartExecution": (
        STEPS,
        lambda s, m: s.client("stepfunctions").start_execution(
            stateMachineArn=m.variable["state_machine_arn"], input="{}"
        ),
    ),
    "states:DescribeStateMachine": (
        STEPS,
        lambda s, m: s.client("stepfunctions").describe_state_machine(stateMachineArn=m.variable["state_machine_arn"]),
    ),
    "states:DescribeExecution": (
        STEPS, lambda s, m: s.client("stepfunctions").describe_execution(executionArn=_ended(m)),
    ),
    "states:StopExecution": (
        STEPS, lambda s, m: s.client("stepfunctions").stop_execution(executionArn=m.start({})),
    ),
}  # fmt: skip


LET_THROUGH = ("UsernameExistsException", "UserNotFoundException")


@pytest.mark.parametrize("action", USES)
def test_worker_needs_each_action_of_its_policies(machine: Any, worker: Worker, action: str) -> None:
    """Airflow's worker can do what an engine needs with the engine's policies, and not without the action."""
    policies, use = USES[action]
    machine.use(lambda _: IDLE)
    with pytest.raises((ClientError, RunFolderError), match=r"AccessDenied|not authorized|NotAuthorized"):
        use(worker.with_policies(policies, lacking=action), machine)
    try:
        use(worker.with_policies(policies), machine)
    except ClientError as error:
        # Refused for what it is about, not for who asks: the user is there already, or nothing is left to redrive.
        assert error.response["Error"]["Code"] in LET_THROUGH


def test_policies_hold_exactly_the_actions_that_are_used(deployed: Any, aws: LocalAws) -> None:
    """No policy of the worker allows an action that the list above does not show to be needed."""
    iam = boto3.client("iam")
    documents = [managed(iam, deployed, logical) for logical in {*MAPPED, *STEPS}]
    allowed = {action for document in documents for entry in document["Statement"] for action in actions_of(entry)}
    assert allowed == set(USES)
