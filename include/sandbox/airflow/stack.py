"""A whole Airflow on this machine: bring it up, work with it, and nothing of it is left.

with AirflowStack(dag_ids=["cognito_import"]) as airflow:
    run_id = airflow.rest.trigger("cognito_import", conf)
    state = airflow.rest.wait("cognito_import", run_id)
"""

from __future__ import annotations

import json
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from sandbox.airflow.components import Workplace
from sandbox.airflow.deployment import Deployment
from sandbox.airflow.ports import PortLease
from sandbox.airflow.postgres import Postgres
from sandbox.airflow.readiness import Readiness, read_pools
from sandbox.airflow.rest import AirflowRest
from sandbox.airflow.settings import POOLS, ROOT, component_environment, stack_settings
from sandbox.waiting import until


@dataclass(kw_only=True)
class AirflowStack(Deployment):
    """One Airflow with a database, ports and folders of its own. A context manager; `start()` and `stop()` do the same.

    Components by name: `postgres`, `api-server`, `scheduler`, `dag-processor`, and as asked for `triggerer`. Tasks run in
    the scheduler's LocalExecutor; `cluster.Cluster` has workers.
    """

    dags_folder: Path | str = ROOT / "dags"
    plugins_folder: Path | str = ROOT / "plugins"
    dag_ids: Sequence[str] = ()
    """The DAGs that must be known before `start()` returns."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment of all components, over airflow.env and over the stack's own."""
    recommended: bool = True
    """Whether airflow.env applies; else Airflow has its own defaults."""
    python: Path | str = sys.executable
    """The interpreter whose Airflow is run."""
    pools: Path | str | None = POOLS
    triggerer: bool = False
    port: int | None = None
    """Of the API server; by default a free one."""
    username: str = "admin"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    home: Path | str | None = None
    """AIRFLOW_HOME; by default a temporary folder. One that is given is never deleted."""
    logs: Path | str | None = None
    """Task logs, and in `components/` one file for each component; by default a folder in `home`."""
    durable: bool = False
    """Whether the database waits for the disk at each commit, as a production server does."""
    keep: bool = False
    """Whether a temporary `home` is left behind; the database is not."""
    ready_seconds: float = 180.0
    """How long `start()` waits before it gives up."""

    url: str = field(default="", init=False)
    rest: AirflowRest = field(init=False, repr=False)
    bring_up_seconds: Mapping[str, float] = field(default_factory=dict, init=False)
    """The end of each step of `start()`, in seconds from its beginning."""

    # --- from start to stop ---

    def _bring_up(self, steps: ExitStack) -> None:
        """Return when all components are healthy, the pools set and the expected DAGs known."""
        self._take_sigterm(steps)
        port = self.port or steps.enter_context(closing(PortLease())).port
        self.url = f"http://127.0.0.1:{port}"
        self.rest = AirflowRest(self.url, self.username, self.password)
        steps.callback(self.rest.close)
        postgres = Postgres(durable=self.durable)
        temporary = [postgres.folder]
        if self.home is None:
            self.home = Path(tempfile.mkdtemp(prefix="airflow_"))
            temporary += [] if self.keep else [self.home]
        processes = self._hold(steps, temporary)
        self.home = Path(self.home).resolve()
        self.logs = self.home / "logs" if self.logs is None else Path(self.logs).resolve()
        for folder in (self.logs / "components", self.home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)

        self._env = self._environment(postgres)
        self._readiness = ready = Readiness(processes, self.rest, self.ready_seconds)
        self.bring_up_seconds = ready.steps

        place = Workplace(self._env, self.home, self.logs, str(self.python))
        postgres.start(processes, place.log("postgres"))
        ready.note("postgres")
        processes.start("migrate", place.migration())
        # The slowest component starts while the tables are being made; the others would fail without them.
        processes.start("api-server", place.api_server(port))
        ready.wait_for_migration()
        processes.start("scheduler", place.scheduler())
        processes.start("dag-processor", place.dag_processor())
        if self.triggerer:
            processes.start("triggerer", place.triggerer())
        ready.wait_for_all(read_pools(Path(self.pools)) if self.pools else {}, self.dag_ids)

    def _environment(self, postgres: Postgres) -> dict[str, str]:
        """Write the file with the user's password, and return the components' environment."""
        assert isinstance(self.home, Path)
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({self.username: self.password}))
        own = stack_settings(
            home=self.home,
            logs=Path(str(self.logs)),
            dags_folder=Path(self.dags_folder).resolve(),
            plugins_folder=Path(self.plugins_folder).resolve(),
            url=self.url,
            database=postgres.url,
            username=self.username,
            passwords=passwords,
        )
        return component_environment(own, self.env, recommended=self.recommended)

    @staticmethod
    def _take_sigterm(steps: ExitStack) -> None:
        """Make SIGTERM end `with` blocks in order, unless somebody else handles it already."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _end)
            steps.callback(_leave_sigterm)

    # --- working with it ---

    def environment(self) -> dict[str, str]:
        """Return the components' environment, to run `airflow` commands against this stack."""
        return dict(self._env)

    def stop_component(self, name: str, seconds: float = 15.0) -> None:
        """Stop a component in order (SIGINT), see `send_away`. The scheduler first waits for the tasks that it runs."""
        self.send_away(name, signal.SIGINT, seconds)

    def kill_component(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a component's main process alone, as a fault: its children live on as far as they can."""
        self.processes.send(name, number)

    def health(self) -> dict[str, str | None]:
        """Return each component's status as Airflow sees it, nothing while the API server is away."""
        return self._readiness.health()

    def pids(self, pattern: str) -> list[int]:
        """Return the ids of the stack's processes whose title contains the regular expression."""
        return self.processes.matching(pattern)

    def task_pids(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> tuple[int | None, int | None]:
        """Return the ids of a running task's two processes: its supervisor, and the one with its code; None for what is gone."""
        (instance,) = [i for i in self.rest.task_instances(dag_id, run_id, task_id) if i["map_index"] == map_index]
        supervisor = self.pids(rf"(LocalExecutor|supervisor).*{instance['id']}")
        code = self.pids(rf"worker -- {instance['id']}")
        return (supervisor[0] if supervisor else None), (code[0] if code else None)

    def wait_until_parked(self, dag_id: str, run_id: str, task_id: str, seconds: float = 120.0) -> None:
        """Wait until a task waits for a person and can be answered; WaitError if it does not in time.

        The process of a task that has begun to wait lives on for some seconds. Airflow takes an answer before the scheduler
        has seen its end for the death of the task. Before Airflow 3.3 it waits by the triggerer.
        """

        def states() -> list[str]:
            return [instance["state"] for instance in self.rest.task_instances(dag_id, run_id, task_id)]

        def is_parked(seen: list[str]) -> bool:
            waits = seen in (["awaiting_input"], ["deferred"])
            return waits and self.task_pids(dag_id, run_id, task_id) == (None, None)

        until(f"{task_id} to wait for an answer", states, is_parked, seconds=seconds, every=0.3)
        time.sleep(2.0)  # the scheduler's loop


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise SystemExit(128 + number)


def _leave_sigterm() -> None:
    """Put the signal back, unless somebody else has taken it meanwhile."""
    if signal.getsignal(signal.SIGTERM) is _end:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
