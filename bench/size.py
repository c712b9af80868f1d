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

from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report.delivery import deliver
from cognito_import.run.checkpoints import Checkpoint
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.aws.process import LocalAws

Step = Callable[[Resources, Settings, RunFolder], None]


def main() -> None:
    """Measure each step in a process of its own and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    users = parser.parse_args().users
    with LocalAws(latency=0.0) as aws:
        os.environ.update(aws.environment())
        with Resources() as resources:
            lines = (f"user{number:06}@example.com,花子,山田,BASIC" for number in range(users))
            content = "\n".join(["useremail,given_name,family_name,groups", *lines]).encode()
            resources.s3.put_object(Bucket=resources.bucket, Key="users.csv", Body=content)
            print(f"{users:,} users in a CSV of {len(content) / 1e6:.1f} MB")
            _measure("checked, planned and put in the run folder", _ingest, resources)
            _finish(resources)
            _measure("outcomes gathered, CSV, link, mail", _report, resources)


def _measure(what: str, step: Step, resources: Resources) -> None:
    process = multiprocessing.get_context("fork").Process(target=_run, args=(what, step, resources))
    process.start()
    process.join()


def _run(what: str, step: Step, resources: Resources) -> None:
    started = time.perf_counter()
    step(resources, Settings.parse(resources.variable()), _folder(resources))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.perf_counter() - started:.1f} s, {memory:.0f} MB at most", flush=True)


def _folder(resources: Resources) -> RunFolder:
    return RunFolder(resources.s3, resources.bucket, "size")


def _ingest(resources: Resources, settings: Settings, folder: RunFolder) -> None:
    request = {"source": f"s3://{resources.bucket}/users.csv", "adminemail": resources.admin}
    ingest_request(request, settings, resources.s3, folder)


def _finish(resources: Resources) -> None:
    folder = _folder(resources)
    for batch in folder.required_manifest().batches:
        outcomes = [Outcome(row.row, row.useremail, SUCCEEDED, username="0" * 36) for row in folder.rows(batch)]
        folder.write_checkpoint(batch.number, "worker", Checkpoint(outcomes, closed=True))


def _report(resources: Resources, settings: Settings, folder: RunFolder) -> None:
    deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))


if __name__ == "__main__":
    main()
