"""What is left of users and secrets when a direct execution is over, whatever failed on the way and quoted them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import boto3
import pytest

from demo.watch import link_in
from sandbox.aws.process import LocalAws

ADMIN = "admin@example.com"
Users = Callable[[int], list[dict[str, Any]]]
DENIED = "is not authorized to perform: cognito-idp:AdminCreateUser"


def kept_of(arn: str) -> str:
    """Return all that Step Functions keeps of an execution: input, output, cause, and each event with its data."""
    states: Any = boto3.client("stepfunctions")
    events = states.get_paginator("get_execution_history").paginate(executionArn=arn).build_full_result()
    return json.dumps([states.describe_execution(executionArn=arn), events], default=str)


def logged() -> str:
    """Return the log entries of all functions and state machines."""
    logs: Any = boto3.client("logs")
    lines = []
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            lines += [event["message"] for event in page["events"]]
    return "\n".join(lines)


def in_text(text: str, words: Iterable[str]) -> list[str]:
    """Return the words that the text holds."""
    return [word for word in words if word.lower() in text.lower()]


@pytest.mark.slow
def test_users_of_a_source_are_in_no_history_and_no_log(machine: Any, addresses: Users, aws: LocalAws) -> None:
    """Cognito loses answers, S3 is away, SES refuses mails, an error meets everybody; all of them quote addresses."""
    people = [user["useremail"] for user in addresses(24)]
    lists = {"joiners": people[:10], "denied": people[10:18], "leavers": people[18:]}
    machine.make([{"useremail": address} for address in lists["leavers"]])
    bucket = machine.variable["report_bucket"]
    quoting = f"Something is wrong with {people[0]}, {people[-1]} and {ADMIN}."
    for operation in ("AdminCreateUser", "AdminDeleteUser"):
        aws.fault(operation, "error_after", message=quoting, times=3)
    aws.fault("SendEmail", service="ses", code="MessageRejected", message=quoting, times=1)
    denied = f"User {lists['denied'][3]} {DENIED}"
    aws.fault("AdminCreateUser", code="AccessDeniedException", message=denied, username=lists["denied"][3], times=None)
    started = {}
    for name, users in lists.items():
        machine.s3.put_object(Bucket=bucket, Key=f"inbox/{name}.csv", Body="\n".join(["useremail", *users]).encode())
        request = {"source": f"s3://{bucket}/inbox/{name}.csv", "adminemail": ADMIN}
        started[name] = machine.start(request | ({"jobtype": "delete"} if name == "leavers" else {}))
    aws.outage("s3", 5, message=quoting)
    ended = {name: machine.wait(arn) for name, arn in started.items()}
    assert {name: (end["status"], end.get("error"), end.get("cause")) for name, end in ended.items()} == {
        "joiners": ("SUCCEEDED", None, None),
        "denied": ("FAILED", "IncompleteRunError", ended["denied"]["cause"]),
        "leavers": ("SUCCEEDED", None, None),
    }
    histories = {name: kept_of(arn) for name, arn in started.items()}
    log = logged()
    assert DENIED in ended["denied"]["cause"]
    assert "MessageRejected" in log
    links = [link_in(mail) for mail in aws.outbox()[-3:]]
    signatures = [link.partition("X-Amz-Signature=")[2].partition("&")[0] for link in links]
    assert in_text("\n".join([log, *histories.values()]), [*people, "X-Amz-Signature=", *signatures]) == []
    assert in_text(log, [ADMIN]) == []


def test_users_of_data_are_in_the_history_alone(machine: Any, addresses: Users) -> None:
    """That is what a source is for: the history keeps an input, and the log does not."""
    (user,) = addresses(1)
    arn = machine.start({"data": [user], "adminemail": ADMIN})
    assert machine.wait(arn)["status"] == "SUCCEEDED"
    assert user["useremail"] in kept_of(arn)
    assert in_text(logged(), [user["useremail"]]) == []
