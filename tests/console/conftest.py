"""The page on Airflow's API server alone: no scheduler, so what a run does is done by the tests."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.airflow.ports import PortLease
from sandbox.airflow.rest import AirflowRest
from sandbox.airflow.settings import ROOT, component_environment, stack_settings
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

DAG = "cognito_import"
ROLES = ("viewer", "user", "op", "admin")
HEADER = {"X-Cognito-Import": "test"}


def inbox(resources: Resources) -> dict[str, Any]:
    """Settings of an inbox whose files are ready at once."""
    rules = {
        "": {"adminemail": "all@secret.example.com"},
        "leavers/": {"adminemail": "hr@secret.example.com", "jobtype": "delete"},
    }
    return {"inbox": f"s3://{resources.bucket}/inbox/", "inbox_rules": rules, "inbox_quiet_seconds": 0}


@pytest.fixture
def inbox_settings() -> Callable[[Resources], dict[str, Any]]:
    """Give those settings for any resources."""
    return inbox


@dataclass
class Page:
    """The page of one API server; a role's user has its name, and for a password, too."""

    url: str
    resources: Resources
    settings: Settings
    database: Path

    def client(self, role: str = "") -> httpx.Client:
        """A browser of somebody with the role, or of nobody who is signed in."""
        cookies = {}
        if role:
            answer = httpx.post(f"{self.url}/auth/token", json={"username": role, "password": role})
            cookies = {"_token": answer.json()["access_token"]}
        return httpx.Client(base_url=f"{self.url}/cognito-import/", cookies=cookies, headers=HEADER, timeout=60)

    def trigger(self, conf: dict[str, Any], dag: str = DAG, run_id: str | None = None) -> str:
        """A run that nobody begins."""
        with closing(AirflowRest(self.url, "admin", "admin")) as rest:
            return rest.trigger(dag, conf, run_id)

    def end(self, run: str, state: str = "success") -> None:
        """Have a run end, as the scheduler would when `report` and `finish` are over."""
        with closing(sqlite3.connect(self.database, timeout=60)) as database, database:
            moment = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
            ended = database.execute(
                "UPDATE dag_run SET state = ?, start_date = ?, end_date = ? WHERE run_id = ?",
                (state, moment, moment, run),
            )
            assert ended.rowcount == 1

    def folder(self, run: str) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.resources.s3, self.resources.bucket, run)  # its name is the run's id


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start an API server with a user for each role, on local AWS."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "tmp").mkdir()
    (home / "passwords.json").write_text(json.dumps({role: role for role in ROLES}))
    with LocalAws(latency=0.0) as aws, pytest.MonkeyPatch.context() as patch, closing(PortLease()) as lease:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        with Resources() as resources:
            variable = resources.variable(locale="en", **inbox(resources))
            url = f"http://127.0.0.1:{lease.port}"
            own = stack_settings(
                home=home,
                logs=home / "logs",
                dags_folder=ROOT / "dags",
                plugins_folder=ROOT / "plugins",
                url=url,
                database=lambda driver: f"sqlite{'+aiosqlite' * (driver == 'asyncpg')}:///{home}/airflow.db",
                username="admin",
                passwords=home / "passwords.json",
            )
            more = {
                "AIRFLOW_VAR_COGNITO_IMPORT": variable,
                "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}),
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
            }
            env = component_environment(own, aws.environment(), more)
            with _server(env, home, lease.port, url):
                yield Page(url, resources, Settings.parse(variable), home / "airflow.db")


class _server:  # noqa: N801 - used as a function
    def __init__(self, env: dict[str, str], home: Path, port: int, url: str) -> None:
        self.log, self.url = home / "server.log", url
        airflow = [sys.executable, "-m", "airflow"]
        for command in (["db", "migrate"], ["dags", "reserialize"]):
            subprocess.run([*airflow, *command], env=env, check=True, capture_output=True)
        with self.log.open("wb") as log:
            command = [*airflow, "api-server", "--host", "127.0.0.1", "--port", str(port)]
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def __enter__(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return httpx.get(f"{self.url}/api/v2/version").is_success
            except httpx.TransportError:
                return False

        try:
            until("the API server", answers, seconds=400, every=0.5)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def as_role(page: Page) -> Iterator[Callable[[str], httpx.Client]]:
    """Give each role's browser."""
    clients = {role: page.client(role) for role in ("", *ROLES)}
    yield clients.__getitem__
    for client in clients.values():
        client.close()
