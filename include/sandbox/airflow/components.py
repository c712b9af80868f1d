"""The command of each component of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.airflow.processes import Component


@dataclass(frozen=True)
class Workplace:
    """What all components of one stack share."""

    env: Mapping[str, str]
    home: Path
    logs: Path
    python: str
    """The interpreter of the virtual environment with Airflow."""

    def log(self, name: str) -> Path:
        """Return the file that takes a component's output."""
        return self.logs / "components" / f"{name}.log"

    def migration(self) -> Component:
        """Create Airflow's tables; ends by itself."""
        return self._airflow("migrate", "db", "migrate")

    def api_server(self, port: int) -> Component:
        """Serve the UI and both APIs. Does not look for the tables at its start, so that it can start before they are there."""
        unchecked = {"AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False"}
        return self._airflow("api-server", "api-server", "--host", "127.0.0.1", "--port", str(port), env=unchecked)

    def scheduler(self) -> Component:
        """Schedule and run the tasks."""
        # All logs are in one folder, so no component serves its own on another port.
        return self._airflow("scheduler", "scheduler", "--skip-serve-logs")

    def dag_processor(self) -> Component:
        """Parse the DAG files."""
        return self._airflow("dag-processor", "dag-processor")

    def triggerer(self) -> Component:
        """Wait for deferred tasks."""
        return self._airflow("triggerer", "triggerer", "--skip-serve-logs")

    def _airflow(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Component:
        argv = [self.python, "-m", "airflow", *command]
        return Component(argv=argv, env={**self.env, **(env or {})}, cwd=self.home, log=self.log(name))
