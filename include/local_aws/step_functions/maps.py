"""Map states: inline iterations, and the Map Run of a distributed one.

Follows "Map workflow state", "Using Map state in Distributed mode" and "Setting failure thresholds for
Distributed Map states" in the AWS documentation.
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.services import stepfunctions as sfn

from local_aws.step_functions import results
from local_aws.step_functions.items import Item, batches_of, field, items_of
from local_aws.step_functions.map_run import MapRun
from local_aws.step_functions.retry import with_retry_and_catch
from local_aws.step_functions.runs import LIMITS, Run, check_size, in_own_context
from local_aws.step_functions.tasks import output_of, require

JSON = dict[str, Any]


def inner_context(context: JSON) -> JSON:
    """Return the context of a branch or iteration: it reads the outer variables and keeps its own.

    Values are never changed in place, so the copy need not be deep.
    """
    return {key: value for key, value in context.items() if key != "Task"}


def execute_map(state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    """Run a Map state, inline or distributed, under its Retry and Catch."""
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    distributed = (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED"
    attempt = functools.partial(
        _run_distributed if distributed else _run_inline, state, processor, data, execution, context
    )
    return with_retry_and_catch(state, data, execution["_run"], context, attempt)


def _run_inline(state: JSON, processor: JSON, data: Any, execution: JSON, context: JSON) -> Any:
    run: Run = execution["_run"]
    name = context["State"]["Name"]
    items = items_of(state, data, context)
    run.record("MapStateStarted", length=len(items))
    failed = threading.Event()

    def iterate(item: Item) -> Any:
        if failed.is_set():
            return None
        entry, given = item
        index = entry["Index"]
        inner = {**inner_context(context), "Map": {"Item": entry}}
        run.record("MapIterationStarted", name=name, index=index)
        try:
            output = run.walk(processor["States"], processor["StartAt"], given, execution, inner)
        except sfn._ExecutionError:
            failed.set()
            run.record("MapIterationFailed", name=name, index=index)
            raise
        run.record("MapIterationSucceeded", name=name, index=index)
        return output

    asked = int(field(state, "MaxConcurrency", data, context, 0))
    width = min(asked or LIMITS.inline_map_concurrency, LIMITS.inline_map_concurrency)
    with ThreadPoolExecutor(max_workers=width) as pool:
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


def _run_distributed(state: JSON, processor: JSON, data: Any, execution: JSON, context: JSON) -> Any:
    run: Run = execution["_run"]
    name = context["State"]["Name"]
    require("states:StartExecution", execution["stateMachineArn"], "states")
    map_run = execution.get("_redriven_map_runs", {}).pop(name, None)
    if map_run is None:
        batches = batches_of(state, items_of(state, data, context), data, context)
        map_run = MapRun(state, processor, data, context, execution, batches)
    else:
        map_run.prepare_redrive(run)
    execution.setdefault("_map_runs", {})[name] = map_run
    run.record("MapRunRedriven" if map_run.view["redriveCount"] else "MapRunStarted", mapRunArn=map_run.arn)
    map_run.carry_out()
    writer = state.get("ResultWriter") or {}
    result: Any
    if writer.get("Resource"):
        result = results.write(writer, data, context, map_run.arn, map_run.ended_first_to_last())
    else:
        transformation = (writer.get("WriterConfig") or {}).get("Transformation", "COMPACT")
        result = results.transformed(map_run.children, transformation)
    if map_run.view["status"] == "FAILED":
        cause = "The specified tolerated failure threshold was exceeded"
        run.record("MapRunFailed", error="States.ExceedToleratedFailureThreshold", cause=cause)
        raise sfn._ExecutionError("States.ExceedToleratedFailureThreshold", cause)
    check_size(result, name)
    run.record("MapRunSucceeded")
    return output_of(state, data, context, result)
