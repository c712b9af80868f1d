"""The deployment of docker-compose.yaml, run natively once for all tests of this folder that ask for it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cognito_import.run_folder import RunFolder, run_name
from demo.ground import Ground
from demo.watch import fetch, link_in, rows_of
from local_airflow.cluster import Cluster
from local_aws.process import LocalAws

DAG = "cognito_import"
TASK = "process_users"  # the mapped task


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs the deployment."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)


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
def ground(aws: LocalAws) -> Ground:
    """What the service `local-ground` has made."""
    ground = Ground(mark="local")
    assert ground.find()
    return ground


class Run:
    """One import of `addresses`, reported to an administrator of its own."""

    def __init__(self, cluster: Cluster, aws: LocalAws, ground: Ground, count: int) -> None:
        mark = secrets.token_hex(3)
        self.addresses = [f"user{number:04}-{mark}@example.com" for number in range(1, count + 1)]
        self.admin = f"admin-{mark}@example.com"
        ground.ses.verify_email_identity(EmailAddress=self.admin)
        self.rest, self.aws = cluster.rest, aws
        data = [{"useremail": address} for address in self.addresses]
        self.run_id = self.rest.trigger(DAG, {"data": data, "adminemail": self.admin})
        self.folder = RunFolder(ground.s3, ground.bucket, run_name(DAG, self.run_id))

    def wait(self, seconds: float = 420) -> str:
        """Give the run's final state."""
        return self.rest.wait(DAG, self.run_id, seconds=seconds)

    def wait_for_outcomes(self, count: int, seconds: float = 180) -> dict[int, Any]:
        """Give the stored outcomes by row as soon as they are so many."""
        until = time.monotonic() + seconds
        while True:
            outcomes = self.folder.known().outcomes if self.folder.manifest() else {}
            if len(outcomes) >= count:
                return outcomes
            assert time.monotonic() < until, f"{len(outcomes)} outcomes of {count} after {seconds} s"
            time.sleep(0.2)

    def tasks(self) -> list[dict[str, Any]]:
        """The mapped tasks, in the order of their map index."""
        return self.rest.task_instances(DAG, self.run_id, TASK)

    def mails(self) -> list[dict[str, Any]]:
        """The mails to the administrator."""
        return [mail for mail in self.aws.outbox() if self.admin in mail["To"]]

    def rows(self) -> list[dict[str, str]]:
        """The CSV behind the link of the only mail."""
        (mail,) = self.mails()
        return rows_of(fetch(link_in(mail)))


@pytest.fixture
def start(cluster: Cluster, aws: LocalAws, ground: Ground) -> Callable[[int], Run]:
    """Trigger an import of so many users."""
    return lambda count: Run(cluster, aws, ground, count)
