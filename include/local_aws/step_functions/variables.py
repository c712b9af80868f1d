"""Workflow variables. Follows "Passing data between states with variables" in the AWS documentation."""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions as sfn

from local_aws.step_functions.runs import LIMITS, size_of, text_of

JSON = dict[str, Any]
ALL_VARIABLES_BYTES = 10 * 1024 * 1024


class Variables(dict[str, Any]):
    """The variables, with the bytes of each: only what is assigned has to be measured."""

    sizes: dict[str, int]


def assign(state: JSON, data: Any, context: JSON | None = None, result: Any = None, error_output: Any = None) -> None:
    """Set the variables of a state's Assign (a Catch's and a Choice rule's too).

    All expressions see the values from before, whatever their order. One Assign may set 256 KiB in all, and an
    execution hold 10 MiB.
    """
    assignments = state.get("Assign")
    if context is None or not isinstance(assignments, dict):
        return
    if sfn._state_query_language(state, context) == "JSONata":
        values = sfn._apply_jsonata_template(assignments, data, context, result=result, error_output=error_output)
    else:
        values = sfn._resolve_params_obj(assignments, result if result is not None else data, context)
    before = context.get("variables", {})
    variables = Variables({**before, **values})
    unmeasured = values if isinstance(before, Variables) else variables
    variables.sizes = {
        **getattr(before, "sizes", {}),
        **{name: len(text_of(value).encode()) for name, value in unmeasured.items()},
    }
    _check(size_of(values), LIMITS.payload_bytes, "the variables of one Assign")
    _check(sum(variables.sizes.values()), ALL_VARIABLES_BYTES, "the variables of the execution")
    context["variables"] = variables


def _check(size: int, most: int, what: str) -> None:
    if size > most:
        raise sfn._ExecutionError("States.DataLimitExceeded", f"The size of {what} exceeds {most} bytes.")


def install() -> None:
    """Put the assignment into the emulator."""
    sfn._apply_state_assign = assign
