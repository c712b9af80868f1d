"""Measure one execution of the state machine on local AWS, started as an application starts it, without Airflow.

Usage: python -m bench.state_machine [--users 5000] [--cold]

Prints the pace from the first call to the last, the peaks, what was throttled or lost, and how near the execution came
to the limits of Step Functions (25,000 events, 256 KiB).

A small import goes first, so that the function is warm. `--cold` leaves it out: on AWS cold functions start beside one
another in a second or two, while here they share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from contextlib import ExitStack
from typing import Any

from cognito_import.engine.pacing import DEFAULT_QUOTAS
from demo.resources import GROUP, Resources
from sandbox.aws.process import LocalAws
from sandbox.waiting import until
from stack.deploy import Stack


def main() -> None:
    """Deploy, import, print the figures, remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--cold", action="store_true", help="measure with cold functions")
    options = parser.parse_args()
    with ExitStack() as steps:
        aws = steps.enter_context(LocalAws(latency=0.1))
        os.environ.update(aws.environment())
        resources = steps.enter_context(Resources(make_bucket=False))
        stack = Stack(f"bench-{secrets.token_hex(3)}")
        steps.callback(stack.remove, delete_data=True)
        stack.deploy({"MailFrom": resources.mail_from, "UserPoolId": resources.user_pool_id})
        variable = stack.variable()
        if not options.cold:
            _execute(resources, variable, [f"warm{number}@example.com" for number in range(variable["slots"])])
        for name, value in _measure(aws, resources, variable, options.users).items():
            print(f"{name:40} {value}")


def _execute(resources: Resources, variable: dict[str, Any], addresses: list[str]) -> Any:
    """Import the addresses by an execution; return its description at the end."""
    content = "\n".join(["useremail", *addresses]).encode()
    resources.s3.put_object(Bucket=variable["report_bucket"], Key="inbox/users.csv", Body=content)
    request = {"source": f"s3://{variable['report_bucket']}/inbox/users.csv", "adminemail": resources.admin}
    arn = resources.step_functions.start_execution(
        stateMachineArn=variable["state_machine_arn"], input=json.dumps(request)
    )["executionArn"]
    return until(
        "the end of the execution",
        lambda: resources.step_functions.describe_execution(executionArn=arn),
        lambda seen: seen["status"] != "RUNNING",
        seconds=3600,
        every=1,
    )


def _measure(aws: LocalAws, resources: Resources, variable: dict[str, Any], users: int) -> dict[str, Any]:
    addresses = [f"user{number:06}@example.com" for number in range(users)]
    aws.reset()
    started = time.time()
    execution = _execute(resources, variable, addresses)
    arn = execution["executionArn"]
    stats = aws.stats()
    categories = stats["categories"]
    seconds = max(figures["last"] for figures in categories.values()) - categories["UserCreation"]["first"]
    pool = resources.users()
    lost = sum(address not in pool or GROUP not in pool[address].groups for address in addresses)
    pages = resources.step_functions.get_paginator("get_execution_history").paginate(executionArn=arn)
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
        "start to mail, s": f"{mails[-1]['Timestamp'] - started:.1f}" if mails else "no mail",
        "local AWS, CPU s": f"{aws.cpu_seconds():.1f}",
    }


if __name__ == "__main__":
    main()
