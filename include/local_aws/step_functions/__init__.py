"""Step Functions as AWS documents it, where the emulator's own is looser.

`install` replaces the emulator's interpreter; its expression language (JSONata, JSONPath), its choices and its
service integrations stay in use. Deliberately different from AWS: a redriven execution runs a failed inline
Map or Parallel state anew as a whole, and a failing iteration lets its running neighbours finish.
"""

from __future__ import annotations

from typing import Any

from local_aws.answers import Answer
from local_aws.step_functions import api, tasks, variables, walk


def install() -> None:
    """Put the interpreter, the integrations and the API operations into the emulator."""
    walk.install()
    variables.install()
    tasks.install()
    api.install()


def serve(operation: str, request: dict[str, Any]) -> Answer | None:
    """Answer an API operation that the emulator does not have, or None if `operation` is not one of them."""
    return api.serve_redrive(request) if operation == "RedriveExecution" else None
