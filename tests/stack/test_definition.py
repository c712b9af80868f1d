"""The state machine's definition as it is stored, and the check that finds mistakes in one."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognito_import import errors
from cognito_import.engine.children import CALL_SECONDS, DRAIN_SECONDS, MAX_CHILD_SECONDS
from stack import definition, lint
from stack.parameters import TEMPLATE

JSON = dict[str, Any]
STORED = definition.load()
LAMBDA = "arn:aws:states:::lambda:invoke"

WELL: JSON = {
    "QueryLanguage": "JSONata",
    "StartAt": "Ingest",
    "States": {
        "Ingest": {
            "Type": "Task",
            "Resource": LAMBDA,
            "Arguments": {"FunctionName": "${FunctionArn}", "Payload": "{% $states.input %}"},
            "TimeoutSeconds": 60,
            "Retry": [{"ErrorEquals": ["Lambda.ServiceException"], "JitterStrategy": "FULL"}],
            "Catch": [{"ErrorEquals": ["RequestError"], "Next": "Refuse"}],
            "Assign": {"run": "{% $states.result.Payload %}", "slots": 20},
            "Next": "IsAny",
        },
        "IsAny": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $exists($run.key) %}", "Next": "Import"}],
            "Default": "Done",
        },
        "Import": {
            "Type": "Map",
            "MaxConcurrency": "{% $slots %}",
            "ItemSelector": {"pause": "{% $run.pause %}", "user": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                "StartAt": "Pause",
                "States": {
                    "Pause": {
                        "Type": "Wait",
                        "Seconds": "{% $states.input.pause %}",
                        "Assign": {"user": "{% $states.input.user %}"},
                        "Next": "Calls",
                    },
                    "Calls": {
                        "Type": "Map",
                        "Items": "{% [$user.groups] %}",
                        "ItemProcessor": {
                            "StartAt": "Create",
                            "States": {
                                "Create": {
                                    "Type": "Task",
                                    "Resource": f"{definition.COGNITO}adminCreateUser",
                                    "Arguments": {"UserPoolId": "pool", "Username": "{% $user.address %}"},
                                    "TimeoutSeconds": 20,
                                    "Catch": [
                                        {
                                            "ErrorEquals": ["CognitoIdentityProvider.UsernameExistsException"],
                                            "Assign": {"cause": "{% $states.errorOutput.Cause %}"},
                                            "Next": "Settled",
                                        }
                                    ],
                                    "End": True,
                                },
                                "Settled": {"Type": "Succeed", "Output": "{% $cause %}"},
                            },
                        },
                        "End": True,
                    },
                },
            },
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
        "Refuse": {"Type": "Fail"},
    },
}
"""A definition with one of each thing that the check looks at, and no mistake."""


def state(machine: JSON, wanted: str) -> JSON:
    """Return the body of a state, at whatever depth."""
    return next(body for name, body in definition.states_in(machine) if name == wanted)


def test_stored_definition_has_no_mistake() -> None:
    """The check finds nothing: 30 states and 700 lines at most, and all that is planted below."""
    assert lint.problems_in(definition.FILE) == []


def test_definition_without_a_mistake_passes() -> None:
    """What is planted below is found for its own sake."""
    assert lint.problems(WELL) == []


def _set(name: str, key: str, value: Any) -> Callable[[JSON], None]:
    return lambda machine: state(machine, name).update({key: value})


def _jitter(machine: JSON) -> None:
    state(machine, "Create")["Retry"] = [{"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL"}]


def _unmodelled(machine: JSON) -> None:
    state(machine, "Create")["Catch"][0]["ErrorEquals"] = ["CognitoIdentityProvider.InternalFailure"]


def _same_name(machine: JSON) -> None:
    inner = state(machine, "Calls")["ItemProcessor"]
    inner["States"]["Done"] = inner["States"].pop("Settled")
    state(machine, "Create")["Catch"][0]["Next"] = "Done"


def _grow(machine: JSON) -> None:
    for number in range(40):
        machine["States"][f"Step{number}"] = {"Type": "Pass", "Next": f"Step{number + 1}"}
    state(machine, "Ingest")["Next"] = "Step0"
    state(machine, "Step39")["Next"] = "IsAny"


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        pytest.param(_set("Done", "Type", "Pass"), "leads nowhere", id="dead-end"),
        pytest.param(_set("Ingest", "Next", "Nowhere"), "no state 'Nowhere'", id="no-such-state"),
        pytest.param(_set("IsAny", "Choices", []), "'Import' is never reached", id="unreached"),
        pytest.param(_same_name, "2 states are called 'Done'", id="same-name"),
        pytest.param(_grow, "49 states", id="too-many-states"),
        pytest.param(_set("Pause", "Seconds", "{% $states.input.pause + %}"), "does not parse", id="syntax"),
        pytest.param(_set("Pause", "Seconds", "{% $states.input ~> $eval %}"), "$eval", id="eval-is-not-offered"),
        pytest.param(_set("Pause", "Seconds", "{% $celi(1.5) %}"), "no function $celi", id="function"),
        pytest.param(_set("Done", "Output", "{% $rum %}"), "nothing assigns $rum", id="variable"),
        pytest.param(_set("Pause", "Output", "{% $run %}"), "nothing assigns $run", id="parents-variable"),
        pytest.param(_set("Pause", "Assign", {"run": 1}), "$run is assigned outside", id="shadow-in-distributed-map"),
        pytest.param(_set("Settled", "Assign", {"user": 1}), "$user is assigned outside", id="shadow-in-inline-map"),
        pytest.param(_set("Settled", "Assign", {"slots": 1}), "$slots is assigned outside", id="shadow-two-scopes-up"),
        pytest.param(_set("Pause", "Output", "{% $user %}"), "Output reads $user", id="output-of-what-is-assigned"),
        pytest.param(
            _unmodelled, "no error 'CognitoIdentityProvider.InternalFailure'", id="error-that-is-not-modelled"
        ),
        pytest.param(_set("Ingest", "Retry", [{"ErrorEquals": ["S3.SlowDown"]}]), "no error 'S3", id="error-name"),
        pytest.param(_jitter, "full jitter", id="repeated-sooner-than-the-pace"),
        pytest.param(lambda machine: state(machine, "Create").pop("TimeoutSeconds"), "no timeout", id="timeout"),
        pytest.param(lambda machine: state(machine, "IsAny").pop("Default"), "no Default", id="default"),
    ],
)
def test_planted_mistake_is_found(mistake: Callable[[JSON], Any], found: str) -> None:
    """The check names a mistake that AWS would show only at run time, or a reader only after long."""
    machine = copy.deepcopy(WELL)
    mistake(machine)
    assert any(found in problem for problem in lint.problems(machine))


FUNCTION_STATES = [name for name, state in definition.states_in(STORED) if state.get("Resource") == LAMBDA]
MET = sorted(
    lint.LAMBDA_ERRORS | {"States.Timeout", "States.TaskFailed", "RunFolderError", "NotReadyError", "KeyError"}
)


@pytest.mark.parametrize("name", FUNCTION_STATES)
@pytest.mark.parametrize("error", MET)
def test_whatever_a_function_meets_is_tried_again(name: str, error: str) -> None:
    """Out of memory, timed out, throttled or cut off: a single such call costs no execution."""
    assert _attempts(name, error) >= 4


@pytest.mark.parametrize("name", ["Ingest", "AcquireLock", "Settle"])
def test_what_trying_again_cannot_change_fails_at_once(name: str) -> None:
    """Each of these is one of the core's errors that are never temporary."""
    final = dict(definition.states_in(STORED))[name]["Retry"][0]["ErrorEquals"]
    assert {_attempts(name, error) for error in final} == {0}
    assert not any(getattr(errors, error).temporary for error in final)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["Ingest", "AcquireLock", "Settle"], id="of-the-run"),
        pytest.param(["ReadBatch", "StoreUsernames", "StoreOutcomes"], id="of-a-child"),
    ],
)
def test_functions_are_called_again_alike(names: list[str]) -> None:
    """The language has no names for figures, so each state repeats them: they stay the same."""
    states = dict(definition.states_in(STORED))
    assert [states[name]["Retry"] for name in names] == [states[names[0]]["Retry"]] * len(names)


