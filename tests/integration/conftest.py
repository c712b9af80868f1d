"""One real Airflow on local AWS for all tests of this folder."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cognito_import.run.folder import INVITED, RunFolder
from cognito_import.run.manifest import run_name
from demo.resources import Resources
from demo.sandbox import DAG, Sandbox
from demo.watch import fetch, link_in, rows_of
from sandbox.airflow.rest import AirflowRest
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FrameLocator

APPROVER = "approver"
SLOTS = 8
"""The slots of these tests' pool, paced so that they are as fast as the usual 20. A task takes a second of a core, all told."""
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
def whole_sandbox(secrets_file: Path) -> Iterator[Sandbox]:
    """Start Airflow and local AWS once: it takes longer than most tests."""
    env = {
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"variables_file_path": str(secrets_file)}),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"admin:admin,{APPROVER}:admin,user:user,viewer:viewer",
        "COGNITO_IMPORT_POOL_SLOTS": str(SLOTS),
        # With two cores for three of them, a scheduler that looks four times a second takes a quarter of what there is.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        # The DAG files do not change meanwhile, and parsing both takes a second and a half of a core.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    }
    settings = {"temporary_password": PASSWORD, "slots": SLOTS, "pacing_seconds": SLOTS / 20}
    with Sandbox(state_machine=True, settings=settings, env=env) as sandbox:
        sandbox.airflow.rest.set_pool("cognito_api", SLOTS)
        yield sandbox


@pytest.fixture
def vary(sandbox: Sandbox, secrets_file: Path) -> Iterator[Callable[..., None]]:
    """Change settings for one test: what a task reads from now on."""

    def vary(**settings: Any) -> None:
        usual = json.loads(sandbox.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
        changed = secrets_file.with_suffix(".new")
        changed.write_text(json.dumps({"cognito_import": json.dumps({**usual, **settings})}))
        changed.replace(secrets_file)  # no task reads half a file

    yield vary
    secrets_file.write_text("{}")


@pytest.fixture
def sandbox(whole_sandbox: Sandbox) -> Sandbox:
    """The sandbox without what an earlier test asked of it."""
    assert whole_sandbox.aws is not None
    whole_sandbox.aws.clear_faults()
    whole_sandbox.aws.traffic()
    whole_sandbox.aws.quotas()
    whole_sandbox.aws.reset()
    whole_sandbox.airflow.rest.set_pool("cognito_api", SLOTS)
    return whole_sandbox


@dataclass
class Run:
    """One import under test."""

    sandbox: Sandbox
    run_id: str
    admin: str

    @classmethod
    def started(cls, sandbox: Sandbox, adminemail: str, **conf: Any) -> Run:
        """Trigger an import."""
        return cls(sandbox, sandbox.airflow.rest.trigger(DAG, {"adminemail": adminemail, **conf}), adminemail)

    @property
    def rest(self) -> AirflowRest:
        return self.sandbox.airflow.rest

    @property
    def folder(self) -> RunFolder:
        resources = self.sandbox.resources
        return RunFolder(resources.s3, resources.bucket, run_name(self.run_id))

    def wait(self, seconds: float = 420) -> str:
        """Return the run's final state."""
        return self.rest.wait(DAG, self.run_id, seconds=seconds)

    def wait_for_outcomes(self, enough: Callable[[dict[int, Any]], bool], seconds: float = 180) -> dict[int, Any]:
        """Return the stored outcomes by row as soon as they are enough."""

        def outcomes() -> dict[int, Any]:
            return self.folder.progress().outcomes if self.folder.manifest() else {}

        return until("enough outcomes", outcomes, enough, seconds=seconds, every=0.2)

    def wait_for_calls(self, count: int, seconds: float = 180) -> None:
        """Wait until Cognito was called `count` times since the test began."""
        calls = self.sandbox.aws.calls
        until(f"{count} calls", lambda: len(calls()), lambda seen: seen >= count, seconds=seconds, every=0.2)

    def states(self, task_id: str) -> list[str]:
        """Return the states of a task's instances, in the order of their map index."""
        return [instance["state"] for instance in self.rest.task_instances(DAG, self.run_id, task_id)]

    def mark(self, state: str) -> None:
        """Mark the run as the buttons of the UI do."""
        self.rest.request("PATCH", f"dags/{DAG}/dagRuns/{self.run_id}", json={"state": state})

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one attempt."""
        return self.rest.log(DAG, self.run_id, task_id, try_number, map_index)

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        """Return the mails to the run's administrator, or to somebody else."""
        assert self.sandbox.aws is not None
        return [mail for mail in self.sandbox.aws.outbox() if (to or self.admin) in mail["To"]]


@pytest.fixture
def approver(sandbox: Sandbox) -> Iterator[AirflowRest]:
    """Somebody else than the admin who starts the tests' runs; Airflow makes up the password."""
    assert isinstance(sandbox.airflow.home, Path)
    passwords = json.loads((sandbox.airflow.home / "passwords.json").read_text())
    rest = AirflowRest(sandbox.airflow.url, APPROVER, passwords[APPROVER])
    yield rest
    rest.close()


@pytest.fixture
def aws(sandbox: Sandbox) -> LocalAws:
    """Local AWS."""
    assert sandbox.aws is not None
    return sandbox.aws


@pytest.fixture
def resources(sandbox: Sandbox) -> Resources:
    """The user pool, the bucket and the identities."""
    return sandbox.resources


@pytest.fixture
def new_admin(resources: Resources) -> Callable[[], str]:
    """Make an administrator, one for each of several runs side by side."""

    def new_admin() -> str:
        address = f"admin-{secrets.token_hex(4)}@example.com"
        resources.ses.verify_email_identity(EmailAddress=address)
        return address

    return new_admin


@pytest.fixture
def admin(new_admin: Callable[[], str]) -> str:
    """An administrator of this test's own."""
    return new_admin()


@pytest.fixture
def addresses() -> Callable[[int], list[str]]:
    """Make addresses that no other test uses."""
    mark = secrets.token_hex(3)
    return lambda count: [f"user{number:04}-{mark}@example.com" for number in range(1, count + 1)]


@pytest.fixture
def next_day(resources: Resources, aws: LocalAws) -> Callable[[], None]:
    """Let all invitations be those of another day, now and whenever it is called."""

    def next_day() -> None:
        listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix=INVITED).get("Contents", [])
        for item in listed:
            resources.s3.delete_object(Bucket=resources.bucket, Key=item["Key"])
        aws.reset()

    next_day()
    return next_day


