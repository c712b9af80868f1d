"""One real Airflow on local AWS for all tests of this folder."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cognito_import.run_folder import RunFolder, run_name
from demo.ground import Ground
from demo.stage import DAG, Stage
from demo.watch import fetch, link_in, rows_of
from local_airflow.rest import AirflowRest
from local_aws.process import LocalAws

PASSWORD = "Tmp-" + secrets.token_hex(8) + "A1!"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs Airflow."""
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="package")
def secrets_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the file of a secrets backend, whose Variables go before those of the environment."""
    path = tmp_path_factory.mktemp("secrets") / "variables.json"
    path.write_text("{}")
    return path


@pytest.fixture(scope="package")
def whole_stage(secrets_file: Path) -> Iterator[Stage]:
    """Start Airflow and local AWS once: it takes longer than most tests."""
    env = {
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"variables_file_path": str(secrets_file)}),
    }
    with Stage(state_machine=True, settings={"temporary_password": PASSWORD}, env=env) as stage:
        yield stage


@pytest.fixture
def vary(stage: Stage, secrets_file: Path) -> Iterator[Callable[..., None]]:
    """Change settings for one test: what a task reads from now on."""

    def vary(**settings: Any) -> None:
        usual = json.loads(stage.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
        changed = secrets_file.with_suffix(".new")
        changed.write_text(json.dumps({"cognito_import": json.dumps({**usual, **settings})}))
        changed.replace(secrets_file)  # no task reads half a file

    yield vary
    secrets_file.write_text("{}")


@pytest.fixture
def stage(whole_stage: Stage) -> Stage:
    """The stage without what an earlier test asked of it."""
    assert whole_stage.aws is not None
    whole_stage.aws.clear_faults()
    whole_stage.aws.traffic(0)
    whole_stage.aws.reset()
    whole_stage.airflow.rest.set_pool("cognito_api", 20)
    return whole_stage


@dataclass
class Run:
    """One import under test."""

    stage: Stage
    run_id: str

    @property
    def rest(self) -> AirflowRest:
        return self.stage.airflow.rest

    @property
    def folder(self) -> RunFolder:
        ground = self.stage.ground
        return RunFolder(ground.s3, ground.bucket, run_name(DAG, self.run_id))

    def wait(self, seconds: float = 420) -> str:
        """Give the run's final state."""
        return self.rest.wait(DAG, self.run_id, seconds=seconds)

    def wait_for_outcomes(self, enough: Callable[[dict[int, Any]], bool], seconds: float = 180) -> dict[int, Any]:
        """Give the stored outcomes by row as soon as they are enough."""
        until = time.monotonic() + seconds
        while True:
            outcomes = self.folder.known().outcomes if self.folder.manifest() else {}
            if enough(outcomes):
                return outcomes
            assert time.monotonic() < until, f"{len(outcomes)} outcomes are not enough after {seconds} s"
            time.sleep(0.2)

    def states(self, task_id: str) -> list[str]:
        """The states of a task's instances, in the order of their map index."""
        return [instance["state"] for instance in self.rest.task_instances(DAG, self.run_id, task_id)]

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """The log of one attempt."""
        return self.rest.log(DAG, self.run_id, task_id, try_number, map_index)

    def mails(self, admin: str) -> list[dict[str, Any]]:
        """The mails to one administrator."""
        assert self.stage.aws is not None
        return [mail for mail in self.stage.aws.outbox() if admin in mail["To"]]


@pytest.fixture
def aws(stage: Stage) -> LocalAws:
    """Local AWS."""
    assert stage.aws is not None
    return stage.aws


@pytest.fixture
def ground(stage: Stage) -> Ground:
    """The user pool, the bucket and the identities."""
    return stage.ground


@pytest.fixture
def admin(ground: Ground) -> str:
    """An administrator of this test's own."""
    address = f"admin-{secrets.token_hex(4)}@example.com"
    ground.ses.verify_email_identity(EmailAddress=address)
    return address


@pytest.fixture
def addresses() -> Callable[[int], list[str]]:
    """Make addresses that no other test uses."""
    mark = secrets.token_hex(3)
    return lambda count: [f"user{number:04}-{mark}@example.com" for number in range(1, count + 1)]


@pytest.fixture
def start(stage: Stage, admin: str) -> Callable[..., Run]:
    """Trigger an import of addresses, or of any conf."""

    def start(addresses: list[str] | None = None, **conf: Any) -> Run:
        data = {} if addresses is None else {"data": [{"useremail": address} for address in addresses]}
        return Run(stage, stage.airflow.rest.trigger(DAG, {"adminemail": admin, **data, **conf}))

    return start


@pytest.fixture
def reported(admin: str) -> Callable[[Run], list[dict[str, str]]]:
    """Give the rows of the CSV behind the link of the run's newest mail."""
    return lambda run: rows_of(fetch(link_in(run.mails(admin)[-1])))


@pytest.fixture
def truth(ground: Ground, aws: LocalAws) -> Callable[..., None]:
    """Hold a CSV's rows against the user pool and the calls that were made."""

    def truth(rows: list[dict[str, str]], addresses: list[str], *, called_twice: int = 0) -> None:
        assert [row["useremail"] for row in rows] == addresses
        pool = ground.users()
        for row in rows:
            user = pool.get(row["useremail"])
            if row["status"] == "succeeded":
                assert user is not None, row
                assert (user.username, user.groups) == (row["username"], {"BASIC"}), row
            elif row["code"] == "NotAttempted":
                assert user is None, row
        for operation in ("AdminCreateUser", "AdminAddUserToGroup"):
            calls = [call for call in aws.calls() if call["operation"] == operation and not call["code"]]
            called = [call["username"] for call in calls]
            assert len(called) - len(set(called)) <= called_twice

    return truth


@pytest.fixture
def settings_password() -> str:
    """The temporary password of the stage's settings."""
    return PASSWORD
