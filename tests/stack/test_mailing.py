"""Whom a direct execution's report reaches, and for how long the link in it lasts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from cognito_import import aws as clients
from cognito_import.errors import ReportError
from demo.watch import fetch, link_in
from sandbox.aws.process import LocalAws
from stack import environment
from stack.deploy import Stack

ADMIN = "admin@example.com"
Users = Callable[[int], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def signing(deployed: Any) -> Iterator[Stack]:
    """A stack of its own that has a link signer."""
    _, pool, _ = deployed
    stack = Stack("link-signer")
    stack.deploy(
        {"MailFrom": "report@example.com", "UserPoolId": pool, "Locale": "en", "TimeZone": "UTC", "LinkSigner": "true"}
    )
    yield stack
    stack.remove(delete_data=True)
    assert [
        user["UserName"] for user in boto3.client("iam").list_users()["Users"] if "LinkUser" in user["UserName"]
    ] == []


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Stack], Any]:
    """Give the connection that a stack's `link_conn_id` names, read as by an Airflow without configuration."""
    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        from airflow.models.connection import Connection
        from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
        from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

    def give(stack: Stack) -> Any:
        conn_id = stack.variable()["link_conn_id"]
        value = SecretsManagerBackend().get_conn_value(conn_id)
        assert value is not None
        return AwsConnectionWrapper(Connection.from_json(value, conn_id))

    return give


def key_of(link: str) -> str:
    """Return the access key that signed a link."""
    return parse_qs(urlsplit(link).query)["X-Amz-Credential"][0].partition("/")[0]


def test_link_of_a_direct_execution_lasts_36_hours_whoever_ran_it(
    signing: Stack,
    connection: Callable[[Stack], Any],
    deployed: Any,
    machine_of: Callable[..., Any],
    addresses: Users,
    aws: LocalAws,
) -> None:
    """The function signs with the key of the stack's own user, and the mail says the full time; a new key counts at once."""
    machine = machine_of(signing, deployed[1])
    keys, runs = [], []
    for serial in (1, 2):
        if serial > 1:
            signing.deploy({"LinkSignerSerial": str(serial)})
        ended = machine.run({"data": addresses(1), "adminemail": ADMIN})
        assert ended["status"] == "SUCCEEDED"
        output = json.loads(ended["output"])
        lasts = datetime.fromisoformat(output["link_expires_at"]) - datetime.fromisoformat(output["mailed"])
        assert (lasts, output["may_expire_earlier"]) == (timedelta(hours=36), False)
        mail = aws.outbox()[-1]
        link = link_in(mail)
        assert f"{datetime.fromisoformat(output['link_expires_at']):%a %-d %b %Y, %H:%M} UTC" in mail["BodyText"]
        assert "X-Amz-Security-Token" not in link
        assert fetch(link).decode("utf-8-sig").startswith("useremail,")
        keys.append(connection(signing).aws_access_key_id)
        assert key_of(link) == keys[-1]
        runs.append(output["run"])
    # The link of the first run ended with its key, so reporting that run again mails another one, and only one.
    before = len(aws.outbox())
    for _ in range(2):
        assert machine.run({"run": runs[0]})["status"] == "SUCCEEDED"
    assert [key_of(link_in(mail)) for mail in aws.outbox()[before:]] == [keys[1]]
    iam: Any = boto3.client("iam")
    (user,) = [user["UserName"] for user in iam.list_users()["Users"] if "LinkUser" in user["UserName"]]
    left = [entry["AccessKeyId"] for entry in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
    assert left == [keys[1]] != [keys[0]]


def test_link_signer_may_read_reports_and_nothing_else(
    signing: Stack, connection: Callable[[Stack], Any], deployed: Any, aws: LocalAws
) -> None:
    """The secret is a connection of Airflow as it stands; its key reads a report, and no other call succeeds."""
    bucket, pool = signing.variable()["report_bucket"], deployed[1]
    root: Any = boto3.client("s3", config=clients.S3)
    prefixes = ("cognitoimportlog/", "cognitodisablelog/", "runs/a/", "inbox/")
    for prefix in prefixes:
        root.put_object(Bucket=bucket, Key=f"{prefix}one.csv", Body=b"one")
    wrapper = connection(signing)
    session = boto3.Session(wrapper.aws_access_key_id, wrapper.aws_secret_access_key, region_name=wrapper.region_name)
    s3: Any = session.client("s3", config=clients.S3)
    for prefix in prefixes[:2]:
        assert s3.get_object(Bucket=bucket, Key=f"{prefix}one.csv")["Body"].read() == b"one"
    secret = signing.outputs()["LinkSecretArn"]
    refused: list[Callable[[], Any]] = [
        *[lambda prefix=prefix: s3.get_object(Bucket=bucket, Key=f"{prefix}one.csv") for prefix in prefixes[2:]],
        lambda: s3.put_object(Bucket=bucket, Key="cognitoimportlog/one.csv", Body=b"another"),
        lambda: s3.delete_object(Bucket=bucket, Key="cognitoimportlog/one.csv"),
        lambda: s3.list_objects_v2(Bucket=bucket),
        s3.list_buckets,
        lambda: session.client("cognito-idp").list_users(UserPoolId=pool),
        lambda: session.client("iam").list_users(),
        lambda: session.client("secretsmanager").get_secret_value(SecretId=secret),
        lambda: session.client("ses").send_email(
            Source="report@example.com",
            Destination={"ToAddresses": [ADMIN]},
            Message={"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}},
        ),
        lambda: session.client("stepfunctions").start_execution(
            stateMachineArn=signing.variable()["state_machine_arn"]
        ),
    ]
    for call in refused:
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized|NotAuthorized|Access Denied"):
            call()


def test_function_needs_the_permission_to_sign(
    signing: Stack, machine: Any, addresses: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that cannot be read is an error that names secret and permission, not a link that ends early."""
    monkeypatch.setenv("COGNITO_IMPORT_LINK_SECRET", signing.outputs()["LinkSecretArn"])
    iam: Any = boto3.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
    monkeypatch.setattr(environment, "client", session.client)
    with pytest.raises(ReportError, match=r"key that signs links.*secretsmanager:GetSecretValue") as found:
        environment.link_signer()
    assert not found.value.temporary
    iam.delete_access_key(UserName="nobody", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="nobody")


def test_stack_without_a_signer_makes_none(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the Variable nor the function knows of one."""
    assert "link_conn_id" not in machine.variable
    monkeypatch.delenv("COGNITO_IMPORT_LINK_SECRET", raising=False)
    assert environment.link_signer() is None


def test_recipient_whom_no_mail_would_reach_is_said_before_the_import(
    machine: Any, addresses: Users, aws: LocalAws
) -> None:
    """A direct execution checks the recipient as Airflow does: in SES's sandbox it has to be verified."""
    ses: Any = boto3.client("sesv2")
    about = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://example.com"}
    ses.put_account_details(**about, ProductionAccessEnabled=False)
    try:
        ended = machine.run({"data": addresses(1), "adminemail": "nobody@elsewhere.example"})
    finally:
        ses.put_account_details(**about, ProductionAccessEnabled=True)
    assert (ended["status"], ended["error"]) == ("FAILED", "PreflightError")
    assert "sandbox" in ended["cause"]
    assert "nobody@" not in ended["cause"]
    assert not [call for call in aws.calls() if call["operation"].startswith("Admin")]
