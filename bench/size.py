"""Measure taking in, and reporting, 100,000 users against local AWS: seconds and the most memory of a process of its own.

Usage: python -m bench.size [--users 100000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cognito_import.delivery import deliver
from cognito_import.intake import take_in
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.parts import Part
from cognito_import.run_folder import RunFolder
from cognito_import.settings import Settings
from demo.ground import Ground
from local_aws.process import LocalAws

Step = Callable[[Ground, Settings, RunFolder], None]


def main() -> None:
    """Measure each step in a process of its own and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    users = parser.parse_args().users
    with LocalAws(latency=0.0) as aws:
        os.environ.update(aws.environment())
        with Ground() as ground:
            lines = (f"user{number:06}@example.com,花子,山田,BASIC" for number in range(users))
            content = "\n".join(["useremail,given_name,family_name,groups", *lines]).encode()
            ground.s3.put_object(Bucket=ground.bucket, Key="users.csv", Body=content)
            print(f"{users:,} users in a CSV of {len(content) / 1e6:.1f} MB")
            _measure("checked, planned and put in the run folder", _take_in, ground)
            _finish(ground)
            _measure("outcomes gathered, CSV, link, mail", _report, ground)


def _measure(what: str, step: Step, ground: Ground) -> None:
    process = multiprocessing.get_context("fork").Process(target=_run, args=(what, step, ground))
    process.start()
    process.join()


def _run(what: str, step: Step, ground: Ground) -> None:
    started = time.perf_counter()
    step(ground, Settings.parse(ground.variable()), _folder(ground))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.perf_counter() - started:.1f} s, {memory:.0f} MB at most", flush=True)


def _folder(ground: Ground) -> RunFolder:
    return RunFolder(ground.s3, ground.bucket, "size")


def _take_in(ground: Ground, settings: Settings, folder: RunFolder) -> None:
    request = {"source": f"s3://{ground.bucket}/users.csv", "adminemail": ground.admin}
    take_in(request, settings, ground.s3, folder)


def _finish(ground: Ground) -> None:
    folder = _folder(ground)
    for batch in folder.required_manifest().batches:
        outcomes = [Outcome(row.row, row.useremail, SUCCEEDED, username="0" * 36) for row in folder.rows(batch)]
        folder.write_part(batch.number, "worker", Part(outcomes, closed=True))


def _report(ground: Ground, settings: Settings, folder: RunFolder) -> None:
    deliver(folder, settings, ground.s3, ground.ses, credentials_end=None, now=datetime.now(UTC))


if __name__ == "__main__":
    main()
