"""Measure how considerate the pace is: what an import takes of a quota that live sign-ups need, too, and what that costs them.

Usage: python -m bench.pace [--seconds 60] [--enforcement bucket] [--live heavy] [--way steady] [--whole] [--output FILE]

Each cell runs one way of importing for some seconds beside live traffic, on local AWS over HTTP and at real time. `steady` and
`all` are the product's own workers, one in a thread for each slot; `adaptive` is the loop that people write, 20 threads with
botocore's adaptive retries. Cells run one after another, all of them unless options pick some; the rows of the others stay in
the output as they are. `--whole` measures whole imports of 5,000 users instead.

The figures are of the quota that is shortest, UserUpdate (25 a second, one group for each user). A probe calls
Cognito once a second for something that has no quota: what it takes, above the 100 ms that a call takes here, is the machine's.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product, repeat
from pathlib import Path
from typing import Final

from bench.loops import adaptive_threads
from bench.page import commit, machine, rows_of
from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.creation import Creation
from cognito_import.engine.pace import run_pace, slot_pacer
from cognito_import.engine.pacing import DEFAULT_QUOTAS, Category
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED
from cognito_import.run import pace
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.aws.process import LocalAws

LIVE: Final = {"none": (), "light": (3,), "heavy": (12,), "changing": (3, 12)}
"""Live calls a second in each category; those that change do so every PHASE_SECONDS."""
PHASE_SECONDS: Final = 20.0
ENFORCEMENTS: Final = ("bucket", "window")
READING: Final = (
    "`steady` and `all` are the product's workers, one in a thread for each slot; `adaptive` is 20 threads that share a client "
    "with botocore's adaptive retries. The quota is that of group memberships, 25 a second, enforced as a token bucket or by "
    "fixed seconds; the live calls draw from it, light 3 and heavy 12 a second, changing from one to the other every "
    f"{PHASE_SECONDS:g} s. What they leave is free. A call takes 100 ms here; "
    "what a probe's calls took beyond that is the machine's.\n\nWhat fixed seconds allow: 12 live calls at random moments "
    "beside 11 even ones exceed 25 in so many seconds that 2.7% of the calls are throttled, beside 10 even ones 1.8%. So no "
    "even pace uses 90% of what is free there and throttles less than 2.5% of the live calls."
)
WHOLE: Final = 5_000
QUOTA: Final = DEFAULT_QUOTAS[Category.USER_UPDATE]
MAX_RATE: Final = 30
"""Users a second, more than any way reaches: so many are at hand for each second of a cell."""
COLUMNS: Final = (
    "quota", "live traffic", "way", "users/s", "of the free quota", "throttles", "**live calls throttled**", "users failed",
    "a call takes, median and longest, ms", "commit",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One way of importing in one kind of traffic; a whole import of so many `users`, or some seconds of one."""

    enforcement: str
    live: str
    way: str
    users: int | None = None

    @property
    def key(self) -> str:
        """The cells that begin its row."""
        whole = f", {self.users:,} users from first to last" if self.users else ""
        return f"| {self.enforcement} | {self.live} | `{self.way}`{whole} |"


Import = Callable[[float], int]
"""Imports until a moment of time.monotonic(), and returns how many users failed."""


def _workers(resources: Resources, addresses: list[str], **settings: str) -> Import:
    """Prepare an import by the product's workers."""
    import boto3

    chosen = Settings.parse(resources.variable(**settings))
    request = {"data": addresses, "adminemail": resources.admin}
    folder = RunFolder(resources.s3, resources.bucket, "bench")
    batches = iter(ingest_request(request, chosen, resources.s3, folder).batches)
    pace.write(folder, run_pace(resources.cognito, chosen, Creation.categories))
    # As Airflow's tasks, each slot has clients of its own.
    session = boto3.session.Session()
    clients = [
        (session.client("cognito-idp", config=aws.COGNITO), session.client("s3", config=aws.S3))
        for _ in range(chosen.slots)
    ]

    def work(slot: int, until: float) -> None:
        time.sleep(chosen.pacing_seconds * slot / chosen.slots)  # they begin one after another, too
        cognito, s3 = clients[slot]
        for batch in batches:
            own = RunFolder(s3, resources.bucket, folder.run)
            run_batch(
                own, batch, UserPool(cognito, chosen, slot_pacer(chosen, own)), halted=lambda: time.monotonic() > until
            )

    def run(until: float) -> int:
        with ThreadPoolExecutor(chosen.slots) as threads:
            list(threads.map(work, range(chosen.slots), repeat(until)))
        return sum(outcome.status != SUCCEEDED for outcome in folder.progress().outcomes.values())

    return run


