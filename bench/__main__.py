"""Measure an import of 1,000 users on real Airflow, and beside it the two loops that people write instead.

A small import goes first: what is measured is an Airflow that has run for a while, not the first tasks after its start.

Usage: python -m bench [--users 1000] [--output bench/RESULTS.md]
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.loops import one_after_another, twenty_threads
from bench.page import commit, machine
from cognito_import.engine.pacing import Category
from demo.resources import GROUP
from demo.sandbox import DAG, Sandbox

SLOTS, PACING = 20, 1.0
FIRST = 100
"""Users of the import that goes first."""
COLUMNS = (
    "way", "users/s, first to last call", "of slots / pacing", "users/s, trigger to mail", "peak creations/s",
    "peak memberships/s", "throttles", "calls per user", "users without user or group", "memory, MB",
)  # fmt: skip


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--traffic", type=float, default=12, help="calls a second of live traffic in each category")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    arguments = parser.parse_args()
    rows = []
    with Sandbox() as sandbox:
        _by_airflow(sandbox, [f"first{number:03}@example.com" for number in range(FIRST)])
        for live in ((), (arguments.traffic,)):
            suffix = "".join(f", {rate:g} live calls a second" for rate in live)
            rows += [
                _measure(sandbox, f"Airflow, `mapped`{suffix}", live, arguments.users, _by_airflow),
                _measure(sandbox, f"20 threads without pace{suffix}", live, arguments.users, twenty_threads),
            ]
        rows.append(_measure(sandbox, "one after another", (), arguments.users, one_after_another))
    table = _table(arguments.users, rows)
    print(table)
    arguments.output.write_text(table)


class _Memory(threading.Thread):
    """Watches the most memory that the stage's Airflow takes, in MB."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._sandbox = sandbox
        self._over = threading.Event()

    def run(self) -> None:
        # Not more often: adding up the memory of fifty processes takes the processor from what is measured.
        while not self._over.wait(5.0):
            self.most = max(self.most, self._sandbox.airflow.memory_mb())

    def end(self) -> float:
        self._over.set()
        self.join()
        return self.most


def _measure(
    sandbox: Sandbox, way: str, live: tuple[float, ...], users: int, run: Callable[..., float | None]
) -> dict[str, Any]:
    assert sandbox.aws is not None
    mark = os.urandom(3).hex()
    addresses = [f"user{number:06}-{mark}@example.com" for number in range(users)]
    sandbox.aws.traffic(*live)
    sandbox.aws.reset()
    memory = _Memory(sandbox)
    memory.start()
    started = time.time()
    ended = run(sandbox, addresses) if run is _by_airflow else run(sandbox.resources, addresses)
    most = memory.end()
    categories = sandbox.aws.stats()["categories"]
    creation, membership = (categories[str(name)] for name in (Category.USER_CREATION, Category.USER_UPDATE))
    sandbox.aws.traffic()
    pool = sandbox.resources.users()
    lost = sum(address not in pool or GROUP not in pool[address].groups for address in addresses)
    rate = users / (max(creation["last"], membership["last"]) - creation["first"])
    row = {
        "way": way,
        "users/s, first to last call": f"{rate:.1f}",
        "of slots / pacing": f"{rate / (SLOTS / PACING):.2f}",
        "users/s, trigger to mail": f"{users / ((ended or time.time()) - started):.1f}",
        "peak creations/s": creation["peak"],
        "peak memberships/s": membership["peak"],
        "throttles": creation["throttles"] + membership["throttles"],
        "calls per user": f"{(creation['calls'] + membership['calls']) / users:.2f}",
        "users without user or group": lost,
        "memory, MB": f"{most:.0f}" if run is _by_airflow else "-",
    }
    print(row, flush=True)
    return row


def _by_airflow(sandbox: Sandbox, addresses: list[str]) -> float:
    """Import by the DAG; gives the moment of the mail."""
    rest = sandbox.airflow.rest
    resources, key = sandbox.resources, "bench/users.csv"
    resources.s3.put_object(Bucket=resources.bucket, Key=key, Body="\n".join(["useremail", *addresses]).encode())
    run_id = rest.trigger(DAG, {"source": f"s3://{resources.bucket}/{key}", "adminemail": resources.admin})
    state = rest.wait(DAG, run_id, seconds=3600)
    if state != "success":
        print(f"The run is {state}.")
    (report,) = rest.task_instances(DAG, run_id, "report")
    return datetime.fromisoformat(report["end_date"]).timestamp()


def _table(users: int, rows: list[dict[str, Any]]) -> str:
    where = (
        f"`python -m bench --users {users}` (`make bench` with 1,000), at commit {commit()}, "
        f"{machine()}; local AWS with 100 ms a call and Cognito's default quotas (50 creations and 25 "
        f"memberships a second); {SLOTS} slots, {PACING:g} s. An import of {FIRST} users went before."
    )
    title = f"# {users:,} users, measured {datetime.now(UTC):%Y-%m-%d}"
    head = "| " + " | ".join(COLUMNS) + " |"
    rule = "| --- " + "| ---: " * (len(COLUMNS) - 1) + "|"
    lines = [title, "", where, "", head, rule]
    lines += ["| " + " | ".join(str(row[column]) for column in COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
