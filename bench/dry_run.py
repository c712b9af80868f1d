"""Measure a dry run of 2,000 users on local AWS, by 20 workers of one process: from the request to the mailed report.

Usage: python -m bench.dry_run [--users 2000] [--existing 0 1000 2000]
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from bench.page import commit, machine
from cognito_import import aws
from cognito_import.engine.threads import run_batches
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.report.delivery import deliver
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from demo.resources import Resources
from sandbox.aws.process import LocalAws


def main() -> None:
    """Measure each number of users who exist already, half of whom lack the group that the list names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--existing", type=int, nargs="+")
    options = parser.parse_args()
    addresses = [f"user{number:05}@example.com" for number in range(options.users)]
    print(f"{machine()}, {commit()}")
    with LocalAws(latency=0.1) as cloud:
        os.environ.update(cloud.environment())
        for existing in options.existing or (0, options.users // 2, options.users):
            with Resources() as resources:
                cloud.quotas(UserCreation=100_000, UserUpdate=100_000)
                with ThreadPoolExecutor(20) as threads:
                    list(threads.map(resources.add_user, addresses[:existing]))
                    for member in addresses[:existing:2]:
                        threads.submit(join, resources, member)
                cloud.quotas()
                print(measure(cloud, resources, addresses, existing), flush=True)


def join(resources: Resources, address: str) -> None:
    """Put a user into the group that the list names."""
    resources.cognito.admin_add_user_to_group(UserPoolId=resources.user_pool_id, Username=address, GroupName="BASIC")


def measure(cloud: LocalAws, resources: Resources, addresses: list[str], existing: int) -> str:
    """Run it and return what was seen."""
    import boto3
    from botocore.config import Config

    settings = Settings.parse(resources.variable(existing_users="complete"))
    request = {"data": addresses, "adminemail": resources.admin, "dry_run": True}
    cognito = boto3.client("cognito-idp", config=aws.COGNITO.merge(Config(max_pool_connections=20)))
    cloud.reset()
    began = time.monotonic()
    folder = RunFolder(resources.s3, resources.bucket, "bench")
    manifest = ingest_request(request, settings, resources.s3, folder, cognito=cognito)
    clients = Clients(cognito, resources.s3, resources.ses, None)
    check(manifest, settings, clients, None, rows=folder.all_rows(), folder=folder)
    stop = run_batches(folder, settings, cognito, manifest.batches, halted=lambda: False)
    delivery = deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))
    took = time.monotonic() - began
    categories = cloud.stats()["categories"]
    calls = ", ".join(f"{name} {seen['calls']} (peak {seen['peak']})" for name, seen in categories.items())
    throttles = sum(seen["throttles"] for seen in categories.values())
    seen = f"{took:.1f} s with {existing:,} of {len(addresses):,} there; {calls}; {throttles} throttled"
    return f"{seen}; {delivery.note(folder)}; stopped by {stop}"


if __name__ == "__main__":
    main()
