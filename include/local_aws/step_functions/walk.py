"""The interpreter: from state to state, with the events that AWS writes into the history.

Follows the Amazon States Language specification and "Processing input and output in Step Functions".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from local_aws.step_functions import maps
from local_aws.step_functions.retry import matches, with_retry_and_catch
from local_aws.step_functions.runs import Run, check_size, context_of, current, in_own_context
from local_aws.step_functions.tasks import arguments_of, execute_task, output_of

JSON = dict[str, Any]
Handler = Callable[..., tuple[Any, str | None]]
EXPRESSION_SECONDS = 20.0
"""AWS gives an expression one second; here it shares the machine with all else that runs on it."""
START_DELAY_SECONDS = 0.05
"""The moment between StartExecution's answer and the first state."""
SHORTEST_WAIT_SECONDS = 0.02
"""No state of AWS takes no time at all; here a loop around a Wait of 0 seconds would take all of the processor."""


def walk(  # noqa: PLR0913, PLR0917 the state of one interpretation
    states: JSON,
    name: str | None,
    data: Any,
    execution: JSON,
    context: JSON,
    entered: Callable[[str, Any], None] | None = None,
) -> Any:
    """Return the output of the states from `name` on; `entered(name, input)` is called at each of them."""
    run: Run = execution["_run"]
    while True:
        state = states.get(name or "")
        if name is None or state is None:
            raise sfn._ExecutionError("States.Runtime", f"State '{name}' not found in the definition")
        kind = state["Type"]
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        if entered:
            entered(name, data)
        run.record(f"{kind}StateEntered", ("input", data), name=name)
        data, following = _execute(kind, state, data, execution, context)
        check_size(data, name)
        run.record(f"{kind}StateExited", ("output", data), name=name)
        if following is None:
            return data
        name = following


def _execute(kind: str, state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    if kind == "Fail":
        raise sfn._ExecutionError(*sfn._fail_state_error(state, data, context))
    if kind == "Succeed":
        if sfn._state_query_language(state, context) == "JSONata":
            return sfn._apply_jsonata_output(state, data, context, default=data), None
        return sfn._apply_output_path(state, sfn._apply_input_path(state, data, context), context), None
    plain: dict[str, Handler] = {"Pass": sfn._execute_pass, "Choice": sfn._execute_choice, "Wait": sfn._execute_wait}
    if kind in plain:
        return plain[kind](state, data, context)
    working: dict[str, Handler] = {"Task": execute_task, "Map": maps.execute_map, "Parallel": execute_parallel}
    if kind in working:
        return working[kind](state, data, execution, context)
    raise sfn._ExecutionError("States.Runtime", f"Unknown state type: {kind}")


def execute_parallel(state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    """Run the branches of a Parallel state side by side."""
    run: Run = execution["_run"]

    def attempt() -> Any:
        given = arguments_of(state, data, context)
        run.record("ParallelStateStarted")
        with ThreadPoolExecutor(max_workers=max(1, len(state["Branches"]))) as pool:
            branches = [
                pool.submit(
                    in_own_context(
                        walk, branch["States"], branch["StartAt"], given, execution, maps.inner_context(context)
                    )
                )
                for branch in state["Branches"]
            ]
        run.check()
        results = [branch.result() for branch in branches]
        check_size(results, context["State"]["Name"])
        run.record("ParallelStateSucceeded")
        return output_of(state, data, context, results)

    return with_retry_and_catch(state, data, run, context, attempt)


def run_execution(execution_arn: str) -> None:
    """Run an execution from its first state, or from the one that failed if it is redriven."""
    execution = sfn._executions.get(execution_arn)
    machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
    if execution is None or machine is None:
        return
    time.sleep(START_DELAY_SECONDS)
    if execution["status"] != "RUNNING":
        return
    # An execution keeps the definition that it started with.
    machine = execution.setdefault("_machine", dict(machine))
    definition = json.loads(machine["definition"])
    run = Run(execution, machine, walk, express=machine["type"] == "EXPRESS", seconds=definition.get("TimeoutSeconds"))
    resume = execution.setdefault(
        "_position",
        {
            "state": definition.get("StartAt"),
            "input": json.loads(execution["input"] or "{}"),
            "variables": {},
        },
    )
    context = context_of(execution, machine, definition.get("QueryLanguage", "JSONPath"))
    context["variables"] = dict(resume["variables"])

    def remember(name: str, data: Any) -> None:
        execution["_position"] = {"state": name, "input": data, "variables": dict(context["variables"])}

    run.carry_out(
        functools.partial(walk, definition["States"], resume["state"], resume["input"], execution, context, remember)
    )


def _sleep(seconds: float) -> None:
    """Wait for as long as a Wait state says and its execution lasts."""
    run = current.get(None)
    seconds = max(SHORTEST_WAIT_SECONDS, seconds * sfn._SFN_WAIT_SCALE)
    if run is None:
        time.sleep(seconds)
    else:
        run.sleep(seconds)


def _unhurried(expression: str, **bounds: Any) -> Any:
    """Compile a JSONata expression that may take as long as it needs on a busy machine of one's own."""
    return sfn.jsonata.Jsonata(expression, **{**bounds, "timeout": int(EXPRESSION_SECONDS * 1000)})


def _parse_once() -> None:
    """Parse each expression once: an import evaluates the same few hundred for every user."""
    make: Any = import_module("jsonata.parser").Parser
    # The engine makes a parser in every thread, which takes longer than evaluating most expressions.
    shared = make()

    @functools.lru_cache(maxsize=4096)
    def parsed(*arguments: Any) -> Any:
        return make().parse(*arguments)

    shared.parse = parsed
    sfn.jsonata.Jsonata.get_parser = staticmethod(lambda: shared)


def install() -> None:
    """Replace the emulator's interpreter."""
    _parse_once()
    sfn.jsonata.Jsonata.jsonata = staticmethod(_unhurried)
    sfn._run_execution = run_execution
    sfn._scaled_sleep = _sleep
    sfn._error_matches = matches
