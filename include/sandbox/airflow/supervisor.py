"""The process that holds all others: started by the owner of a stack, it ends with everything that it holds.

The owner may be killed at any moment, and Airflow's processes do not all end with their parents (LocalExecutor's workers
outlive a killed scheduler). So the components are children of this process, which on Linux also inherits every orphan below
it: whatever a stack started is a descendant of its supervisor. When the owner is gone, or says so, the supervisor kills them all,
deletes the stack's folders and ends.

Run as `python supervisor.py OWNER_PID FOLDER...`. A command is one JSON line on standard input, and so is its answer on standard
output; the end of standard input is the end of all too:

    {"start": {"argv": [...], "env": {...}, "cwd": "...", "log": "...", "user": null, "end_signal": null}}
    {"pid": 4711}   or   {"error": "..."}

    {"ask": 4711}
    {"exit_code": 0}   or   {"exit_code": null} while it runs

    {"end": true}

It runs by its path and imports nothing of this package, so it does not depend on the owner's import path.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
SECONDS_FOR_A_GENTLE_END = 5.0


class Supervisor:
    """Holds the components of one stack."""

    def __init__(self, owner: int) -> None:
        """`owner` is the process id of the stack's owner, our parent."""
        self.owner = owner
        self.running: list[subprocess.Popen[bytes]] = []
        self.end_signals: dict[int, int] = {}
        self.exit_codes: dict[int, int] = {}

    def owner_is_gone(self) -> bool:
        """Return whether our parent has died: then somebody else has become our parent."""
        return os.getppid() != self.owner

    def start(self, command: dict[str, Any]) -> int:
        """Start one component in a session of its own, output appended to its log; return its process id."""
        user = command["user"]
        with Path(command["log"]).open("ab") as output:
            child = subprocess.Popen(
                command["argv"],
                env=command["env"],
                cwd=command["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                extra_groups=None if user is None else [],
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
            )
        self.running.append(child)  # A Popen that is dropped complains about its running child.
        if command["end_signal"] is not None:
            self.end_signals[child.pid] = command["end_signal"]
        return child.pid

    def members(self) -> list[psutil.Process]:
        """List every process that descends from this one, also those that have ended and that `reap()` has yet to collect."""
        found = {process.pid: process for process in psutil.Process().children(recursive=True)}
        if LIBC is None:  # No adoption of orphans: they are known by their session.
            sessions = {child.pid for child in self.running}
            for process in psutil.process_iter():
                with contextlib.suppress(OSError):
                    if os.getsid(process.pid) in sessions and not _is_zombie(process):
                        found[process.pid] = process
        return list(found.values())

    def reap(self) -> None:
        """Collect every child that has ended, so that its process id disappears."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self.exit_codes[ended[0]] = os.waitstatus_to_exitcode(ended[1])

    def finish(self) -> None:
        """End every member: first those that may be killed, then gently the ones with an `end_signal` of their own."""
        while rest := [process for process in self.members() if not self._is_gentle(process)]:
            _signal_all(rest, signal.SIGKILL)
            self.reap()
            time.sleep(0.02)
        for process in self.members():
            if process.pid in self.end_signals:
                _signal_all([process], self.end_signals[process.pid])
        deadline = time.monotonic() + SECONDS_FOR_A_GENTLE_END
        while rest := self.members():
            if time.monotonic() > deadline:
                _signal_all(rest, signal.SIGKILL)
            self.reap()
            time.sleep(0.02)

    def _is_gentle(self, process: psutil.Process) -> bool:
        """Return whether a process is a component with an `end_signal`, or a child of one."""
        with contextlib.suppress(psutil.Error):
            return process.pid in self.end_signals or process.ppid() in self.end_signals
        return False


def _end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent, the supervisor, is killed."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _is_zombie(process: psutil.Process) -> bool:
    """Return whether a process has ended and waits for somebody else to collect it."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _signal_all(processes: list[psutil.Process], number: int) -> None:
    """Send a signal to each process that still runs."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def serve(supervisor: Supervisor) -> None:
    """Answer commands until the owner asks for the end, is gone, or has closed our input."""
    wake_up, written_by_signals = os.pipe()
    os.set_blocking(wake_up, False)
    os.set_blocking(written_by_signals, False)
    signal.set_wakeup_fd(written_by_signals, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    told_to_end = []
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pending = b""
    while not told_to_end and not supervisor.owner_is_gone():
        ready, _, _ = select.select([0, wake_up], [], [], 0.5)
        if wake_up in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_up, 4096)
            supervisor.reap()
        if 0 in ready:
            received = os.read(0, 65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for command in map(json.loads, lines):
                if "end" in command:
                    return
                answer(supervisor, command)


def answer(supervisor: Supervisor, command: dict[str, Any]) -> None:
    """Carry out a command and answer it."""
    result: dict[str, Any]
    try:
        if "ask" in command:
            result = {"exit_code": supervisor.exit_codes.get(command["ask"])}
        else:
            result = {"pid": supervisor.start(command["start"])}
    except (OSError, subprocess.SubprocessError) as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(result).encode() + b"\n")


def main() -> None:
    """Hold the components of one stack until its end."""
    owner, *folders = sys.argv[1:]
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    supervisor = Supervisor(int(owner))
    try:
        serve(supervisor)
    finally:
        supervisor.finish()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
