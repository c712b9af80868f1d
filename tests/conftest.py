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

# No test asserts a time: a loaded machine is no reason to fail.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

REAL_AIRFLOW = ("tests/cluster/", "tests/integration/", "tests/sandbox/airflow/")
"""The folders whose tests run real Airflow."""


SECOND_AIRFLOW = ("test_deletion.py", "test_nightly.py", "test_state_machine.py", "test_stack.py", "test_end.py")
"""The files among them that one process takes, while another has the rest: about half of the time."""

SLOW = ("tests/cluster/test_cluster.py", "tests/sandbox/airflow/", "tests/second_opinion/test_moto.py")
"""Where every test is slow by nature; elsewhere those that are have the mark themselves."""


class TwoAirflows(LoadScopeScheduling):  # type: ignore[misc]
    """Hands the tests with real Airflow to two processes, since more would be too much for two cores, and else files."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not file.startswith(REAL_AIRFLOW):
            return file
        return "airflow 2" if file.endswith(SECOND_AIRFLOW) else "airflow 1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Share the tests out as told above."""
    return TwoAirflows(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with real Airflow, which takes the longest, and mark what is slow."""
    items.sort(key=lambda item: not item.nodeid.startswith(REAL_AIRFLOW))  # keeps the order else
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