@pytest.mark.parametrize("name", ["ReadBatch", "StoreUsernames", "StoreOutcomes"])
def test_a_child_calls_no_function_again_after_its_end(name: str) -> None:
    """An EXPRESS execution has five minutes: a function that fails to the last attempt leaves time for the calls."""
    [retry] = dict(definition.states_in(STORED))[name]["Retry"]
    waits = [
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** number, retry["MaxDelaySeconds"])
        for number in range(retry["MaxAttempts"])
    ]
    assert MAX_CHILD_SECONDS + DRAIN_SECONDS + CALL_SECONDS + sum(waits) < 300


def _attempts(name: str, error: str) -> int:
    """Return how often the state is tried again after this error: the first Retry that matches decides."""
    retries = dict(definition.states_in(STORED))[name]["Retry"]
    return next(one["MaxAttempts"] for one in retries if {error, "States.ALL"} & set(one["ErrorEquals"]))


def test_definition_that_is_too_long_is_found(tmp_path: Path) -> None:
    """The same states on more lines than anybody reads are a mistake."""
    file = tmp_path / "long.asl.json"
    file.write_text(json.dumps(WELL) + "\n" * 701, encoding="utf-8")
    assert lint.problems_in(file) == ["long.asl.json: has 701 lines; at most 700 are read in five minutes."]


def test_template_fills_in_what_the_definition_leaves_open() -> None:
    """Every placeholder of the definition is one that the stack substitutes, and the other way round."""
    open_ = set(re.findall(r"\$\{(\w+)\}", definition.FILE.read_text(encoding="utf-8")))
    text = TEMPLATE.read_text(encoding="utf-8")
    filled = re.search(r"DefinitionSubstitutions:\n((?: {8}.*\n)+)", text)
    assert filled
    assert set(yaml.safe_load(filled[1].replace("!", ""))) == open_
