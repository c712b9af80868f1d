"""A Redis server's program on this machine; no Python package brings one."""

from __future__ import annotations

import os
import shutil
import subprocess

from sandbox.airflow.processes import StackError

INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends", "redis-server"]


def ensure_redis() -> None:
    """Ensure that `redis-server` can be started. Installs Debian's as root, and says so; else raises StackError."""
    if shutil.which("redis-server"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StackError("a cluster needs redis-server 6.2 or newer: install it, for instance with apt-get or brew")
    print("redis-server is not on this machine: installing it with apt-get.", flush=True)
    for command in (["apt-get", "update", "--quiet"], INSTALL):
        subprocess.run(command, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
