"""The owner's side of process control: start, signal, stop and list the processes of one stack."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from sandbox.waiting import WaitError, until

SUPERVISOR = Path(__file__).with_name("supervisor.py")


class StackError(RuntimeError):
    """The local Airflow could not be brought up, or a part of it is not there."""


@dataclass(frozen=True)
class Component:
    """How one component is run. `user` None means the owner's user.

    `end_signal`: None for a component that may be killed at the end, or the signal that it needs to clean up.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    user: str | None = None
    end_signal: int | None = None


class Processes:
    """All processes of one stack, held by a supervisor that outlives the owner just long enough to end them."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Start the supervisor. `folders` are deleted at the end, also when the owner is killed."""
        self._components: dict[str, Component] = {}
        self._main: dict[str, psutil.Process | None] = {}
        self._pids: dict[str, int] = {}
        self._sessions: set[int] = set()
        self._lock = threading.Lock()
        self._warden = subprocess.Popen(
            # -P: the folder of the supervisor is not on its import path, so no module here hides one of the same name.
            [sys.executable, "-P", str(SUPERVISOR), str(os.getpid()), *map(str, folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    # --- one component ---

    def start(self, name: str, component: Component | None = None) -> None:
        """Start a component; without `component` one that was started before, as it was."""
        if self.is_running(name):
            message = f"{name} is running already"
            raise StackError(message)
        component = component or self._components[name]
        answer = self._ask({"start": asdict(component)})
        if "pid" not in answer:
            message = f"{name} could not be started: {answer['error']}"
            raise StackError(message)
        self._components[name] = component
        self._pids[name] = answer["pid"]
        self._sessions.add(answer["pid"])
        try:
            self._main[name] = psutil.Process(answer["pid"])
        except psutil.NoSuchProcess:
            self._main[name] = None

    @property
    def names(self) -> list[str]:
        """The components started so far, whether they run or not."""
        return list(self._main)

    def forget(self, name: str) -> None:
        """Take a component that has ended off the list."""
        del self._main[name]

    def is_running(self, name: str) -> bool:
        """Return whether a component's main process runs."""
        main = self._main.get(name)
        return main is not None and main.is_running()

    def exit_code(self, name: str) -> int | None:
        """Return what a component's main process ended with: a signal's number below zero, None while it runs."""
        code: int | None = self._ask({"ask": self._pids[name]})["exit_code"]
        return code

    def log(self, name: str) -> Path:
        """Return the file that takes a component's output."""
        return self._components[name].log

    def tail(self, name: str, characters: int = 4000) -> str:
        """Return the end of a component's output."""
        return self.log(name).read_text(errors="replace")[-characters:]

    def raise_if_ended(self, awaited: str, names: Iterable[str]) -> None:
        """Raise StackError with a component's last words if one of `names` has ended while something is awaited."""
        for name in names:
            if not self.is_running(name):
                message = f"{name} has ended while waiting for {awaited}:\n{self.tail(name)}"
                raise StackError(message)

    def send(self, name: str, number: int) -> None:
        """Send a signal to a component's main process alone; `StackError` when it does not run."""
        main = self._main.get(name)
        if main is None or not main.is_running():
            message = f"{name} is not running"
            raise StackError(message)
        main.send_signal(number)

    def stop(self, name: str, number: int, seconds: float) -> None:
        """Ask a component to end, wait up to `seconds`, then kill what is left of it and of its children."""
        main = self._main[name]
        if main is None:
            return
        family = self.family(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            main.send_signal(number)
        with contextlib.suppress(WaitError):
            until(f"the end of {name}", lambda: not main.is_running(), seconds=seconds, every=0.05)
        while rest := [
            p for p in {*family, *self.members()} if p.is_running() and (p in family or _session(p) == main.pid)
        ]:
            for process in rest:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)

    def family(self, name: str) -> list[psutil.Process]:
        """List a running component's main process and its descendants."""
        main = self._main.get(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            return [] if main is None else [main, *main.children(recursive=True)]
        return []

    # --- all of them ---

    def members(self) -> list[psutil.Process]:
        """List every process of the stack, orphans included, the supervisor not."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._warden.pid).children(recursive=True)
        return []

    def matching(self, pattern: str) -> list[int]:
        """Return the ids of the processes whose command line or title contains the regular expression."""
        found = []
        for process in self.members():
            with contextlib.suppress(psutil.Error):
                if re.search(pattern, " ".join(process.cmdline())):
                    found.append(process.pid)
        return found

    def memory_mb(self) -> float:
        """Return the memory of all processes in MB; shared pages count once where the system says so (as root)."""
        total = 0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                try:
                    total += process.memory_full_info().pss
                except (psutil.AccessDenied, AttributeError):
                    total += process.memory_info().rss
        return total / 1e6

    def close(self) -> None:
        """End every process and delete the folders. Returns when nothing is left. May be called twice."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._stdin.write(b'{"end": true}\n')
            self._stdin.flush()
        self._warden.wait()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        if self._warden.returncode != 0:
            self._end_what_a_killed_supervisor_left()

    def _end_what_a_killed_supervisor_left(self) -> None:
        """Kill by session what lives on although the kernel has ended the components with their supervisor."""
        while rest := [process for process in psutil.process_iter() if _session(process) in self._sessions]:
            for process in rest:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.02)

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._warden.stdin is not None
        return self._warden.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._warden.stdout is not None
        return self._warden.stdout

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send the supervisor a command and return its answer."""
        with self._lock:
            try:
                self._stdin.write(json.dumps(command, default=str).encode() + b"\n")
                self._stdin.flush()
                line = self._stdout.readline()
            except (BrokenPipeError, ValueError):  # The latter after close().
                line = b""
        answer: dict[str, Any] = json.loads(line or b'{"error": "the supervisor has ended"}')
        return answer


def _session(process: psutil.Process) -> int | None:
    """Return the session id of a process, None when it is gone."""
    try:
        return os.getsid(process.pid)
    except OSError:
        return None
