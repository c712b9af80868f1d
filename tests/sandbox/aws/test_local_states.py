"""States, variables and limits of Step Functions, as AWS documents them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.sandbox.aws.tasks import COGNITO, kinds

from sandbox.aws.process import LocalAws

# Built by doubling: a longer expression would take more than the second it may take.
LONG = (
    "{% ($d := function($t, $n) { $n > 0 ? $d($t & $t, $n - 1) : $t }; $substring($d('x', 19), 0, $states.input.n)) %}"
)
LONG_IN_CONTEXT = LONG.replace("$states.input", "$states.context.Execution.Input")
MAX_BYTES = 256 * 1024
PASS = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("state", "frame"),
    [
        pytest.param({"Type": "Pass", "Output": LONG}, '""', id="output"),
        pytest.param({"Type": "Pass", "Assign": {"text": LONG}, "Output": ""}, '{"text":""}', id="assign"),
        pytest.param(
            {"Type": "Map", "Items": [1], "Output": ""}
            | {"ItemProcessor": {"StartAt": "A", "States": {"A": {**PASS, "Output": LONG_IN_CONTEXT}}}},
            '[""]',
            id="result",
        ),
        pytest.param(
            {"Type": "Task", "Resource": f"{COGNITO}:adminGetUser", "Arguments": {"UserPoolId": "-", "Username": LONG}},
            '{"UserPoolId":"-","Username":""}',
            id="arguments",
        ),
        pytest.param(
            {"Type": "Map", "Items": [1], "ItemSelector": {"text": LONG}, "Output": ""}
            | {"ItemProcessor": {"StartAt": "A", "States": {"A": {**PASS, "Output": ""}}}},
            '{"text":""}',
            id="input",
        ),
    ],
)
def test_a_payload_above_the_limit_fails_the_execution(
    machine: Callable[..., Any], state: dict[str, Any], frame: str
) -> None:
    """256 KiB pass; a byte more is States.DataLimitExceeded, which nothing repeats or catches."""
    fields: dict[str, Any] = {"Next": "Caught"}
    if state["Type"] != "Pass":
        fields |= {"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 0}]}
        fields |= {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}
    made = machine({"StartAt": "Grow", "States": {"Grow": {**state, **fields}, "Caught": {"Type": "Succeed"}}})
    fits = MAX_BYTES - len(frame)
    passed = made.run({"n": fits})
    assert passed["status"] == "SUCCEEDED", passed
    failed = made.run({"n": fits + 1})
    assert (failed["status"], failed["error"]) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize("names", [["States.ALL"], ["States.Runtime"]], ids=["all", "by name"])
def test_a_runtime_error_ends_the_execution(machine: Callable[..., Any], names: list[str]) -> None:
    """States.Runtime is neither repeated nor caught."""
    broken = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Missing"}}}
    handlers = {
        "Retry": [{"ErrorEquals": names, "IntervalSeconds": 0}],
        "Catch": [{"ErrorEquals": names, "Next": "Caught"}],
    }
    each = {"Type": "Map", "Items": [1], "ItemProcessor": broken, "End": True, **handlers}
    made = machine({"StartAt": "Each", "States": {"Each": each, "Caught": {"Type": "Succeed"}}})
    execution = made.start()
    assert made.wait(execution)["error"] == "States.Runtime"
    assert kinds(made, execution).count("MapIterationFailed") == 1


def test_variables_and_choices_work_as_in_jsonata(machine: Callable[..., Any]) -> None:
    """Assign sets what later states read, and a Choice takes the first rule that holds."""
    made = machine(
        {
            "StartAt": "Set",
            "States": {
                "Set": {"Type": "Pass", "Assign": {"count": "{% $count($states.input.data) %}"}, "Next": "Many?"},
                "Many?": {
                    "Type": "Choice",
                    "Default": "Few",
                    "Choices": [{"Condition": "{% $count > 2 %}", "Next": "Many"}],
                },
                "Many": {"Type": "Succeed", "Output": "{% 'many: ' & $count %}"},
                "Few": {"Type": "Fail", "Error": "Few", "Cause": "{% 'only ' & $count %}"},
            },
        }
    )
    assert made.output({"data": [1, 2, 3]}) == "many: 3"
    failed = made.run({"data": [1]})
    assert (failed["error"], failed["cause"]) == ("Few", "only 1")


def test_an_assign_reads_the_values_from_before(machine: Callable[..., Any]) -> None:
    """Assignments of one state do not see one another."""
    made = machine(
        {
            "StartAt": "First",
            "States": {
                "First": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
                "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Show"},
                "Show": {"Type": "Succeed", "Output": "{% [$a, $b] %}"},
            },
        }
    )
    assert made.output() == [2, 1]


def test_a_loop_around_a_wait_of_no_seconds_polls(machine: Callable[..., Any]) -> None:
    """A Wait takes 0 seconds, and as on AWS no state takes no time at all, so a loop that polls does not spin."""
    made = machine(
        {
            "StartAt": "Begin",
            "States": {
                "Begin": {"Type": "Pass", "Assign": {"due": "{% $millis() + 400 %}"}, "Next": "IsDue"},
                "IsDue": {
                    "Type": "Choice",
                    "Choices": [{"Condition": "{% $millis() >= $due %}", "Next": "Done"}],
                    "Default": "Poll",
                },
                "Poll": {"Type": "Wait", "Seconds": 0, "Next": "IsDue"},
                "Done": {"Type": "Succeed"},
            },
        }
    )
    execution = made.start()
    assert made.wait(execution)["status"] == "SUCCEEDED"
    assert 1 <= kinds(made, execution).count("WaitStateEntered") <= 20


def test_largest_payload_is_in_the_figures(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """The figures tell how many bytes the largest input, output or set of variables had, until they are reset."""
    machine({"Type": "Pass", "Output": "{% $pad('', 5000, 'x') %}"}).output()
    assert 5000 <= aws.stats()["step_functions"]["largest_payload"] < 6000
    machine({"Type": "Pass", "Assign": {"text": "{% $pad('', 7000, 'x') %}"}}).output()
    assert 7000 <= aws.stats()["step_functions"]["largest_payload"] < 8000
    aws.reset()
    assert aws.stats()["step_functions"]["largest_payload"] == 0
