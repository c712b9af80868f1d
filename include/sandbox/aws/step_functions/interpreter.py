"""The interpreter: from state to state, with the events that AWS writes into the history.

Follows the Amazon States Language specification and "Processing input and output in Step Functions".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from sandbox.aws.step_functions import maps
from sandbox.aws.step_functions.payloads import check_size
from sandbox.aws.step_functions.retry import matches
from sandbox.aws.step_functions.runs import Run, context_of, current
from sandbox.aws.step_functions.tasks import execute_task

JSON = dict[str, Any]
Handler = Callable[..., tuple[Any, str | None]]
START_DELAY_SECONDS = 0.05
"""The moment between StartExecution's answer and the first state."""
MIN_WAIT_SECONDS = 0.02
"""No state of AWS takes no time at all; here a loop around a Wait of 0 seconds would take all of the processor."""


def interpret(  # noqa: PLR0913, PLR0917 the state of one interpretation
    states: JSON,
    name: str | None,
    data: Any,
    execution: JSON,
    context: JSON,
    entered: Callable[[str, Any], None] | None = None,
) -> Any:
    """Return the output of the states from `name` on; `entered(name, input)` is called at each of them."""
    run: Run = execution["_run"]
    check_size(data, name or "")
    while True:
        state = states.get(name or "")
        if name is None or state is None:
            raise sfn._ExecutionError("States.Runtime", f"State '{name}' not found in the definition")
        kind = state["Type"]
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        if entered:
            entered(name, data)
        run.enter(name)
        run.record(f"{kind}StateEntered", ("input", data), name=name)
        given = data
        data, following = _execute(kind, state, given, execution, context)
        if data is not given:
            check_size(data, name)
        run.record(f"{kind}StateExited", ("output", data), name=name)
        if following is None:
            return data
        name = following


def _execute(kind: str, state: JSON, data: Any, execution: JSON, context: JSON) -> tuple[Any, str | None]:
    if kind == "Fail":
        raise sfn._ExecutionError(*sfn._fail_state_error(state, data, context))
    if kind == "Succeed":
        return sfn._apply_jsonata_output(state, data, context, default=data), None
    plain: dict[str, Handler] = {"Pass": sfn._execute_pass, "Choice": sfn._execute_choice, "Wait": sfn._execute_wait}
    if kind in plain:
        return plain[kind](state, data, context)
    return (execute_task if kind == "Task" else maps.execute_map)(state, data, execution, context)


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
    run = Run(execution, machine, interpret, seconds=definition.get("TimeoutSeconds"))
    resume = execution.setdefault(
        "_position",
        {
            "state": definition.get("StartAt"),
            "input": json.loads(execution["input"] or "{}"),
            "variables": {},
        },
    )
    context = context_of(execution, machine)
    context["variables"] = dict(resume["variables"])

    def remember(name: str, data: Any) -> None:
        execution["_position"] = {"state": name, "input": data, "variables": dict(context["variables"])}

    run.carry_out(
        functools.partial(
            interpret, definition["States"], resume["state"], resume["input"], execution, context, remember
        )
    )


def _sleep(seconds: float) -> None:
    """Wait for as long as a Wait state says and its execution lasts."""
    current.get().sleep(max(MIN_WAIT_SECONDS, seconds))


def _unhurried(expression: str, **_: Any) -> Any:
    """Compile a JSONata expression without bounds, whose check takes a fifth of its time."""
    return sfn.jsonata.Jsonata(expression)


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
