"""Look for mistakes in the state machine's definition that AWS would show only when it runs.

    python -m aws.lint [FILE]

Checked are: every transition leads to a state and every state is reached; every expression parses; every variable is
assigned in its scope; every error name of a Retry or Catch exists; every Task has a timeout; the error lists follow
the table of decisions. Needs the package `jsonata-python`, a port of the engine whose language Step Functions speaks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonata.jsonata import Jsonata

from aws import definition as stored
from cognito_import import errors
from cognito_import.decisions import DECISIONS

JSON = dict[str, Any]

STATES_ERRORS = frozenset(
    f"States.{name}"
    for name in (
        "ALL", "BranchFailed", "DataLimitExceeded", "ExceedToleratedFailureThreshold", "HeartbeatTimeout", "Http.Socket",
        "ItemReaderFailed", "NoChoiceMatched", "Permissions", "QueryEvaluationError", "ResultWriterFailed", "Runtime",
        "TaskFailed", "Timeout",
    )
)  # fmt: skip
"""The errors of Step Functions itself ("Error names", AWS Step Functions Developer Guide)."""
LAMBDA_ERRORS = frozenset(
    f"Lambda.{name}"
    for name in (
        "AWSLambdaException", "ClientExecutionTimeoutException", "SdkClientException", "ServiceException",
        "TooManyRequestsException", "Unknown",
    )
)  # fmt: skip
"""The errors of calling a function ("Handle transient Lambda service exceptions", the same guide)."""

FUNCTIONS = frozenset(
    {
        "abs", "append", "average", "base64decode", "base64encode", "boolean", "ceil", "contains", "count", "decodeUrl",
        "decodeUrlComponent", "distinct", "each", "encodeUrl", "encodeUrlComponent", "error", "exists", "filter",
        "floor", "formatBase", "formatInteger", "formatNumber", "fromMillis", "join", "keys", "length", "lookup",
        "lowercase", "map", "match", "max", "merge", "millis", "min", "not", "now", "number", "pad", "parseInteger",
        "power", "random", "reduce", "replace", "reverse", "round", "shuffle", "sift", "single", "sort", "split",
        "spread", "sqrt", "string", "substring", "substringAfter", "substringBefore", "sum", "toMillis", "trim", "type",
        "uppercase", "zip", "assert", "partition", "range", "hash", "uuid", "parse",
    }
)  # fmt: skip
"""JSONata 2.0.6 without `$eval`, and what Step Functions adds ("Transforming data with JSONata", the same guide)."""

_EXPRESSION = re.compile(r"\{%(.*)%\}", re.DOTALL)
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|/(?:[^/\\\n]|\\.)+/(?=\s*[,)])")
_USED = re.compile(r"\$([A-Za-z_]\w*)(\s*\()?")
_LOCAL = re.compile(r"\$(\w+)\s*:=|function\s*\(([^)]*)\)")


def problems(definition: JSON) -> list[str]:
    """Return one sentence for each mistake in the definition."""
    found = list(_machine(definition, "the state machine", frozenset()))
    if stored.decided(definition) != definition:
        found.append("The error lists do not follow cognito_import.decisions.")
    return found


def _machine(machine: JSON, where: str, outer: frozenset[str]) -> Iterator[str]:
    states: JSON = machine["States"]
    assigned = outer | {name for state in states.values() for name in _assigned(state)}
    reached, waiting = set(), [machine["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        if name not in states:
            yield f"{where}: there is no state {name!r}."
            continue
        waiting.extend(_followers(states[name]))
    yield from (f"{where}: the state {name!r} is never reached." for name in states if name not in reached)
    for name, state in states.items():
        # A Parallel or Map cannot assign what is assigned outside it ("Passing data between states with variables").
        yield from (
            f"{where}, {name}: ${other} is assigned outside, too." for other in _assigned(state) if other in outer
        )
        yield from _state(state, f"{where}, {name}", assigned)


def _state(state: JSON, where: str, assigned: frozenset[str]) -> Iterator[str]:
    ends = state["Type"] in ("Succeed", "Fail", "Choice") or "Next" in state or state.get("End")
    if not ends:
        yield f"{where}: leads nowhere."
    if state["Type"] == "Choice" and "Default" not in state:
        yield f"{where}: has no Default."
    if state["Type"] == "Task" and "TimeoutSeconds" not in state:
        yield f"{where}: has no timeout."
    own = {key: value for key, value in state.items() if key not in ("Branches", "ItemProcessor", "Comment")}
    for expression in _expressions(own):
        yield from _expression(expression, where, assigned)
    for handler in (*state.get("Retry", ()), *state.get("Catch", ())):
        yield from (f"{where}: there is no error {name!r}." for name in handler["ErrorEquals"] if not _exists(name))
        if "States.ALL" in handler["ErrorEquals"] and len(handler["ErrorEquals"]) > 1:
            yield f"{where}: States.ALL must stand alone."
    for number, branch in enumerate(state.get("Branches", ()), start=1):
        yield from _machine(branch, f"{where}, branch {number}", assigned)
    if "ItemProcessor" in state:
        processor = state["ItemProcessor"]
        # The children of a distributed Map see none of its variables.
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        yield from _machine(processor, where, frozenset() if distributed else assigned)


def _followers(state: JSON) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def _assigned(state: JSON) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from holder.get("Assign", ())


def _expressions(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        for member in value.values():
            yield from _expressions(member)
    elif isinstance(value, list):
        for member in value:
            yield from _expressions(member)
    elif isinstance(value, str) and (match := _EXPRESSION.fullmatch(value)):
        yield match[1].strip()


def _expression(text: str, where: str, assigned: frozenset[str]) -> Iterator[str]:
    try:
        Jsonata.jsonata(text)
    except Exception as error:  # noqa: BLE001 - the engine has no one class for its errors
        yield f"{where}: {text!r} does not parse: {error}."
        return
    code = _TEXT.sub("''", text)
    local = {name.strip(" $") for match in _LOCAL.findall(code) for name in (match[0], *match[1].split(","))}
    for name, call in _USED.findall(code):
        if call and name not in FUNCTIONS and name not in local:
            yield f"{where}: there is no function ${name} in Step Functions."
        if not call and name not in assigned | local | {"states"}:
            yield f"{where}: nothing assigns ${name}."


def _exists(name: str) -> bool:
    """Tell whether an error of this name can occur."""
    prefix, _, code = name.rpartition(".")
    if prefix == stored.PREFIX:
        return code in DECISIONS or name in (stored.GENERAL, *stored.UNANSWERED)
    return name in STATES_ERRORS | LAMBDA_ERRORS or (not prefix and hasattr(errors, name))


def main() -> None:
    """Check a definition and exit with what is wrong with it."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else stored.FILE
    found = problems(stored.load(file))
    if found:
        sys.exit("\n".join(found))
    print(f"{file.name}: {sum(1 for _ in stored.states_in(stored.load(file)))} states, no mistake found.")


if __name__ == "__main__":
    main()
