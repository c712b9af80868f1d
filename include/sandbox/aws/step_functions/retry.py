"""Retry and Catch. Follows "Handling errors in Step Functions workflows" in the AWS documentation."""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from sandbox.aws.step_functions.runs import Run

TERMINAL = ("States.DataLimitExceeded", "States.Runtime")
"""Errors that States.ALL does not catch. Here nothing does: what AWS makes of their names is not documented."""


def matches(error_equals: list[str], error: str) -> bool:
    """Return whether a Retry or Catch entry is meant for an error of this name."""
    if error in TERMINAL:
        return False
    if error in error_equals or "States.ALL" in error_equals:
        return True
    return "States.TaskFailed" in error_equals and error != "States.Timeout"


def delay_before(retrier: dict[str, Any], attempts: int) -> float:
    """Return the seconds before retry `attempts` + 1: IntervalSeconds times BackoffRate to the `attempts`, limited."""
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** attempts
    return min(delay, float(retrier.get("MaxDelaySeconds", delay)))


def with_retry_and_catch(
    state: dict[str, Any], data: Any, run: Run, context: dict[str, Any], attempt: Callable[[], Any]
) -> tuple[Any, str | None]:
    """Return the output of `attempt()` and the state's Next, or what its Retry and Catch make of its errors."""
    entered = context["State"]
    attempts: dict[int, int] = {}
    while True:
        context["State"] = {**entered, "RetryCount": sum(attempts.values())}
        try:
            return attempt(), sfn._next_or_end(state)
        except sfn._ExecutionError as error:
            retrier, number = sfn._find_matching_retrier(state.get("Retry", []), error.error, attempts)
            if retrier is not None:
                run.sleep(delay_before(retrier, attempts.get(number, 0)))
                attempts[number] = attempts.get(number, 0) + 1
                continue
            catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
            if catcher is None:
                raise
            caught = {"Error": error.error, "Cause": error.cause}
            return sfn._apply_catcher(catcher, data, context, "JSONata", caught), catcher["Next"]
