"""What is refused of a definition: what AWS does not take, and what is not emulated.

Follows "Passing data between states with variables": a variable that a scope assigns may not have the name of one that
an outer scope assigns, in whatever state. AWS does not publish how it words the refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

JSON = dict[str, Any]
RESOURCES = ("arn:aws:states:::lambda:invoke", "arn:aws:states:::aws-sdk:cognitoidentityprovider:")
FIELDS: dict[str, frozenset[str]] = {
    "Pass": frozenset(),
    "Task": frozenset({"Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch"}),
    "Choice": frozenset({"Choices", "Default"}),
    "Wait": frozenset({"Seconds"}),
    "Succeed": frozenset(),
    "Fail": frozenset({"Error", "Cause"}),
    "Map": frozenset(
        {"Items", "ItemReader", "ItemSelector", "ItemProcessor", "MaxConcurrency", "ToleratedFailurePercentage"}
        | {"Label", "Retry", "Catch"}
    ),
}
"""What is emulated: the types of states, and their fields beside those of all."""
COMMON = frozenset({"Type", "Comment", "Next", "End", "Output", "Assign"})


def refusal(definition: JSON) -> str:
    """Return what is wrong with a definition, or ""."""
    if definition.get("QueryLanguage") != "JSONata":
        return "Only JSONata is emulated at /QueryLanguage"
    return next(_mistakes(definition, "", frozenset()), "")


def _mistakes(machine: JSON, path: str, outer: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong in a scope and those within; `outer` are the variables that outer scopes assign."""
    states: JSON = machine["States"]
    own = frozenset(name for state in states.values() for name in _assigned(state))
    for name in sorted(own & outer):
        yield f"The variable {name} is assigned in an outer scope, too, at {path}/States"
    for name, state in states.items():
        where = f"{path}/States/{name}"
        allowed = FIELDS.get(state["Type"])
        if allowed is None:
            yield f"The type {state['Type']} is not emulated at {where}"
            continue
        unknown = {*state} - allowed - COMMON | ({"Output"} & {*state} if state["Type"] == "Choice" else set())
        yield from (f"{field} is not emulated at {where}" for field in sorted(unknown))
        if state["Type"] == "Task" and not str(state.get("Resource")).startswith(RESOURCES):
            yield f"The resource {state.get('Resource')} is not emulated at {where}"
        if state["Type"] == "Map":
            yield from _mistakes(state["ItemProcessor"], f"{where}/ItemProcessor", outer | own)


def _assigned(state: JSON) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        yield from holder.get("Assign", ())
