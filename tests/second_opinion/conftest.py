"""An AWS by moto with the state machine on it, whose function is this repository's own."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import subprocess
import zipfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox.waiting import until
from stack import definition

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-moto" / "bin" / "python"
SENDER, BUCKET = "report@example.com", "reports"
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": REGION}
JSON = dict[str, Any]


class Moto:
    """A running moto, with a user pool, a bucket, a verified sender and the function."""

    def __init__(self, endpoint: str, calls: Path) -> None:
        self._endpoint = endpoint
        self._calls = calls
        self.cognito, self.s3 = self.client("cognito-idp"), self.client("s3")
        self.states, self.ses = self.client("stepfunctions"), self.client("ses")
        self.pool = self.cognito.create_user_pool(
            PoolName="test", UsernameAttributes=["email"], UsernameConfiguration={"CaseSensitive": False}
        )["UserPool"]["Id"]
        self.cognito.create_group(UserPoolId=self.pool, GroupName="BASIC")
        self.s3.create_bucket(Bucket=BUCKET)
        self.ses.verify_email_identity(EmailAddress=SENDER)
        self._role = self.client("iam").create_role(RoleName="all", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        settings = {"user_pool_id": self.pool, "report_bucket": BUCKET, "mail_from": SENDER, "locale": "en"}
        code = io.BytesIO()
        zipfile.ZipFile(code, "w").close()
        self._function = self.client("lambda").create_function(
            FunctionName="cognito-import",
            Runtime="python3.13",
            Role=self._role,
            Handler="stack.handler.handler",
            Code={"ZipFile": code.getvalue()},  # moto_server.py knows where the code is
            Environment={"Variables": {"COGNITO_IMPORT": json.dumps(settings), "COGNITO_IMPORT_SECRET": ""}},
        )["FunctionArn"]

    def client(self, service: Any) -> Any:
        """A client of this moto."""
        key, secret, _ = KEYS.values()
        return boto3.client(
            service, REGION, endpoint_url=self._endpoint, aws_access_key_id=key, aws_secret_access_key=secret
        )

    def run(self, request: JSON, machine: JSON | None = None) -> JSON:
        """Run an execution to its end and return its description."""
        name = f"test-{secrets.token_hex(6)}"
        text = json.dumps(machine or definition.load()).replace("${FunctionArn}", self._function)
        arn = self.states.create_state_machine(name=name, definition=text, roleArn=self._role)["stateMachineArn"]
        execution = self.states.start_execution(stateMachineArn=arn, name=name, input=json.dumps(request))[
            "executionArn"
        ]

        def description() -> JSON:
            return self.states.describe_execution(executionArn=execution)

        return until("its end", description, lambda seen: seen["status"] != "RUNNING", seconds=300, every=0.2)

    def succeed(self, request: JSON) -> JSON:
        """Run an execution that has to succeed, and return its output."""
        ended = self.run(request)
        assert ended["status"] == "SUCCEEDED", f"{ended['error']}: {ended['cause']}"
        return json.loads(ended["output"])  # type: ignore[no-any-return]

    def calls(self) -> list[str]:
        """What states called by SDK integrations, in order."""
        return self._calls.read_text(encoding="utf-8").split()

    def members(self, group: str = "BASIC") -> AbstractSet[str]:
        """The addresses of a group's users."""
        return self._by_address(
            self.cognito.list_users_in_group(UserPoolId=self.pool, GroupName=group, Limit=60)
        ).keys()

    def addresses(self) -> AbstractSet[str]:
        """The addresses of all users."""
        return self.enabled().keys()

    def enabled(self) -> dict[str, bool]:
        """Whether each user is enabled, by address."""
        users = self._by_address(self.cognito.list_users(UserPoolId=self.pool, Limit=60))
        return {address: user["Enabled"] for address, user in users.items()}

    @staticmethod
    def _by_address(answer: Any) -> dict[str, Any]:
        users = answer["Users"]
        return {one["Value"]: user for user in users for one in user["Attributes"] if one["Name"] == "email"}

    def report(self, jobtype: str) -> list[dict[str, str]]:
        """The rows of the job's newest report."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"cognito{jobtype}log/")["Contents"]
        newest = max(listed, key=lambda item: item["LastModified"])["Key"]
        text = self.s3.get_object(Bucket=BUCKET, Key=newest)["Body"].read().decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[Moto]:
    """A moto of its own for each test."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON.parents[1].name} is missing: run `make second-opinion`.")
    script = Path(__file__).with_name("moto_server.py")
    calls = tmp_path / "calls"
    calls.touch()
    command = [str(PYTHON), str(script), str(calls), str(ROOT / "include"), str(ROOT / "plugins")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | KEYS
    with (
        (tmp_path / "moto.log").open("w") as output,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True, env=environment
        ) as process,
    ):
        try:
            yield Moto(f"http://127.0.0.1:{int(process.stdout.readline())}", calls)
        finally:
            process.stdin.close()
