"""The deployment of docker-compose.yaml, run natively once for all tests of this folder that ask for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from demo.resources import Resources
from demo.watch import fetch, link_in, rows_of
from sandbox.airflow.cluster import Cluster
from sandbox.airflow.rest import RestError
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

DAG = "cognito_import"
TASK = "process_users"  # the mapped task


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """`docker compose --profile local up --scale airflow-worker=2`, with nothing prepared."""
    with Cluster(workers=2) as cluster:
        print("healthy after s:", {name: round(at, 1) for name, at in cluster.seconds_to_health.items()})
        yield cluster


@pytest.fixture
def aws(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The deployment's local AWS, its figures at zero, and this process's environment set for it."""
    aws = LocalAws()
    aws.endpoint_url = f"http://127.0.0.1:{cluster.site.ports[4566]}"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    aws.reset()
    return aws


@pytest.fixture
def resources(aws: LocalAws) -> Resources:
    """What the service `local-resources` has made."""
    resources = Resources(mark="local")
    assert resources.find()
    return resources


class Run:
    """One import of `addresses`, reported to an administrator of its own."""

    def __init__(self, cluster: Cluster, aws: LocalAws, resources: Resources, count: int) -> None:
        mark = secrets.token_hex(3)
        self.addresses = [f"user{number:04}-{mark}@example.com" for number in range(1, count + 1)]
        self.admin = f"admin-{mark}@example.com"
        resources.ses.verify_email_identity(EmailAddress=self.admin)
        self.rest, self.aws = cluster.rest, aws
        data = [{"useremail": address} for address in self.addresses]
        self.run_id = self.rest.trigger(DAG, {"data": data, "adminemail": self.admin})
        self.folder = RunFolder(resources.s3, resources.bucket, run_name(self.run_id))

    def wait(self, seconds: float = 420) -> str:
        """Return the run's final state."""
        return self.rest.wait(DAG, self.run_id, seconds=seconds)

    def wait_for_outcomes(self, count: int, seconds: float = 180) -> dict[int, Any]:
        """Return the stored outcomes by row as soon as there are `count`."""

        def outcomes() -> dict[int, Any]:
            return self.folder.progress().outcomes if self.folder.manifest() else {}

        return until(f"{count} outcomes", outcomes, lambda seen: len(seen) >= count, seconds=seconds, every=0.2)

    def state(self) -> str | None:
        """Return the run's state, or None while Airflow cannot be asked."""
        try:
            return self.rest.run_state(DAG, self.run_id)
        except (httpx.TransportError, RestError):
            return None

    def tasks(self, *states: str) -> list[dict[str, Any]]:
        """Return the mapped tasks in one of these states, or all, in the order of their map index."""
        return self.rest.task_instances(DAG, self.run_id, TASK, states)

    def mails(self) -> list[dict[str, Any]]:
        """Return the mails to the administrator."""
        return [mail for mail in self.aws.outbox() if self.admin in mail["To"]]

    def rows(self) -> list[dict[str, str]]:
        """Return the CSV behind the link of the only mail."""
        (mail,) = self.mails()
        return rows_of(fetch(link_in(mail)))


@pytest.fixture
def start(cluster: Cluster, aws: LocalAws, resources: Resources) -> Callable[[int], Run]:
    """Trigger an import of so many users."""
    return lambda count: Run(cluster, aws, resources, count)