@pytest.fixture
def start(sandbox: Sandbox, admin: str) -> Callable[..., Run]:
    """Trigger an import of addresses, or of any conf."""

    def start(addresses: list[str] | None = None, **conf: Any) -> Run:
        data = {} if addresses is None else {"data": [{"useremail": address} for address in addresses]}
        return Run.started(sandbox, **{"adminemail": admin, **data, **conf})

    return start


@pytest.fixture
def reported() -> Callable[[Run], list[dict[str, str]]]:
    """Give the rows of the CSV behind the link of the newest mail to the run's administrator."""
    return lambda run: rows_of(fetch(link_in(run.mails()[-1])))


@pytest.fixture
def truth(resources: Resources, aws: LocalAws) -> Callable[..., None]:
    """Hold a CSV's rows against the user pool and the calls that were made for them."""

    def truth(rows: list[dict[str, str]], addresses: list[str], *, called_twice: int = 0) -> None:
        assert [row["useremail"] for row in rows] == addresses
        pool = resources.users()
        for row in rows:
            user = pool.get(row["useremail"])
            if row["status"] == "succeeded":
                assert user is not None, row
                assert (user.username, user.groups) == (row["username"], {"BASIC"}), row
            elif row["code"] == "NotAttempted":
                assert user is None, row
        theirs = {name for address in addresses if address in pool for name in (address, pool[address].username)}
        for operation in ("AdminCreateUser", "AdminAddUserToGroup"):
            calls = [call for call in aws.calls() if call["operation"] == operation and not call["code"]]
            called = [call["username"] for call in calls if call["username"] in theirs]
            assert len(called) - len(set(called)) <= called_twice

    return truth


@pytest.fixture
def succeeded(
    reported: Callable[[Run], list[dict[str, str]]], truth: Callable[..., None]
) -> Callable[..., list[dict[str, str]]]:
    """Wait until a run is a success by whose true report every user succeeded; give the report's rows."""

    def succeeded(
        run: Run, addresses: list[str], *, called_twice: int = 0, seconds: float = 420
    ) -> list[dict[str, str]]:
        assert run.wait(seconds) == "success"
        rows = reported(run)
        truth(rows, addresses, called_twice=called_twice)
        assert {row["status"] for row in rows} == {"succeeded"}
        return rows

    return succeeded


@pytest.fixture
def settings_password() -> str:
    """The temporary password of the sandbox's settings."""
    return PASSWORD


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no browser: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def sign_in(browser: Browser, sandbox: Sandbox) -> Iterator[Callable[..., FrameLocator]]:
    """Open the page in Airflow's UI as somebody; nothing it does may be an error in the browser."""
    assert isinstance(sandbox.airflow.home, Path)
    passwords = json.loads((sandbox.airflow.home / "passwords.json").read_text())
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def sign_in(user: str) -> FrameLocator:
        context = browser.new_context(locale="en-GB", accept_downloads=True)
        contexts.append(context)
        context.set_default_timeout(420_000)  # as long as a run is waited for
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{sandbox.airflow.url}/auth/login")
        page.fill("input[name=username]", user)
        page.fill("input[name=password]", passwords[user])
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        page.goto(f"{sandbox.airflow.url}/plugin/cognito-import")
        return page.frame_locator("iframe")

    yield sign_in
    for context in contexts:
        for page in context.pages:  # what a failed test saw
            # Its first frame is the page's; the one inside it, a mail, runs no script and so cannot be read.
            print(page.url, page.frames[:2][-1].locator("body").inner_text())
        context.close()
    assert not faults
