"""The state machine's definition as it is stored, and the check that finds mistakes in one."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from jsonata.jsonata import Jsonata

from aws import definition, lint
from cognito_import.decisions import DECISIONS, Decision, decide

JSON = dict[str, Any]
STORED = definition.load()
CALLS = {
    "Create": "AdminCreateUser",
    "AddToGroup": "AdminAddUserToGroup",
    "Look": "AdminGetUser",
    "Find": "AdminGetUser",
    "Delete": "AdminDeleteUser",
}
"""The states that call Cognito, and what they call."""


def state(machine: JSON, wanted: str) -> JSON:
    """The body of a state, at whatever depth."""
    return next(body for name, body in definition.states_in(machine) if name == wanted)


def test_stored_definition_follows_the_table_and_has_no_mistake() -> None:
    """The file is what the table of decisions makes of it, and the check finds nothing."""
    assert definition.decided(STORED) == STORED
    assert definition.text_of(STORED) == definition.FILE.read_text(encoding="utf-8")
    assert lint.problems(STORED) == []


@pytest.mark.parametrize("code", sorted(DECISIONS))
@pytest.mark.parametrize("name", CALLS)
def test_every_code_meets_what_the_table_decides(name: str, code: str) -> None:
    """A code that is to be retried stands in the Retry, one that stops the calls in the first Catch, no other in either."""
    body = state(STORED, name)
    operation = CALLS[name]
    error = f"CognitoIdentityProvider.{code}"
    assert (error in body["Retry"][0]["ErrorEquals"]) is (decide(operation, code) is Decision.RETRY)
    assert (error in body["Catch"][0]["ErrorEquals"]) is (decide(operation, code) is Decision.STOP)


def test_all_calls_are_known() -> None:
    """No state calls Cognito but those whose errors are tested here."""
    resources = {name: str(body.get("Resource", "")) for name, body in definition.states_in(STORED)}
    called = {name: text for name, text in resources.items() if text.startswith(definition.COGNITO)}
    assert called == {name: f"{definition.COGNITO}{call[0].lower()}{call[1:]}" for name, call in CALLS.items()}


def test_calls_are_repeated_with_backoff_and_full_jitter() -> None:
    """Every call to Cognito waits exponentially longer, at random from nothing on, and up to a limit."""
    for name in CALLS:
        for retry in state(STORED, name)["Retry"]:
            assert (retry["BackoffRate"], retry["JitterStrategy"]) == (2, "FULL")
            assert retry["MaxDelaySeconds"] <= 16


def _set(name: str, key: str, value: Any) -> Callable[[JSON], None]:
    return lambda machine: state(machine, name).update({key: value})


def _list_error(machine: JSON) -> None:
    state(machine, "Store")["Retry"][0]["ErrorEquals"] = ["S3.SlowDown"]


def _misread(machine: JSON) -> None:
    state(machine, "Store")["Arguments"]["Key"] = "{% $foldr & $token %}"


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        pytest.param(_set("Done", "Type", "Pass"), "leads nowhere", id="dead-end"),
        pytest.param(_set("TakeIn", "Next", "Nowhere"), "no state 'Nowhere'", id="no-such-state"),
        pytest.param(_set("IsAnyBatch", "Default", "IsReportWanted"), "'Import' is never reached", id="unreached"),
        pytest.param(_set("Pause", "Seconds", "{% $run.pause + %}"), "does not parse", id="syntax"),
        pytest.param(_set("Pause", "Seconds", "{% $run.pause ~> $eval %}"), "$eval", id="eval-is-not-offered"),
        pytest.param(_set("Pause", "Seconds", "{% $celi(1.5) %}"), "no function $celi", id="function"),
        pytest.param(_misread, "nothing assigns $foldr", id="variable"),
        pytest.param(_set("Begin", "Output", "{% $round %}"), "nothing assigns $round", id="parents-variable"),
        pytest.param(_set("PauseAgain", "Assign", {"next": 1}), "$next is assigned outside", id="scope"),
        pytest.param(_list_error, "no error 'S3.SlowDown'", id="error-name"),
        pytest.param(_set("Create", "Retry", []), "do not follow", id="table"),
        pytest.param(lambda machine: state(machine, "Create").pop("TimeoutSeconds"), "no timeout", id="timeout"),
        pytest.param(lambda machine: state(machine, "IsOver").pop("Default"), "no Default", id="default"),
    ],
)
def test_planted_mistake_is_found(mistake: Callable[[JSON], Any], found: str) -> None:
    """The check names a mistake that AWS would show only at run time."""
    machine = copy.deepcopy(STORED)
    mistake(machine)
    assert any(found in problem for problem in lint.problems(machine))


def test_service_tail_is_stripped_and_the_message_kept() -> None:
    """The message in the CSV is the service's own, whichever form Step Functions gives it."""
    expression = state(STORED, "Create")["Catch"][-1]["Assign"]["message"].strip("{% }")
    for tail in (
        " (Service: CognitoIdentityProvider, Status Code: 400, Request ID: 5f3a)",
        " (Service: CognitoIdentityProvider, Status Code: 400, Request ID: 5f3a) (SDK Attempt Count: 1)",
        "",
    ):
        evaluated = Jsonata.jsonata(expression + ")" * (expression.count("(") - expression.count(")")))
        states = {"errorOutput": {"Cause": f"Invalid (sic) value.{tail}"}}
        assert evaluated.evaluate(None, {"states": states}) == "Invalid (sic) value."


def test_password_never_leaves_the_express_children() -> None:
    """The temporary password is read inside the Map alone, and goes into a variable, never into an output."""
    parent = {name: body for name, body in STORED["States"].items() if name != "Import"}
    assert "Password" not in json.dumps(parent)
    assert STORED["States"]["Import"]["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] == "EXPRESS"
    assert state(STORED, "ReadPassword")["Output"] == {}
    uses = [
        text
        for _, body in definition.states_in(STORED)
        for text in re.findall(r"[^\"]*\$password[^\"]*", str(body.get("Output", "")))
    ]
    assert uses == []


def test_express_children_end_within_five_minutes() -> None:
    """The limit of a child, and the longest repetition of one call after it, leave room below 300 s."""
    own = int(re.search(r"\$millis\(\) \+ (\d+)", state(STORED, "Begin")["Assign"]["deadline"])[1]) / 1000
    retry = state(STORED, "Create")["Retry"][0]
    longest = sum(min(2**attempt, retry["MaxDelaySeconds"]) for attempt in range(retry["MaxAttempts"]))
    assert own + longest < 300
