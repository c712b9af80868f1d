"""Retry and Catch. Follows "Handling errors in Step Functions workflows" in the AWS documentation."""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from local_aws.step_functions.runs import Run

TERMINAL = ("States.DataLimitExceeded", "States.Runtime")
"""Errors that the wildcards States.ALL and States.TaskFailed do not catch."""


def matches(error_equals: list[str], error: str) -> bool:
    """Tell whether a Retry or Catch entry is meant for an error of this name."""
    if error == "States.Runtime":
        return False
    if error in error_equals:
        return True
    if error in TERMINAL:
        return False
    return "States.ALL" in error_equals or ("States.TaskFailed" in error_equals and error != "States.Timeout")


def delay_before(retrier: dict[str, Any], attempts: int) -> float:
    """Return the seconds to wait before retry number `attempts` + 1.

    IntervalSeconds times BackoffRate to the power of `attempts`, at most MaxDelaySeconds; with the
    JitterStrategy FULL any moment from now to then.
    """
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** attempts
    delay = min(delay, float(retrier.get("MaxDelaySeconds", delay)))
    if retrier.get("JitterStrategy") == "FULL":
        delay = random.uniform(0, delay)  # noqa: S311
    return delay


def with_retry_and_catch(
    state: dict[str, Any], data: Any, run: Run, context: dict[str, Any], attempt: Callable[[], Any]
) -> tuple[Any, str | None]:
    """Return the output of `attempt()` and the state's Next, or what its Retry and Catch make of its errors."""
    entered = context["State"]
    attempts: dict[int, int] = {}
    while True:
        # A branch leaves its own State behind; each attempt starts from this one's.
        context["State"] = {**entered, "RetryCount": sum(attempts.values())}
        try:
            return attempt(), sfn._next_or_end(state)
        except sfn._ExecutionError as error:
            retrier, number = sfn._find_matching_retrier(state.get("Retry", []), error.error, attempts)
            if retrier is not None:
                run.sleep(delay_before(retrier, attempts.get(number, 0)) * sfn._SFN_WAIT_SCALE)
                attempts[number] = attempts.get(number, 0) + 1
                continue
            catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
            if catcher is None:
                raise
            language = sfn._state_query_language(state, context)
            caught = {"Error": error.error, "Cause": error.cause}
            return sfn._apply_catcher(catcher, data, context, language, caught), catcher["Next"]
