"""The state machine's definition, with the error lists that the import's one table of decisions calls for.

    python -m aws.definition            writes the lists into state_machine.asl.json
    python -m aws.definition --check    exits with 1 if they are not what the table says

`cognito_import.decisions` decides what each error code means. Step Functions wants that as lists of error names in
every Retry and Catch, so they are made from the table here and never written by hand.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cognito_import.decisions import DECISIONS, Decision, decide
from cognito_import.user_pool import LONGEST_BACKOFF

JSON = dict[str, Any]

FILE = Path(__file__).with_name("state_machine.asl.json")
COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider:"
PREFIX = "CognitoIdentityProvider"

GENERAL = f"{PREFIX}.{PREFIX}Exception"
"""The name of every error that the service answers but does not model, a denied permission among them.

An SDK integration names an error after the exception class of the SDK for Java, which has a class for each modelled
error and this one for all others ("Error names", AWS Step Functions Developer Guide).
"""
UNANSWERED = ("States.Timeout", f"{PREFIX}.SdkClientException")
"""Nobody knows what a call did that was not answered."""

RETRIES = 9
"""Repetitions of a call. They wait 1 + 2 + 4 + 8 + 5 x 16 = 95 s at most, so that a child that starts a last user
before its own limit of 180 s still ends within the five minutes of an EXPRESS execution."""
RETRIES_OF_GENERAL = 3
"""Repetitions of a call that met an error without a name: enough for a passing fault, and few for a denied permission."""

STOP, RETRY = "STOP", "RETRY"


def states_in(definition: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield the name and the body of every state, those of Map and Parallel states too."""
    for name, state in definition["States"].items():
        yield name, state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from states_in(inner)


def error_names(operation: str, decision: Decision) -> list[str]:
    """Return the error names of all codes that `decision` holds for; `operation` is as in `AdminCreateUser`."""
    return sorted(f"{PREFIX}.{code}" for code in DECISIONS if decide(operation, code) is decision)


def decided(definition: JSON) -> JSON:
    """Return `definition` with the Retry and the Catch of its calls to Cognito made from the table.

    The first Catch of such a state is the one for errors that stop the calls.
    """
    made = copy.deepcopy(definition)
    for _, state in states_in(made):
        resource = str(state.get("Resource", ""))
        if not resource.startswith(COGNITO):
            continue
        method = resource.removeprefix(COGNITO)
        operation = method[0].upper() + method[1:]
        backoff = {
            "IntervalSeconds": 1,
            "BackoffRate": 2,
            "MaxDelaySeconds": int(LONGEST_BACKOFF),
            "JitterStrategy": "FULL",
        }
        state["Retry"] = [
            {"ErrorEquals": [*error_names(operation, Decision.RETRY), *UNANSWERED], "MaxAttempts": RETRIES, **backoff},
            {"ErrorEquals": [GENERAL], "MaxAttempts": RETRIES_OF_GENERAL, **backoff},
        ]
        state["Catch"][0]["ErrorEquals"] = error_names(operation, Decision.STOP)
    return made


def load(file: Path = FILE) -> JSON:
    """Return the stored definition."""
    definition: JSON = json.loads(file.read_text(encoding="utf-8"))
    return definition


def text_of(definition: JSON) -> str:
    """Return the definition as it is stored."""
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Bring the stored definition up to date with the table, or check that it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the file is out of date")
    check = parser.parse_args().check
    wanted = text_of(decided(load()))
    if wanted == FILE.read_text(encoding="utf-8"):
        return
    if check:
        sys.exit(f"{FILE} does not follow cognito_import.decisions: run python -m aws.definition")
    FILE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
