"""Workflow variables. Follows "Passing data between states with variables" in the AWS documentation."""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions as sfn

from sandbox.aws.step_functions.payloads import LIMITS, size_of

JSON = dict[str, Any]


def assign(state: JSON, data: Any, context: JSON, result: Any = None, error_output: Any = None) -> None:
    """Set the variables of a state's Assign (a Catch's and a Choice rule's too).

    All expressions see the values from before, whatever their order. One Assign may set 256 KiB in all; that an
    execution may hold 10 MiB is not checked.
    """
    if "Assign" not in state:
        return
    values = sfn._apply_jsonata_template(state["Assign"], data, context, result=result, error_output=error_output)
    if size_of(values) > LIMITS.payload_bytes:
        what = f"The size of the variables of one Assign exceeds {LIMITS.payload_bytes} bytes."
        raise sfn._ExecutionError("States.DataLimitExceeded", what)
    context["variables"] = {**context["variables"], **values}


def install() -> None:
    """Put the assignment into the emulator."""
    sfn._apply_state_assign = assign