WAYS: Final[dict[str, Callable[[Resources, list[str]], Import]]] = {
    "steady": _workers,
    "all": partial(_workers, pace="all"),
    "adaptive": adaptive_threads,
}


class _Probe(threading.Thread):
    """Calls Cognito once a second for something that has no quota, and keeps what each call took, in ms."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        self._ground = resources
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(1.0):
            began = time.perf_counter()
            self._ground.cognito.describe_user_pool(UserPoolId=self._ground.user_pool_id)
            self.took.append((time.perf_counter() - began) * 1000)

    def end(self) -> tuple[float, float]:
        self._over.set()
        self.join()
        return statistics.median(self.took), max(self.took)


def measure(cloud: LocalAws, cell: Cell, seconds: float) -> str:
    """Run one cell, for `seconds` unless it is a whole import, and return its row."""
    with Resources() as resources, ThreadPoolExecutor(1) as thread:
        mark = secrets.token_hex(3)
        count = cell.users or int(seconds * MAX_RATE)
        run = WAYS[cell.way](resources, [f"user{number:06}-{mark}@example.com" for number in range(count)])
        cloud.quotas(cell.enforcement)
        cloud.traffic(*LIVE[cell.live], seconds=PHASE_SECONDS)
        cloud.reset()
        probe = _Probe(resources)
        probe.start()
        began = time.monotonic()
        importing = thread.submit(run, math.inf if cell.users else began + seconds)
        wait([importing], None if cell.users else seconds)
        stats, watched = cloud.stats(), time.monotonic() - began
        took = probe.end()
        failed = importing.result()
        cloud.traffic()
    ours = stats["categories"][Category.USER_UPDATE]
    live = stats["live"].get(Category.USER_UPDATE, {"served": 0, "throttled": 0})
    asked = live["served"] + live["throttled"]
    rate = (ours["calls"] - sum(ours["errors"].values())) / (ours["last"] - ours["first"])
    cells = (
        f"{rate:.1f}",
        f"{rate / (QUOTA - asked / watched):.0%}",
        sum(category["throttles"] for category in stats["categories"].values()),
        f"**{live['throttled'] / max(asked, 1):.1%}**",
        failed,
        f"{took[0]:.0f}, {took[1]:.0f}",
        commit(),
    )
    return f"{cell.key} " + " | ".join(map(str, cells)) + " |"


def page(rows: dict[str, str], missing: list[str], seconds: float) -> str:
    """Return the page with those rows, and what is missing."""
    title = f"# Pace beside live traffic, measured until {datetime.now(UTC):%Y-%m-%d}"
    how = f"`python -m bench.pace` (part of `make bench`), {machine()}; {seconds:g} s for each row. {READING}"
    head = ["| " + " | ".join(COLUMNS) + " |", "| --- | --- | --- |" + " ---: |" * (len(COLUMNS) - 3)]
    end = ["", "Not measured yet:", "", *(f"- {key.strip('| ')}" for key in missing)] if missing else []
    return "\n".join([title, "", how, "", *head, *rows.values(), *end]) + "\n"


def main() -> None:
    """Measure the cells that the options pick, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enforcement", nargs="+", choices=ENFORCEMENTS, default=ENFORCEMENTS)
    parser.add_argument("--live", nargs="+", choices=LIVE, default=list(LIVE))
    parser.add_argument("--way", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of each cell")
    parser.add_argument(
        "--whole", action="store_const", const=WHOLE, help="measure whole imports of 5,000 users instead"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS-PACE.md"))
    options = parser.parse_args()
    cells = [Cell(*names, options.whole) for names in product(options.enforcement, options.live, options.way)]
    table = [Cell(*names) for names in product(ENFORCEMENTS, LIVE, WAYS)]
    every = [*table, *(Cell(cell.enforcement, cell.live, cell.way, WHOLE) for cell in table)]
    rows = rows_of(options.output, [cell.key for cell in every])
    with LocalAws(latency=0.1) as cloud:
        os.environ.update(cloud.environment())
        for cell in cells:
            rows[cell.key] = measure(cloud, cell, options.seconds)
            print(rows[cell.key], flush=True)
            ordered = {cell.key: rows[cell.key] for cell in every if cell.key in rows}
            missing = [cell.key for cell in table if cell.key not in rows]
            options.output.write_text(page(ordered, missing, options.seconds))


if __name__ == "__main__":
    main()
