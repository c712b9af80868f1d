"""AWS's own language service, which its consoles' and editors' checks are made of, on the stored definition."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from stack import definition

FOLDER = Path(__file__).resolve().parents[2] / "build" / "language-service"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:cognito-import-main"


def findings(text: str) -> list[str]:
    """What the language service, and JSONata's reference engine, find in a definition."""
    if not (FOLDER / ".ready").exists():
        if shutil.which("npm"):
            pytest.fail(f"{FOLDER} is missing: run `make second-opinion`.")
        pytest.skip("LEFT OUT: there is no npm, so AWS's own language service has not looked at the definition.")
    command = ["node", str(Path(__file__).with_name("language_service.js")), str(FOLDER)]
    found = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    problems: list[str] = json.loads(found.stdout)
    return problems


def stored() -> str:
    """The stored definition as it is deployed."""
    return definition.FILE.read_text(encoding="utf-8").replace("${FunctionArn}", FUNCTION)


def test_definition_is_without_a_finding() -> None:
    """The definition, filled in as the stack does, has nothing to be found."""
    assert findings(stored()) == []


@pytest.mark.parametrize(
    ("right", "wrong", "found"),
    [
        pytest.param('"Seconds":', '"Secnds":', 'Missing property "Seconds"', id="property"),
        pytest.param('"Next": "SendResult"', '"Next": "Nowhere"', "name of an existing state", id="state"),
        pytest.param("{% $states.input %}", "{% $states.input[ %}", "expression", id="syntax"),
    ],
)
def test_planted_mistake_is_found(right: str, wrong: str, found: str) -> None:
    """The service does look: a mistake in a copy of the definition is found."""
    assert right in stored()
    assert any(found in problem for problem in findings(stored().replace(right, wrong)))
