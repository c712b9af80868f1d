"""A whole Airflow on this machine: bring it up, work with it, and nothing of it is left.

with AirflowStack(dag_ids=["cognito_import"]) as airflow:
    run_id = airflow.rest.trigger("cognito_import", conf)
    state = airflow.rest.wait("cognito_import", run_id)
"""

from __future__ import annotations

import json
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from local_airflow.components import Workplace
from local_airflow.ports import PortLease
from local_airflow.postgres import Postgres
from local_airflow.processes import Processes, StackError
from local_airflow.readiness import Readiness, read_pools
from local_airflow.rest import AirflowRest
from local_airflow.settings import POOLS, ROOT, component_environment, stack_settings


@dataclass(kw_only=True)
class AirflowStack:
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
    pools: Path | str = POOLS
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

    def __post_init__(self) -> None:
        """Start nothing yet."""
        self._processes: Processes | None = None
        self._leases: list[PortLease] = []
        self._has_sigterm = False

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, whatever happened."""
        self.stop()

    def start(self) -> None:
        """Bring everything up; return when all components are healthy, the pools set and the expected DAGs known."""
        self._take_sigterm()
        try:
            self._bring_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process and delete what is temporary. May be called twice."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None
            self.rest.close()
        while self._leases:
            self._leases.pop().release()
        if self._has_sigterm and signal.getsignal(signal.SIGTERM) is _end:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._has_sigterm = False

    def _bring_up(self) -> None:
        port = self.port or self._lease()
        self.url = f"http://127.0.0.1:{port}"
        self.rest = AirflowRest(self.url, self.username, self.password)
        postgres = Postgres(durable=self.durable)
        temporary = [postgres.folder]
        if self.home is None:
            self.home = Path(tempfile.mkdtemp(prefix="airflow_"))
            temporary += [] if self.keep else [self.home]
        self._processes = processes = Processes(temporary)
        self.home = Path(self.home).resolve()
        self.logs = self.home / "logs" if self.logs is None else Path(self.logs).resolve()
        for folder in (self.logs / "components", self.home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)

        self._env = self._environment(postgres)
        self._readiness = ready = Readiness(processes, self.rest, self.ready_seconds)
        self.bring_up_seconds = ready.steps

        place = Workplace(self._env, self.home, self.logs)
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
        ready.wait_for_all(read_pools(Path(self.pools)), self.dag_ids)

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
        return component_environment(own, self.env)

    def _lease(self) -> int:
        self._leases.append(PortLease())
        return self._leases[-1].port

    def _take_sigterm(self) -> None:
        """Make SIGTERM end `with` blocks in order, unless somebody else handles it already."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _end)
            self._has_sigterm = True

    # --- working with it ---

    @property
    def processes(self) -> Processes:
        """The stack's processes; `StackError` when it is not running."""
        if self._processes is None:
            raise StackError("the stack is not running")
        return self._processes

    def environment(self) -> dict[str, str]:
        """Return the components' environment, to run `airflow` commands against this stack."""
        return dict(self._env)

    def stop_component(self, name: str, seconds: float = 15.0) -> None:
        """Stop a component in order (SIGINT); what is left of it and of its children after `seconds` is killed.

        The scheduler first waits for the tasks that it runs.
        """
        self.processes.stop(name, signal.SIGINT, seconds)

    def start_component(self, name: str) -> None:
        """Start a component again, as it was; returns at once."""
        self.processes.start(name)

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
        """Wait until a task waits for a person and can be answered; `StackError` if it does not in time.

        The process of a task that has begun to wait lives on for some seconds. Airflow takes an answer before the scheduler
        has seen its end for the death of the task.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            states = [instance["state"] for instance in self.rest.task_instances(dag_id, run_id, task_id)]
            if states == ["awaiting_input"] and self.task_pids(dag_id, run_id, task_id) == (None, None):
                time.sleep(2.0)  # the scheduler's loop
                return
            time.sleep(0.3)
        message = f"{task_id} does not wait for an answer after {seconds:g} s"
        raise StackError(message)

    def memory_mb(self) -> float:
        """Return the memory of all processes in MB; pages that several share count once where the system tells (as root)."""
        return self.processes.memory_mb()


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise SystemExit(128 + number)
