"""Map states: inline iterations, and the Map Run of a distributed one.

Follows "Map workflow state", "Using Map state in Distributed mode" and "Setting failure thresholds for
Distributed Map states" in the AWS documentation.
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.services import stepfunctions as sfn

from sandbox.aws.step_functions.items import Item, field, items_of
from sandbox.aws.step_functions.map_run import MapRun
from sandbox.aws.step_functions.payloads import LIMITS, check_size
from sandbox.aws.step_functions.retry import with_retry_and_catch
from sandbox.aws.step_functions.runs import Run, busy, idle, in_own_context
from sandbox.aws.step_functions.tasks import denial, output_of

JSON = dict[str, Any]


def execute_map(state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    """Run a Map state, inline or distributed, under its Retry and Catch."""
    distributed = state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
    attempt = functools.partial(_run_distributed if distributed else _run_inline, state, data, execution, context)
    return with_retry_and_catch(state, data, execution["_run"], context, attempt)


def _run_inline(state: JSON, data: Any, execution: JSON, context: JSON) -> Any:
    run: Run = execution["_run"]
    name, processor = context["State"]["Name"], state["ItemProcessor"]
    items = items_of(state, data, context)
    run.record("MapStateStarted", length=len(items))
    failed = threading.Event()

    def iterate(item: Item) -> Any:
        if failed.is_set():
            return None
        entry, given = item
        index = entry["Index"]
        # It reads the outer variables and keeps its own; values are never changed in place, so the copy is not deep.
        inner = {**context, "Map": {"Item": entry}}
        run.record("MapIterationStarted", name=name, index=index)
        try:
            with busy():
                output = run.interpret(processor["States"], processor["StartAt"], given, execution, inner)
        except sfn._ExecutionError:
            failed.set()
            run.record("MapIterationFailed", name=name, index=index)
            raise
        run.record("MapIterationSucceeded", name=name, index=index)
        return output

    asked = int(field(state, "MaxConcurrency", data, context))
    width = min(asked or LIMITS.inline_map_concurrency, LIMITS.inline_map_concurrency)
    with idle(), ThreadPoolExecutor(max_workers=width) as pool:
        iterations = [pool.submit(in_own_context(iterate, item)) for item in items]
    run.check()
    error = next((e for e in (iteration.exception() for iteration in iterations) if e), None)
    if error:
        run.record("MapStateFailed", error=getattr(error, "error", ""), cause=getattr(error, "cause", ""))
        raise error
    outputs = [iteration.result() for iteration in iterations]
    check_size(outputs, name)
    run.record("MapStateSucceeded")
    return output_of(state, data, context, outputs)


def _run_distributed(state: JSON, data: Any, execution: JSON, context: JSON) -> Any:
    run: Run = execution["_run"]
    name = context["State"]["Name"]
    message = denial("states:StartExecution", execution["stateMachineArn"])
    if message:
        raise sfn._ExecutionError("States.Permissions", message)
    map_run = execution.get("_redriven_map_runs", {}).pop(name, None)
    if map_run is None:
        map_run = MapRun(state, data, context, execution, [given for _, given in items_of(state, data, context)])
    else:
        map_run.prepare_redrive(run)
    execution.setdefault("_map_runs", {})[name] = map_run
    run.record("MapRunRedriven" if map_run.redrives else "MapRunStarted", mapRunArn=map_run.arn)
    with idle():
        map_run.carry_out()
    if map_run.status == "FAILED":
        cause = "The specified tolerated failure threshold was exceeded"
        run.record("MapRunFailed", error="States.ExceedToleratedFailureThreshold", cause=cause)
        raise sfn._ExecutionError("States.ExceedToleratedFailureThreshold", cause)
    results = map_run.results()
    check_size(results, name)
    run.record("MapRunSucceeded")
    return output_of(state, data, context, results)
