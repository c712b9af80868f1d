"""Measure imports on the deployment of docker-compose.yaml, run natively, with one worker and with two.

Usage: python -m bench.cluster [--users 1000] [--output bench/RESULTS-CLUSTER.md]
"""

from __future__ import annotations

import argparse
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.page import commit, machine
from cognito_import.engine.pacing import Category
from demo.resources import GROUP, Resources
from demo.sandbox import DAG
from sandbox.airflow.cluster import Cluster
from sandbox.aws.process import LocalAws

SLOTS, PACING = 20, 1.0
COLUMNS = (
    "workers", "users/s, first to last call", "of slots / pacing", "users/s, trigger to mail", "trigger to first call, s",
    "throttles", "users without user or group", "memory idle, MB", "memory at most, MB",
)  # fmt: skip


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS-CLUSTER.md"))
    arguments = parser.parse_args()
    rows = []
    for workers in (1, 2):
        with Cluster(workers=workers) as cluster:
            rows.append(_measure(cluster, workers, arguments.users))
            print(rows[-1], flush=True)
    table = _table(arguments.users, rows)
    print(table)
    arguments.output.write_text(table)


class _Memory(threading.Thread):
    """Watches the most memory that the deployment takes, in MB."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._cluster = cluster
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(2.0):
            self.most = max(self.most, self._cluster.memory_mb())

    def end(self) -> float:
        self._over.set()
        self.join()
        return self.most


def _measure(cluster: Cluster, workers: int, users: int) -> dict[str, Any]:
    aws = LocalAws()
    aws.endpoint_url = f"http://127.0.0.1:{cluster.site.ports[4566]}"
    os.environ.update(aws.environment())
    resources = Resources(mark="local")
    resources.find()
    mark = os.urandom(3).hex()
    addresses = [f"user{number:06}-{mark}@example.com" for number in range(users)]
    resources.s3.put_object(
        Bucket=resources.bucket, Key="bench.csv", Body="\n".join(["useremail", *addresses]).encode()
    )
    aws.reset()
    idle = cluster.memory_mb()
    memory = _Memory(cluster)
    memory.start()
    started = datetime.now(UTC).timestamp()
    run_id = cluster.rest.trigger(DAG, {"source": f"s3://{resources.bucket}/bench.csv", "adminemail": resources.admin})
    state = cluster.rest.wait(DAG, run_id, seconds=3600)
    if state != "success":
        print(f"The run is {state}.")
    (report,) = cluster.rest.task_instances(DAG, run_id, "report")
    ended = datetime.fromisoformat(report["end_date"]).timestamp()
    most = memory.end()
    categories = aws.stats()["categories"]
    creation, membership = (categories[str(name)] for name in (Category.USER_CREATION, Category.USER_UPDATE))
    pool = resources.users()
    rate = users / (max(creation["last"], membership["last"]) - creation["first"])
    return {
        "workers": workers,
        "users/s, first to last call": f"{rate:.1f}",
        "of slots / pacing": f"{rate / (SLOTS / PACING):.2f}",
        "users/s, trigger to mail": f"{users / (ended - started):.1f}",
        "trigger to first call, s": f"{creation['first'] - started:.1f}",
        "throttles": creation["throttles"] + membership["throttles"],
        "users without user or group": sum(a not in pool or GROUP not in pool[a].groups for a in addresses),
        "memory idle, MB": f"{idle:.0f}",
        "memory at most, MB": f"{most:.0f}",
    }


def _table(users: int, rows: list[dict[str, Any]]) -> str:
    where = (
        f"`python -m bench.cluster --users {users}` (`make bench-cluster` with 1,000), at commit {commit()}, {machine()}: the "
        "services of docker-compose.yaml with the profile `local`, run natively; local AWS with 100 ms a call and Cognito's "
        f"default quotas; {SLOTS} slots, {PACING:g} s. Memory is that of all services, local AWS and databases included."
    )
    head = "| " + " | ".join(COLUMNS) + " |"
    rule = "|" + " ---: |" * len(COLUMNS)
    lines = [f"# {users:,} users on a cluster, measured {datetime.now(UTC):%Y-%m-%d}", "", where, "", head, rule]
    lines += ["| " + " | ".join(str(row[column]) for column in COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
