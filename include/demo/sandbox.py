"""Everything that an import runs on, brought up together: AWS, what the import needs there, and Airflow."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import ExitStack
from typing import Any

from demo.resources import Resources
from sandbox.airflow.stack import AirflowStack
from sandbox.assembly import Assembly
from sandbox.aws.process import LocalAws

DAG = "cognito_import"
NIGHTLY = "cognito_import_nightly"


class Sandbox(Assembly):
    """AWS, a user pool, a bucket and identities in it, and Airflow set up for them. A context manager.

    `aws` is local AWS, or None where the environment names another (`use_environment`); `resources` and `airflow` are as
    their modules say. `settings` go into the Variable beside what is required. With `state_machine` the stack of
    `include/stack` is deployed, and the bucket is the stack's.
    """

    aws: LocalAws | None
    resources: Resources
    airflow: AirflowStack

    def __init__(
        self,
        *,
        use_environment: bool = False,
        state_machine: bool = False,
        latency: float = 0.1,
        settings: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        **airflow: Any,
    ) -> None:
        """Take what to start; `latency` is local AWS's for each Cognito call, in seconds."""
        self._use_environment = use_environment
        self._state_machine = state_machine
        self._latency = latency
        self._settings = settings or {}
        self._env = env or {}
        self._airflow = airflow

    def _bring_up(self, steps: ExitStack) -> None:
        self.aws = None if self._use_environment else steps.enter_context(LocalAws(latency=self._latency))
        environment = _aws_environment() if self.aws is None else self.aws.environment()
        steps.enter_context(_environment(environment))
        self.resources = steps.enter_context(
            Resources(
                os.environ.get("DEMO_MAIL_FROM", "no-reply@example.com"),
                os.environ.get("DEMO_ADMIN", "admin@example.com"),
                make_bucket=not self._state_machine,
            )
        )
        stack = self._deploy(steps) if self._state_machine else {}
        settings = {**stack, **self.resources.inbox(), **self._settings}
        variable = {"AIRFLOW_VAR_COGNITO_IMPORT": self.resources.variable(**settings)}
        # The connection of an installation whose credentials come from the environment or the machine's role.
        connection = {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}), **self._signer(stack)}
        env = {**environment, **variable, **connection, **self._env}
        self.airflow = steps.enter_context(AirflowStack(dag_ids=[DAG, NIGHTLY], env=env, **self._airflow))

    def _deploy(self, steps: ExitStack) -> dict[str, Any]:
        """Deploy the stack, to be removed at the end, and give its settings."""
        from stack.deploy import Stack

        stack = Stack(f"demo-{secrets.token_hex(4)}")
        steps.callback(stack.remove, delete_data=True)
        stack.deploy(
            {
                "MailFrom": self.resources.mail_from,
                "UserPoolId": self.resources.user_pool_id,
                "InboxAdmin": self.resources.admin,
                # Nobody's account gets another user for a demo.
                "LinkSigner": "false" if self.aws is None else "true",
            }
        )
        settings = stack.variable()
        self.resources.bucket = settings["report_bucket"]
        return settings

    @staticmethod
    def _signer(settings: dict[str, Any]) -> dict[str, str]:
        """Return the connection that signs the links, out of the stack's secret, where Airflow's backend would look it up."""
        import boto3

        if "link_conn_id" not in settings:
            return {}
        conn_id = settings["link_conn_id"]
        found = boto3.client("secretsmanager").get_secret_value(SecretId=f"airflow/connections/{conn_id}")
        return {f"AIRFLOW_CONN_{conn_id.upper()}": found["SecretString"]}


def _aws_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


class _environment:  # noqa: N801 - used as a function
    """Sets variables of this process's environment for a while, so that boto3 finds them."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._variables}
        os.environ.update(self._variables)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
