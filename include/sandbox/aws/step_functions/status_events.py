"""The event on the default bus for every change of an execution's status.

Follows "Automating Step Functions event delivery with EventBridge".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge
from ministack.services import stepfunctions as sfn

JSON = dict[str, Any]
MAX_PAYLOAD_BYTES = 248 * 1024
"""Bytes of input or output, escaped, above which the event goes without it."""


def not_redrivable(execution: JSON) -> str:
    """Return why an execution cannot be redriven, or ""."""
    status = execution["status"]
    if status in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {status} and cannot be redriven"
    return ""


def detail_of(execution: JSON) -> JSON:
    """Return the event's detail: what DescribeExecution returns, with dates in milliseconds and null for what there is not."""
    reason = not_redrivable(execution)
    dates = {name: sfn._iso_to_epoch_ms(execution.get(name)) for name in ("startDate", "stopDate", "redriveDate")}
    detail = {name: execution.get(name) or None for name in ("input", "output", "error", "cause")}
    for name in ("input", "output"):
        included = detail[name] is None or len(json.dumps(detail[name])) <= MAX_PAYLOAD_BYTES
        detail[f"{name}Details"] = None if detail[name] is None else {"included": included}
        detail[name] = detail[name] if included else None
    return {
        **{name: execution[name] for name in ("executionArn", "stateMachineArn", "name", "status")},
        **dates,
        **detail,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": execution.get("redriveCount", 0),
        "redriveStatus": "NOT_REDRIVABLE" if reason else "REDRIVABLE",
        "redriveStatusReason": reason or None,
    }


def emit(execution: JSON) -> None:
    """Put the event for the status that an execution has now."""
    event = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail_of(execution)),
        "Resources": [execution["executionArn"]],
    }
    eventbridge._put_events({"Entries": [event]}, allow_aws_source=True)


def install() -> None:
    """Put the event into the emulator."""
    sfn._emit_execution_status_event = emit
