"""Local AWS for the tests of the core: one process for all, a user pool and a bucket for each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.aws.process import LocalAws

# No test asserts a time: a loaded machine is no reason to fail. Nor does any draw at random; `make chaos` does.
hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

AIRFLOWS = {
    "tests/integration/test_deletion.py": 1,
    "tests/integration/test_recovery.py": 1,
    "tests/integration/test_import.py": 2,
    "tests/integration/test_state_machine.py": 2,
    "tests/integration/test_nightly.py": 2,
    "tests/integration/": 3,
    "tests/sandbox/airflow/": 3,
    "tests/cluster/": 3,
}
"""The tests with real Airflow, and which of three processes takes them. More Airflows would be too much for two cores."""

ONE_BY_ONE = ("tests/stack/test_faults.py", "tests/stack/test_execution_lock.py")
"""Files whose tests wait for so long that each goes to whatever process is free."""

SLOW = ("tests/cluster/test_cluster.py", "tests/sandbox/airflow/", "tests/second_opinion/test_moto.py")
"""Where every test is slow by nature; elsewhere those that are have the mark themselves."""


def airflow_of(nodeid: str) -> int:
    """Return the number of the process that takes a test with real Airflow, 0 for any other test."""
    return next((number for path, number in AIRFLOWS.items() if nodeid.startswith(path)), 0)


class LongestFirst(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out the tests with real Airflow in three parts, and the others by file or one by one."""

    def _split_scope(self, nodeid: str) -> str:
        if number := airflow_of(nodeid):
            return f"airflow {number}"
        return nodeid if nodeid.startswith(ONE_BY_ONE) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand the tests out as LongestFirst does."""
    return LongestFirst(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with real Airflow and the state machine, which take the longest, and mark what is slow."""
    first = (*AIRFLOWS, *ONE_BY_ONE, "tests/stack/")

    def place(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(first) if item.nodeid.startswith(path)), len(first))

    items.sort(key=place)  # which keeps the order of the files and of their tests
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


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
        aws.traffic()
        aws.quotas()
        aws.limits()
        aws.reset()
        return aws

    return freshen


@pytest.fixture
def local_aws(local_aws_process: LocalAws, fresh: Callable[[LocalAws], LocalAws]) -> LocalAws:
    """The local AWS of the core's tests."""
    return fresh(local_aws_process)


@pytest.fixture
def resources(local_aws: LocalAws) -> Iterator[Resources]:
    """A user pool with the group BASIC, a bucket and two identities."""
    with Resources(admin=f"admin-{secrets.token_hex(4)}@example.com") as resources:
        local_aws.reset()
        yield resources


@pytest.fixture
def mails(resources: Resources, local_aws: LocalAws) -> Callable[[], list[dict[str, Any]]]:
    """Give the mails to this test's administrator."""
    return lambda: [mail for mail in local_aws.outbox() if resources.admin in mail["To"]]


@pytest.fixture
def settings(resources: Resources) -> Settings:
    """The settings for `resources`, at a pace that no test waits for."""
    return Settings.parse(resources.variable(pacing_seconds=0.001))
