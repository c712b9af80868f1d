"""Look for mistakes in the state machine's definition that AWS would show only when it runs.

    python -m stack.lint [FILE]

Checked are: it is small enough to be read in five minutes; every transition leads to a state, every state is reached and
has a name of its own; every expression parses; every variable is assigned in its scope and in no other; every error name
of a Retry or Catch can occur; every Task has a timeout; no call to Cognito is repeated sooner than the pace. Needs the
package `jsonata-python`, a port of the engine whose language Step Functions speaks.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
from jsonata.jsonata import Jsonata

from cognito_import import errors
from stack import definition as stored

JSON = dict[str, Any]

MAX_STATES, MAX_LINES = 30, 700
COGNITO_ERRORS = frozenset(
    # An SDK integration names an error after the exception class of the SDK for Java: it has a class for each modelled
    # error, a general one for all others, and one for a call that nobody answered.
    f"CognitoIdentityProvider.{name}"
    for name in (
        *botocore.session.get_session().get_service_model("cognito-idp").shape_names,
        "CognitoIdentityProviderException", "SdkClientException",
    )
    if name.endswith("Exception")
)  # fmt: skip

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
    names = Counter(name for name, _ in stored.states_in(definition))
    found = [f"the state machine: {count} states are called {name!r}." for name, count in names.items() if count > 1]
    if names.total() > MAX_STATES:
        found.append(f"the state machine: has {names.total()} states; at most {MAX_STATES} are read in five minutes.")
    return [*found, *_machine(definition, "the state machine", frozenset(), frozenset())]


def _machine(machine: JSON, where: str, readable: frozenset[str], outer: frozenset[str]) -> Iterator[str]:
    """Check the states of one scope; `readable` are the outer variables that it may read, `outer` are all of them."""
    states: JSON = machine["States"]
    own = {name for state in states.values() for name in _assigned(state)}
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
        # An inner scope may not assign what an outer one does ("Passing data between states with variables"). moto and
        # LocalStack refuse that in the children of a distributed Map, too, although those read no outer variable.
        yield from (
            f"{where}, {name}: ${other} is assigned outside, too." for other in _assigned(state) if other in outer
        )
        yield from _state(state, f"{where}, {name}", readable | own, outer | own)


def _state(state: JSON, where: str, readable: frozenset[str], outer: frozenset[str]) -> Iterator[str]:
    ends = state["Type"] in ("Succeed", "Fail", "Choice") or "Next" in state or state.get("End")
    if not ends:
        yield f"{where}: leads nowhere."
    if state["Type"] == "Choice" and "Default" not in state:
        yield f"{where}: has no Default."
    if state["Type"] == "Task" and "TimeoutSeconds" not in state:
        yield f"{where}: has no timeout."
    own = {key: value for key, value in state.items() if key not in ("Branches", "ItemProcessor", "Comment")}
    for expression in _expressions(own):
        yield from _expression(expression, where, readable)
    yield from _assignments(state, where)
    yield from _handlers(state, where)
    for number, branch in enumerate(state.get("Branches", ()), start=1):
        yield from _machine(branch, f"{where}, branch {number}", readable, outer)
    if "ItemProcessor" in state:
        processor = state["ItemProcessor"]
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        yield from _machine(processor, where, frozenset() if distributed else readable, outer)


def _assignments(state: JSON, where: str) -> Iterator[str]:
    # Assign and Output both see the values from before the state; moto shows Output the new ones.
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        output = " ".join(_expressions(holder.get("Output")))
        used = {name for name, _ in _USED.findall(output)}
        yield from (
            f"{where}: its Output reads ${name}, which it assigns." for name in holder.get("Assign", ()) if name in used
        )


def _handlers(state: JSON, where: str) -> Iterator[str]:
    for handler in (*state.get("Retry", ()), *state.get("Catch", ())):
        yield from (f"{where}: there is no error {name!r}." for name in handler["ErrorEquals"] if not _exists(name))
        if "States.ALL" in handler["ErrorEquals"] and len(handler["ErrorEquals"]) > 1:
            yield f"{where}: States.ALL must stand alone."
        if handler.get("JitterStrategy") == "FULL" and str(state.get("Resource", "")).startswith(stored.COGNITO):
            yield f"{where}: full jitter may repeat the call at once, sooner than the pace allows."


def _followers(state: JSON) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def _assigned(state: JSON) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from holder.get("Assign", ())


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _expressions(member)
    elif isinstance(value, list):
        for member in value:
            yield from _expressions(member)
    elif isinstance(value, str) and (match := _EXPRESSION.fullmatch(value)):
        yield match[1].strip()


def _expression(text: str, where: str, readable: frozenset[str]) -> Iterator[str]:
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
        if not call and name not in readable | local | {"states"}:
            yield f"{where}: nothing assigns ${name}."


def _exists(name: str) -> bool:
    """Return whether an error of this name can occur."""
    return name in STATES_ERRORS | LAMBDA_ERRORS | COGNITO_ERRORS or ("." not in name and hasattr(errors, name))


def problems_in(file: Path) -> list[str]:
    """Return one sentence for each mistake in a stored definition, its length among them."""
    lines = file.read_text(encoding="utf-8").count("\n")
    long = (
        [f"{file.name}: has {lines} lines; at most {MAX_LINES} are read in five minutes."] if lines > MAX_LINES else []
    )
    return [*long, *problems(stored.load(file))]


def main() -> None:
    """Check a definition and exit with what is wrong with it."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else stored.FILE
    found = problems_in(file)
    if found:
        sys.exit("\n".join(found))
    states = sum(1 for _ in stored.states_in(stored.load(file)))
    print(f"{file.name}: {states} states in {file.read_text(encoding='utf-8').count(chr(10))} lines, no mistake found.")


if __name__ == "__main__":
    main()
