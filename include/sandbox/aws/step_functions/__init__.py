"""Step Functions as AWS documents it, where the emulator's own is looser.

`install` replaces the emulator's interpreter, for what the product's definition uses (`definition` refuses the rest);
its JSONata and its choices stay in use. Deliberately different from AWS: a redriven execution runs a failed inline Map
anew as a whole, and a failing iteration lets its running neighbours finish.
"""

from __future__ import annotations

from typing import Any

from sandbox.aws.faults import FaultPlan
from sandbox.aws.responses import Response
from sandbox.aws.step_functions import api, interpreter, map_run, status_events, variables


def install(plan: FaultPlan) -> None:
    """Put the interpreter, the integrations and the API operations into the emulator."""
    map_run.MapRun.faults = plan
    interpreter.install()
    variables.install()
    status_events.install()
    api.install()


def serve(operation: str, request: dict[str, Any]) -> Response | None:
    """Answer an API operation that the emulator does not have, or None if `operation` is not one of them."""
    return api.serve_redrive(request) if operation == "RedriveExecution" else None
