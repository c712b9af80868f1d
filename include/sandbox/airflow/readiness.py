"""When a stack can be used: every component healthy, the pools there, and the expected DAGs known."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from sandbox.airflow.processes import Processes, StackError
from sandbox.airflow.rest import AirflowRest
from sandbox.waiting import until

# The components that Airflow's health check knows, by the name that it gives them.
HEALTH_OF = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}

# How long an expected DAG may be missing beside a DAG file that cannot be imported, before that file is blamed.
SECONDS_FOR_BROKEN_FILES = 10.0


class Readiness:
    """Waits for one stack, and fails as soon as it can no longer become ready."""

    def __init__(self, processes: Processes, rest: AirflowRest, seconds: float) -> None:
        """`seconds` from now for everything together; `steps` takes each step's end in seconds from now."""
        self.steps: dict[str, float] = {}
        self._processes, self._rest = processes, rest
        self._began = time.monotonic()
        self._seconds = seconds

    def note(self, step: str) -> None:
        """Note that a step has ended."""
        self.steps[step] = round(time.monotonic() - self._began, 2)

    def wait_for(self, what: str, condition: Callable[[], bool], *, may_end: str | None = None) -> None:
        """Wait until a condition holds. Raises WaitError when the time is up, StackError if one but `may_end` has ended."""

        def holds() -> bool:
            self._processes.raise_if_ended(what, [name for name in self._processes.names if name != may_end])
            return condition()

        until(what, holds, seconds=self._began + self._seconds - time.monotonic())
        self.note(what)

    def wait_for_migration(self) -> None:
        """Wait until the tables are there. `StackError` with the command's output when it failed."""
        self.wait_for("tables", lambda: not self._processes.is_running("migrate"), may_end="migrate")
        if self._processes.exit_code("migrate") != 0:
            message = f"Airflow's tables could not be created:\n{self._processes.tail('migrate')}"
            raise StackError(message)
        self._processes.forget("migrate")

    def wait_for_all(self, pools: Mapping[str, Mapping[str, Any]], dag_ids: Sequence[str]) -> None:
        """Wait for the API server, set the pools, then wait for all other components and the DAGs."""
        self.wait_for("api-server", lambda: self.health().get("metadatabase") == "healthy")
        warm_up = threading.Thread(target=self._warm_up, daemon=True)
        warm_up.start()
        for name, pool in pools.items():
            self._rest.set_pool(name, **pool)
        for name in self._processes.names:
            if name in HEALTH_OF:
                self.wait_for(name, lambda part=HEALTH_OF[name]: self.health().get(part) == "healthy")  # type: ignore[misc]
        self.wait_for("warm-up", lambda: not warm_up.is_alive())
        for dag_id in dag_ids:
            self._wait_for_dag(dag_id)
        self.note("ready")

    def health(self) -> dict[str, str | None]:
        """Return each component's status, nothing while the API server does not answer."""
        try:
            return self._rest.health()
        except httpx.TransportError:
            return {}

    def _warm_up(self) -> None:
        """Ask what tasks ask: the API server builds that side at its first request, and until then answers nobody else."""
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{self._rest.url}/execution/health/ping", timeout=self._seconds, trust_env=False)

    def _wait_for_dag(self, dag_id: str) -> None:
        """Wait until a DAG is known; `StackError` when it seems to stand in a file that cannot be imported."""
        broken_since: float | None = None

        def is_known() -> bool:
            nonlocal broken_since
            if self._rest.has_dag(dag_id):
                return True
            errors = self._rest.import_errors()
            broken_since = (broken_since or time.monotonic()) if errors else None
            if broken_since is not None and time.monotonic() - broken_since > SECONDS_FOR_BROKEN_FILES:
                raise StackError(
                    f"the DAG {dag_id} is unknown, and these files cannot be imported:\n" + "\n".join(errors.values())
                )
            return False

        self.wait_for(f"dag {dag_id}", is_known)


def read_pools(path: Path) -> dict[str, dict[str, Any]]:
    """Read a file as `airflow pools import` takes it: slots, description and include_deferred by the pool's name."""
    pools: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return pools
