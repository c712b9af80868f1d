"""The state machine's definition as it is stored, and a walk over its states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

JSON = dict[str, Any]

FILE = Path(__file__).with_name("state_machine.asl.json")
COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider:"


def states_in(definition: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield the name and the body of every state, those of Map and Parallel states too."""
    for name, state in definition["States"].items():
        yield name, state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from states_in(inner)


def load(file: Path = FILE) -> JSON:
    """Return the stored definition."""
    definition: JSON = json.loads(file.read_text(encoding="utf-8"))
    return definition
