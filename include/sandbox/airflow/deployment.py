"""What a stack and a cluster have in common: components that can be sent away, and started again where they end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from sandbox.airflow.processes import Processes, StackError
from sandbox.assembly import Assembly


class Deployment(Assembly):
    """The processes of one Airflow."""

    _processes: Processes | None = None
    _sent_away: frozenset[str] = frozenset()

    def _hold(self, steps: ExitStack, folders: Iterable[Path]) -> Processes:
        """Return the holder of all processes, which at the end ends them and deletes the folders."""
        processes = self._processes = Processes(folders)
        steps.callback(self._release)
        return processes

    def _release(self) -> None:
        self.processes.close()
        self._processes = None

    @property
    def processes(self) -> Processes:
        """The processes; `StackError` when the deployment is not running."""
        if self._processes is None:
            raise StackError("the stack is not running")
        return self._processes

    def send_away(self, name: str, number: int, seconds: float) -> None:
        """End a component, and leave it away until it is started again.

        It gets the signal `number`; what is left of it and of its children after `seconds` is killed.
        """
        self._sent_away |= {name}
        self.processes.stop(name, number, seconds)

    def start_component(self, name: str) -> None:
        """Start a component again, as it was; returns at once."""
        self.processes.start(name)
        self._sent_away -= {name}

    def restart_ended(self) -> list[str]:
        """Start the components that have ended by themselves, as a supervisor does, and return their names."""
        ended = [name for name in self.lasting() if not self.processes.is_running(name)]
        for name in ended:
            self.processes.start(name)
        return ended

    def lasting(self) -> list[str]:
        """Return the names of the components that should run now."""
        return [name for name in self.processes.names if name not in self._sent_away]

    def memory_mb(self) -> float:
        """Return the memory of all processes in MB; shared pages count once where the system says so (as root)."""
        return self.processes.memory_mb()
