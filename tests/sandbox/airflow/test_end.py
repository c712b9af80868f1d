"""Nothing of a stack is left, however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.airflow.ports import PortLease
from sandbox.airflow.processes import Component, Processes, StackError
from sandbox.airflow.stack import AirflowStack
from sandbox.waiting import until

INCLUDE = Path(__file__).resolve().parents[3] / "include"

# An owner of a stack that starts it, and ends it as the test tells it to.
OWNER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
sys.path.insert(0, {include!r})
from sandbox.airflow.stack import AirflowStack
from sandbox.waiting import until
with AirflowStack(dags_folder={folder!r}, plugins_folder={folder!r}, logs={logs!r}, ready_seconds=300):
    print("ready", flush=True)
    sys.stdin.read()
"""

# A component with a child and, in a session of its own, an orphan; both ignore what may be ignored.
STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        with open(sys.argv[1] + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(file.name, sys.argv[1])
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that owns a stack, far enough to run LocalExecutor's workers."""
    folder = tmp_path / "dags"
    folder.mkdir()
    script = OWNER.format(include=str(INCLUDE), folder=str(folder), logs=str(tmp_path / "logs"))
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def below(pid: int) -> list[psutil.Process]:
    """Return all processes that a process has started, directly or not."""
    return psutil.Process(pid).children(recursive=True)


def title(process: psutil.Process) -> str:
    """Return the command line of a process, or what it has made of it; nothing once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def folders_of(processes: list[psutil.Process]) -> set[Path]:
    """Return the temporary folders that a stack's supervisor was given."""
    (supervisor,) = [p for p in processes if "supervisor.py" in title(p)]
    return {Path(part) for part in supervisor.cmdline()[-2:]}


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("number", "last"),
    [
        pytest.param(signal.SIGKILL, "LocalExecutor", id="killed"),
        pytest.param(signal.SIGTERM, "api-server", id="terminated"),
        pytest.param(signal.SIGINT, "api-server", id="interrupted"),
    ],
)
def test_nothing_survives_the_owner(owner: subprocess.Popen[bytes], number: signal.Signals, last: str) -> None:
    """Whatever ends the owner, and as soon as the `last` process runs, nothing is left: process, port or folder."""
    until(last, lambda: [title(p) for p in below(owner.pid)], lambda seen: last in " ".join(seen), seconds=240)
    processes = below(owner.pid)
    folders = folders_of(processes)
    (server,) = [p for p in processes if re.search(r"api_server|api-server", title(p))]
    port = int(re.search(r"port[: ](\d+)", title(server)).group(1))  # type: ignore[union-attr]
    assert all(folder.exists() for folder in folders)
    owner.send_signal(number)
    psutil.wait_procs(processes, timeout=60)
    assert [p for p in processes if p.is_running()] == []
    assert [folder for folder in folders if folder.exists()] == []
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_a_failed_bring_up_leaves_nothing(tmp_path: Path) -> None:
    """When a component does not start, everything else ends again, and the error tells the component's own words."""
    wrong = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://127.0.0.1:1/nowhere"}
    stack = AirflowStack(dags_folder=tmp_path, plugins_folder=tmp_path, env=wrong)
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with pytest.raises(StackError, match="Connection refused"):
        stack.start()
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before
    assert not Path(str(stack.home)).exists()


def stubborn(tmp_path: Path) -> Component:
    """Return a component whose orphan writes its process id into the file `started`."""
    return Component(
        argv=[sys.executable, "-c", STUBBORN, str(tmp_path / "started")],
        env=dict(os.environ),
        cwd=tmp_path,
        log=tmp_path / "log",
    )


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """A supervisor without Airflow, with one component that has a child and an orphan."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    processes = Processes([folder])
    processes.start("stubborn", stubborn(tmp_path))
    until("the orphan", (tmp_path / "started").exists, every=0.05)
    yield processes
    processes.close()


def test_an_orphan_in_a_session_of_its_own_is_ended_too(processes: Processes, tmp_path: Path) -> None:
    """What left its parent and its session is still found, because the supervisor inherits it."""
    orphan = psutil.Process(int((tmp_path / "started").read_text()))
    assert orphan in processes.members()
    processes.close()
    assert not orphan.is_running()
    assert not (tmp_path / "temporary").exists()


def test_a_component_that_ignores_the_signal_is_killed(processes: Processes) -> None:
    """Stopping ends a component whatever it does about the signal."""
    processes.stop("stubborn", signal.SIGINT, seconds=0.2)
    assert not processes.is_running("stubborn")


def test_components_end_with_a_killed_supervisor(processes: Processes) -> None:
    """The kernel ends the components when their supervisor is killed."""
    (main, *_) = processes.family("stubborn")
    main.parent().kill()  # type: ignore[union-attr]
    processes.close()
    assert not main.is_running()
    with pytest.raises(StackError, match="the supervisor has ended"):
        processes.start("stubborn")


def test_a_program_that_does_not_exist_is_an_error(processes: Processes, tmp_path: Path) -> None:
    """A component that cannot be started says why, and the supervisor goes on."""
    nowhere = Component(argv=[str(tmp_path / "nowhere")], env={}, cwd=tmp_path, log=tmp_path / "log")
    with pytest.raises(StackError, match="FileNotFoundError"):
        processes.start("nowhere", nowhere)
    assert processes.is_running("stubborn")


def test_a_leased_port_is_for_its_server_alone() -> None:
    """A server that reuses addresses can listen on a leased port; another lease never gets it."""
    leases = [PortLease() for _ in range(50)]
    assert len({lease.port for lease in leases}) == 50
    with socket.create_server(("127.0.0.1", leases[0].port)) as server:
        socket.create_connection(server.getsockname()).close()
    for lease in leases:
        lease.close()
