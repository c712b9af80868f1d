"""Local AWS for the tests of the core: one process for all, a user pool and a bucket for each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.aws.process import LocalAws

# No test asserts a time: a loaded machine is no reason to fail. Nor does any draw at random; `make explore` and `make chaos` do.
_ALWAYS: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("repeatable", derandomize=True, **_ALWAYS)
hypothesis.settings.register_profile("explore", max_examples=1_000, print_blob=True, **_ALWAYS)
hypothesis.settings.load_profile("repeatable")

AIRFLOW = ("tests/integration/", "tests/sandbox/airflow/", "tests/cluster/")
"""The folders of the tests with real Airflow."""

AIRFLOWS = ("gw0", "gw1", "gw2")
"""The processes that run them, each with an Airflow of its own. More would be too much for two cores.

They take the longest, mostly by waiting, so the others leave the processor to them.
"""

FIRST = (
    "tests/integration/test_deletion.py",
    "tests/integration/test_import.py",
    "tests/integration/test_ending.py",
    "tests/integration/test_recovery.py",
    "tests/integration/test_state_machine.py",
    "tests/integration/test_nightly.py",
    "tests/integration/",
    *AIRFLOW,
    "tests/stack/test_faults.py",
    "tests/stack/",
)
"""What takes the longest is begun first, in this order."""

ONE_BY_ONE = ("tests/stack/test_faults.py", "tests/stack/test_execution_lock.py")
"""Files whose tests wait for so long that each goes to whatever process is free."""

VERSIONS = "tests/integration/versions/"
"""Where the tests of one version of Airflow belong together; their names end with it."""

SLOW = ("tests/cluster/test_cluster.py", "tests/sandbox/airflow/", "tests/second_opinion/test_moto.py")
"""Where every test is slow by nature; elsewhere those that are have the mark themselves."""


class LongestFirst(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out files, or tests one by one, to whatever process is free; those with Airflow to the few that have one."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(VERSIONS):
            return nodeid.rpartition("[")[2]
        return nodeid if nodeid.startswith(ONE_BY_ONE) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        airflow = [scope for scope in self.workqueue if scope.startswith(AIRFLOW)]
        others = [scope for scope in self.workqueue if not scope.startswith(AIRFLOW)]
        mine = [*airflow, *others] if node.gateway.id in AIRFLOWS else others
        if not mine:
            node.shutdown()
            return
        self.workqueue.move_to_end(mine[0], last=False)
        super()._assign_work_unit(node)


def pytest_configure() -> None:
    """Give way to the processes with an Airflow."""
    if os.environ.get("PYTEST_XDIST_WORKER", AIRFLOWS[0]) not in AIRFLOWS:
        os.nice(10)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand the tests out as LongestFirst does."""
    return LongestFirst(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes the longest, and mark what is slow."""

    def place(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(FIRST) if item.nodeid.startswith(path)), len(FIRST))

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


@pytest.fixture
def folder(resources: Resources) -> RunFolder:
    """An empty run folder."""
    return RunFolder(resources.s3, resources.bucket, "run-1")
