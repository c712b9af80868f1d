"""The roles allow what is needed and nothing else: without any single action, the matching thing fails and says so."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cognito_import import aws as clients
from cognito_import.engine import execution_lock
from cognito_import.engine.claims import Claim
from cognito_import.errors import ExecutionError, PreflightError, ReportError, RunFolderError, SourceError
from cognito_import.request.model import UserRow
from cognito_import.run.checkpoints import Checkpoint, Unsettled
from cognito_import.run.folder import CALLING, LOCK, RunFolder
from sandbox.aws.process import LocalAws
from stack import definition, environment, handler
from stack.deploy import Stack

LOG_DELIVERY = (
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
)  # fmt: skip
ADMIN = "admin@example.com"
IDLE = {"QueryLanguage": "JSONata", "StartAt": "Idle", "States": {"Idle": {"Type": "Wait", "Seconds": 60, "End": True}}}
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


def unretried(machine: dict[str, Any]) -> dict[str, Any]:
    """The definition without patience: it asks everybody once."""
    changed = copy.deepcopy(machine)
    for _, state in definition.states_in(changed):
        state.pop("Retry", None)
    return changed


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
    machine.use(unretried)
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
        _folder(worker.with_policies(WORKER, "" if allowed else "s3:DeleteObject"), machine).s3,
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
        machine.use(unretried)
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
    taken = {
        "StateMachineRole": {
            case[1] for mark in test_state_machine_lacks_one_action.pytestmark for case in mark.args[1]
        }
        | set(LOG_DELIVERY),
        "FunctionRole": {case[1] for mark in test_function_lacks_one_action.pytestmark for case in mark.args[1]}
        | {case[0] for mark in test_settling_lacks_one_action.pytestmark for case in mark.args[1]}
        | {"s3:DeleteObject"},  # see test_claim_is_withdrawn_by_whoever_wrote_it
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


def _holder(session: Any, machine: Any) -> None:
    bucket = machine.variable["report_bucket"]
    machine.s3.put_object(Bucket=bucket, Key=LOCK, Body=json.dumps({"execution": _ended(machine)}).encode())
    execution_lock.running_holder(machine.s3, session.client("stepfunctions"), bucket)


_LIMIT = {"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserCreation"}}
USES: list[tuple[str, list[str], Callable[[Any, Any], object]]] = [
    ("cognito-idp:DescribeUserPool", WORKER, lambda s, m: _user(s, m, "describe_user_pool")),
    ("cognito-idp:CreateGroup", WORKER, lambda s, m: _user(s, m, "create_group", GroupName="BASIC")),
    ("cognito-idp:GetGroup", WORKER, lambda s, m: _user(s, m, "get_group", GroupName="BASIC")),
    (
        "cognito-idp:GetProvisionedLimit",
        WORKER,
        lambda s, _: s.client("cognito-idp").get_provisioned_limit(LimitDefinition=_LIMIT),
    ),
    ("cloudwatch:ListMetrics", WORKER, lambda s, _: s.client("cloudwatch").list_metrics()),
    (
        "cloudwatch:GetMetricData",
        WORKER,
        lambda s, _: s.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": {}, "Period": 300, "Stat": "Sum"}}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC),
        ),
    ),
    (
        "ses:GetIdentityVerificationAttributes",
        WORKER,
        lambda s, _: s.client("ses").get_identity_verification_attributes(Identities=["report@example.com"]),
    ),
    ("ses:GetAccount", WORKER, lambda s, _: s.client("sesv2").get_account()),
    (
        "ses:GetSuppressedDestination",
        WORKER,
        lambda s, _: s.client("sesv2").get_suppressed_destination(EmailAddress=ADMIN),
    ),
    ("ses:SendEmail", WORKER, lambda s, _: _mail(s)),
    ("s3:PutObject", WORKER, lambda s, m: _folder(s, m).grant_slots()),
    ("s3:GetObject", WORKER, lambda s, m: _folder(s, m).is_reported()),
    ("s3:ListBucket", WORKER, lambda s, m: _folder(s, m).checkpoints(1)),
    (
        "s3:DeleteObject",
        WORKER,
        lambda s, m: s.client("s3").delete_object(Bucket=m.variable["report_bucket"], Key="inbox/users.csv"),
    ),
    (
        "cognito-idp:AdminCreateUser",
        MAPPED,
        lambda s, m: _user(s, m, "admin_create_user", Username="policy@example.com", MessageAction="SUPPRESS"),
    ),
    (
        "cognito-idp:AdminAddUserToGroup",
        MAPPED,
        lambda s, m: _user(s, m, "admin_add_user_to_group", Username="policy@example.com", GroupName="BASIC"),
    ),
    ("cognito-idp:AdminGetUser", WORKER, lambda s, m: _user(s, m, "admin_get_user", Username="policy@example.com")),
    (
        "cognito-idp:AdminDeleteUser",
        MAPPED,
        lambda s, m: _user(s, m, "admin_delete_user", Username="policy@example.com"),
    ),
    (
        "cognito-idp:AdminListGroupsForUser",
        WORKER,
        lambda s, m: _user(s, m, "admin_list_groups_for_user", Username="policy@example.com"),
    ),
    (
        "cognito-idp:ListUsersInGroup",
        WORKER,
        lambda s, m: _user(s, m, "list_users_in_group", GroupName="BASIC"),
    ),
    (
        "cognito-idp:AdminDisableUser",
        MAPPED,
        lambda s, m: _user(s, m, "admin_disable_user", Username="policy@example.com"),
    ),
    (
        "cognito-idp:AdminEnableUser",
        MAPPED,
        lambda s, m: _user(s, m, "admin_enable_user", Username="policy@example.com"),
    ),
    (
        "cognito-idp:AdminUpdateUserAttributes",
        MAPPED,
        lambda s, m: _user(
            s,
            m,
            "admin_update_user_attributes",
            Username="policy@example.com",
            UserAttributes=[{"Name": "name", "Value": "x"}],
        ),
    ),
    (
        "states:StartExecution",
        STEPS,
        lambda s, m: s.client("stepfunctions").start_execution(
            stateMachineArn=m.variable["state_machine_arn"], input="{}"
        ),
    ),
    (
        "states:DescribeStateMachine",
        STEPS,
        lambda s, m: s.client("stepfunctions").describe_state_machine(stateMachineArn=m.variable["state_machine_arn"]),
    ),
    (
        "states:DescribeExecution",
        MAPPED,
        _holder,
    ),
    (
        "states:DescribeExecution",
        STEPS,
        lambda s, m: s.client("stepfunctions").describe_execution(executionArn=_ended(m)),
    ),
    (
        "states:StopExecution",
        STEPS,
        lambda s, m: s.client("stepfunctions").stop_execution(executionArn=m.start({})),
    ),
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
