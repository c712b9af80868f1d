"""Measure one execution of the state machine on local AWS, started as an application starts it, without Airflow.

Usage: python -m bench.state_machine [--users 5000]

Prints the pace from the first call to the last, the peaks, what was throttled or lost, and how near the execution came
to the limits of Step Functions (25,000 events, 256 KiB).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from contextlib import ExitStack
from typing import Any

from aws.deploy import Stack
from cognito_import.pacing import DEFAULT_QUOTAS
from demo.ground import GROUP, Ground
from local_aws.process import LocalAws


def main() -> None:
    """Deploy, import, print the figures, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=5_000)
    users = parser.parse_args().users
    with ExitStack() as steps:
        aws = steps.enter_context(LocalAws(latency=0.1))
        os.environ.update(aws.environment())
        ground = steps.enter_context(Ground(make_bucket=False))
        stack = Stack(f"bench-{secrets.token_hex(3)}")
        steps.callback(stack.remove, delete_data=True)
        stack.deploy({"MailFrom": ground.mail_from, "UserPoolId": ground.user_pool_id})
        for name, value in _measure(aws, ground, stack.variable(), users).items():
            print(f"{name:40} {value}")


def _measure(aws: LocalAws, ground: Ground, variable: dict[str, Any], users: int) -> dict[str, Any]:
    addresses = [f"user{number:06}@example.com" for number in range(users)]
    content = "\n".join(["useremail", *addresses]).encode()
    ground.s3.put_object(Bucket=variable["report_bucket"], Key="inbox/users.csv", Body=content)
    request = {"source": f"s3://{variable['report_bucket']}/inbox/users.csv", "adminemail": ground.admin}
    aws.reset()
    started = time.time()
    arn = ground.step_functions.start_execution(
        stateMachineArn=variable["state_machine_arn"], input=json.dumps(request)
    )["executionArn"]
    while (execution := ground.step_functions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(1.0)
    stats = aws.stats()
    categories = stats["categories"]
    seconds = max(figures["last"] for figures in categories.values()) - categories["UserCreation"]["first"]
    pool = ground.users()
    lost = sum(address not in pool or GROUP not in pool[address].groups for address in addresses)
    pages = ground.step_functions.get_paginator("get_execution_history").paginate(executionArn=arn)
    pace = variable["slots"] / variable["pacing_seconds"]
    mails = aws.outbox()
    return {
        "execution": execution["status"],
        "users": users,
        "users/s, first call to last": f"{users / seconds:.1f}, {users / seconds / pace:.2f} of {pace:g}",
        **{
            f"{name}: calls, peak a second, throttles": (
                f"{figures['calls']:,}, {figures['peak']} of {DEFAULT_QUOTAS.get(name, 0)}, {figures['throttles']}"
            )
            for name, figures in categories.items()
        },
        "users without user or group": lost,
        "events in the history, of 25,000": sum(len(page["events"]) for page in pages),
        "largest payload, of 262,144 bytes": f"{stats['step_functions']['largest_payload']:,}",
        "start to mail, s": f"{mails[0]['Timestamp'] - started:.1f}" if mails else "no mail",
        "local AWS, CPU s": f"{aws.cpu_seconds():.1f}",
    }


if __name__ == "__main__":
    main()
