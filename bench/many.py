"""Measure many small imports at once on real Airflow, and beside them one alone.

Usage: python -m bench.many [--imports 12] [--users 45]
"""

from __future__ import annotations

import argparse
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cognito_import.engine.pacing import Category
from demo.sandbox import DAG, Sandbox

ALONE = 20
"""Users of the import that has the slots for itself: one for each."""


def main() -> None:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", type=int, default=12)
    parser.add_argument("--users", type=int, default=45, help="of each import")
    options = parser.parse_args()
    print(
        "| imports | users of each | users/s, first to last call | s, first to last call | s, trigger to last mail | tasks |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    with Sandbox() as sandbox:
        _measure(sandbox, 1, ALONE)
        _measure(sandbox, options.imports, options.users)


def _measure(sandbox: Sandbox, imports: int, users: int) -> None:
    assert sandbox.aws is not None
    rest, mark = sandbox.airflow.rest, secrets.token_hex(3)

    def trigger(number: int) -> str:
        data = [f"user{row:03}-{number}-{mark}@example.com" for row in range(users)]
        return rest.trigger(DAG, {"data": data, "adminemail": sandbox.resources.admin})

    sandbox.aws.reset()
    began, mails = time.time(), len(sandbox.aws.outbox())
    with ThreadPoolExecutor(imports) as pool:
        runs = list(pool.map(trigger, range(imports)))
    states = {run: rest.wait(DAG, run, seconds=1800) for run in runs}
    figures: dict[str, Any] = sandbox.aws.stats()["categories"]
    seconds = max(tally["last"] for tally in figures.values()) - figures[Category.USER_CREATION]["first"]
    sent = sandbox.aws.outbox()[mails:]
    pool_users = sandbox.resources.users()
    missing = sum(mark in address for address in pool_users) - imports * users
    if missing or len(sent) != imports or set(states.values()) != {"success"}:
        print(f"Not as it should be: {missing} users too many, {len(sent)} mails, {states}.")
    tasks = sum(len(rest.task_instances(DAG, run, "process_users")) for run in runs)
    whole = sent[-1]["Timestamp"] - began
    print(
        f"| {imports} | {users} | {imports * users / seconds:.1f} | {seconds:.1f} | {whole:.1f} | {tasks} |", flush=True
    )


if __name__ == "__main__":
    main()
