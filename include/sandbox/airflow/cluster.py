"""The deployment of docker-compose.yaml on this machine, without Docker: its processes and health checks as the file has them.

with Cluster(workers=2) as cluster:
    run_id = cluster.rest.trigger("cognito_import", conf)
    cluster.kill_component("airflow-worker-1")

Each container is a process with a folder, a host name and free ports of its own; volumes are shared folders. Restart policies
are followed when asked for: what ends stays away until `start_component` or `restart_ended`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import httpx

from sandbox.airflow import compose
from sandbox.airflow.containers import PORTS, Container, Site
from sandbox.airflow.deployment import Deployment
from sandbox.airflow.ports import PortLease
from sandbox.airflow.postgres import Postgres
from sandbox.airflow.processes import StackError
from sandbox.airflow.redis import ensure_redis
from sandbox.airflow.rest import AirflowRest
from sandbox.airflow.settings import ROOT
from sandbox.waiting import until

WORKER = "airflow-worker"


class Cluster(Deployment):
    """The services of the file with some profiles, and `workers` containers of its worker. A context manager."""

    def __init__(
        self,
        *,
        workers: int = 2,
        variables: Mapping[str, str] | None = None,
        profiles: Sequence[str] = ("local",),
        dag_ids: Sequence[str] = ("cognito_import",),
        ready_seconds: float = 300.0,
    ) -> None:
        """`variables` are those of the file's interpolation; `dag_ids` must be known before `start()` returns."""
        self._workers, self._dag_ids, self._ready_seconds = workers, dag_ids, ready_seconds
        self.services = compose.read(ROOT / "docker-compose.yaml", variables or {}, profiles)
        self.containers: dict[str, Container] = {}
        self.seconds_to_health: dict[str, float] = {}
        """How long after the beginning each container was healthy, or had done its work."""

    # --- from start to stop ---

    def _bring_up(self, steps: ExitStack) -> None:
        """Start the containers in the file's order, each when what it waits for is there; return when all are healthy."""
        ensure_redis()
        self._began = time.monotonic()
        ports = {port: steps.enter_context(closing(PortLease())).port for port in PORTS}
        self._postgres = Postgres(port=ports[5432])
        folder = Path(tempfile.mkdtemp(prefix="airflow_cluster_"))
        self._hold(steps, [folder, self._postgres.folder])
        (folder / "logs").mkdir()
        names = tuple(name for service in self.services.values() for name in (service.name, *service.aliases))
        self.site = Site(folder, ports, names, (self._postgres.programs,))
        self.url = f"http://127.0.0.1:{ports[8080]}"
        for service in self.services.values():
            for other, condition in service.depends_on.items():
                self._wait(other, condition)
            for name in self._instances(service):
                self._start_container(name, service)
        for name, container in self.containers.items():
            self._wait(container.service.name, compose.STARTED if container.service.healthcheck else compose.COMPLETED)
            if container.service.healthcheck:
                self.wait_healthy(name)
        passwords = json.loads(self.secret("ui_passwords"))
        self.rest = AirflowRest(self.url, *next(iter(passwords.items())))
        steps.callback(self.rest.close)
        for dag_id in self._dag_ids:
            self._until(f"the DAG {dag_id}", lambda dag_id=dag_id: self.rest.has_dag(dag_id))  # type: ignore[misc]

    def _instances(self, service: compose.Service) -> list[str]:
        if service.name != WORKER:
            return [service.name]
        return [f"{WORKER}-{number}" for number in range(1, self._workers + 1)]

    def _start_container(self, name: str, service: compose.Service) -> None:
        container = self.containers[name] = Container(self.site, service, name)
        if service.image.startswith("postgres:"):
            self._start_postgres(container)
        else:
            self.processes.start(name, container.component())

    def _start_postgres(self, container: Container) -> None:
        """What the image's entrypoint does: make the user and the database, then the server with the file's options."""
        environment = container.environment()
        self._postgres.start(
            self.processes,
            self.site.folder / "logs" / "postgres.log",
            account=environment["POSTGRES_USER"],
            password=Path(environment["POSTGRES_PASSWORD_FILE"]).read_text().strip(),
            options=container.argv()[1:],
        )
        self._postgres.create_database(environment["POSTGRES_DB"])

    # --- waiting ---

    def _wait(self, service: str, condition: str) -> None:
        for name in self._instances(self.services[service]):
            if condition == compose.HEALTHY:
                self.wait_healthy(name)
            elif condition == compose.COMPLETED and name in self.processes.names:
                self._until(f"the end of {name}", lambda name=name: not self.processes.is_running(name), may_end=name)  # type: ignore[misc]
                if self.processes.exit_code(name) != 0:
                    message = f"{name} failed:\n{self.processes.tail(name)}"
                    raise StackError(message)
                self.seconds_to_health[name] = time.monotonic() - self._began
                self.processes.forget(name)

    def wait_healthy(self, name: str) -> None:
        """Wait until the container's health check passes. Raises StackError if it has ended, WaitError when the time is up."""
        self._until(f"the health of {name}", lambda: self.is_healthy(name))
        self.seconds_to_health.setdefault(name, time.monotonic() - self._began)

    def is_healthy(self, name: str) -> bool:
        """Run a container's health check once, within the file's timeout."""
        container = self.containers[name]
        assert container.service.healthcheck is not None
        try:
            done = subprocess.run(
                container.health_check(),
                env=container.environment(),
                cwd=container.root,
                capture_output=True,
                timeout=container.service.healthcheck.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _until(self, what: str, condition: Callable[[], bool], may_end: str | None = None) -> None:
        def holds() -> bool:
            with contextlib.suppress(httpx.TransportError):
                if condition():
                    return True
            self.processes.raise_if_ended(what, [name for name in self.lasting() if name != may_end])
            return False

        until(what, holds, seconds=self._ready_seconds, every=0.2)

    # --- working with it ---

    def secret(self, name: str) -> str:
        """Return one of the deployment's secrets."""
        return (self.site.volume("secrets") / name).read_text().strip()

    def log(self, name: str) -> str:
        """Return what a container has written."""
        return (self.site.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def kill_component(self, name: str) -> None:
        """End a container and all that it has started at once, as a machine that loses its power."""
        self.send_away(name, signal.SIGKILL, 0)

    def stop_component(self, name: str, seconds: float) -> None:
        """Ask a container to end as `docker compose stop` does, see `send_away`."""
        self.send_away(name, signal.SIGTERM, seconds)

    def lasting(self) -> list[str]:
        """Return the containers that should run now: those with a health check."""
        return [name for name in super().lasting() if self.containers[name].service.healthcheck]

    def repeat(self, name: str) -> None:
        """Run a container that ends by itself once more; StackError when it fails."""
        self.processes.start(name)
        self._wait(name, compose.COMPLETED)
