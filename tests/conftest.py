"""Local AWS for the tests of the core: one process for all, a user pool and a bucket for each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from cognito_import.settings import Settings
from demo.ground import Ground
from local_aws.process import LocalAws

REAL_AIRFLOW = ("tests/cluster/", "tests/integration/", "tests/local_airflow/")
"""The folders whose tests run real Airflow."""


class AirflowBesideTheOthers(LoadScopeScheduling):  # type: ignore[misc]
    """Hands all tests with real Airflow to one process, since two Airflows would be too much for two cores, and else files."""

    def _split_scope(self, nodeid: str) -> str:
        return "airflow" if nodeid.startswith(REAL_AIRFLOW) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Share the tests out as told above."""
    return AirflowBesideTheOthers(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with real Airflow, which takes the longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(REAL_AIRFLOW))  # keeps the order else


@pytest.fixture(scope="session")
def local_aws_process() -> Iterator[LocalAws]:
    """One process for the whole session: starting it takes longer than most tests."""
    with LocalAws(latency=0.0) as aws:
        yield aws


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[LocalAws], LocalAws]:
    """Rid a local AWS of what an earlier test asked of it, and set this process's environment for it."""

    def freshen(aws: LocalAws) -> LocalAws:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        aws.clear_faults()
        aws.traffic(0)
        aws.limits()
        aws.reset()
        return aws

    return freshen


@pytest.fixture
def local_aws(local_aws_process: LocalAws, fresh: Callable[[LocalAws], LocalAws]) -> LocalAws:
    """The local AWS of the core's tests."""
    return fresh(local_aws_process)


@pytest.fixture
def ground(local_aws: LocalAws) -> Iterator[Ground]:
    """A user pool with the group BASIC, a bucket and two identities."""
    with Ground(admin=f"admin-{secrets.token_hex(4)}@example.com") as ground:
        local_aws.reset()
        yield ground


@pytest.fixture
def mails(ground: Ground, local_aws: LocalAws) -> Callable[[], list[dict[str, Any]]]:
    """Give the mails to this test's administrator."""
    return lambda: [mail for mail in local_aws.outbox() if ground.admin in mail["To"]]


@pytest.fixture
def settings(ground: Ground) -> Settings:
    """The settings for `ground`, at a pace that no test waits for."""
    return Settings.parse(ground.variable(pacing_seconds=0.001))
