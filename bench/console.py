"""What the page's server does for a run of 50,000 users: how long each request takes, and how often S3 is read.

python -m bench.console [USERS]    prints a table in Markdown
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cognito_import.console.views import RunView
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.run.checkpoints import Checkpoint, Work, add_step
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.aws.process import LocalAws

USERS, VIEWERS = 50_000, 20


class CountedS3:
    """A client of S3 that counts its calls."""

    def __init__(self, s3: Any) -> None:
        """Count from zero."""
        self._s3, self.calls = s3, 0

    def __getattr__(self, name: str) -> Any:
        """Return the client's own."""
        self.calls += 1
        return getattr(self._s3, name)


def main() -> None:
    """Store a run's outcomes as workers do, and ask for its pages as browsers do."""
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    with LocalAws(latency=0.0) as aws:
        os.environ.update(aws.environment())
        with Resources() as resources:
            s3: Any = CountedS3(resources.s3)
            folder = RunFolder(s3, resources.bucket, "run-1")
            _fill(folder, resources, users)
            print(f"\n{users:,} users, {len(folder.required_manifest().batches):,} batches\n")
            print("| request | seconds | of the processor | calls of S3 |\n| --- | --- | --- | --- |")
            for view in (
                RunView(folder, "running"),
                RunView(folder, "success", "2026-11-30T00:00:00+00:00", settled=True),
            ):
                _ask(folder, view, users)


def _ask(folder: RunFolder, view: RunView, users: int) -> None:
    for what, ask in (
        ("the run, first", lambda: view.details("en", addresses=True)),
        ("the run, again", lambda: view.details("en", addresses=True)),
        (f"{VIEWERS} viewers of the run at once", lambda: _all_look(view)),
        ("its users, first", lambda: view.outcomes("en", "", [], 0, 50)),
        ("search", lambda: view.outcomes("en", "user049", [], 0, 50)),
        ("the last page", lambda: view.outcomes("en", "", [], users - 50, 50)),
    ):
        _measure(folder, f"{view.state}: {what}", ask)


def _all_look(view: RunView) -> None:
    with ThreadPoolExecutor(VIEWERS) as pool:
        list(pool.map(lambda _: view.details("en", addresses=True), range(VIEWERS)))


def _fill(folder: RunFolder, resources: Resources, users: int) -> None:
    settings = Settings.parse(resources.variable(locale="en"))
    request = {"data": [f"user{number:06}@example.com" for number in range(users)], "adminemail": resources.admin}
    manifest = ingest_request(request, settings, resources.s3, folder)
    for batch in manifest.batches:
        steps: list[tuple[int, int, int]] = []
        for second in range(batch.size):
            add_step(steps, second, 1)
        work = Work(batch.number // settings.slots * 300.0, batch.size, steps=steps)
        outcomes = [Outcome(row.row, row.useremail, SUCCEEDED, username=f"{row.row:036}") for row in folder.rows(batch)]
        folder.write_checkpoint(batch.number, "worker", Checkpoint(outcomes, closed=True, work=work))


def _measure(folder: RunFolder, what: str, ask: Callable[[], object]) -> None:
    calls, began, used = folder.s3.calls, time.perf_counter(), time.process_time()  # type: ignore[attr-defined]
    ask()
    spent = time.perf_counter() - began, time.process_time() - used
    print(f"| {what} | {spent[0]:.3f} | {spent[1]:.3f} | {folder.s3.calls - calls} |")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
