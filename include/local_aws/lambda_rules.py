"""What Lambda documents and the emulator leaves out: a failed function is named by its exception."""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc

_LAST_LINE = re.compile(r"(?:\w+\.)*(\w+)(?::.*)?")


def _named_by_its_exception(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Answer errorType and stackTrace as in "Handling errors in Lambda", from the traceback the function left."""

    @functools.wraps(execute)
    def executed(*arguments: Any) -> dict[str, Any]:
        result = execute(*arguments)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            _, found, traceback = str(result.get("log", "")).rpartition("Traceback (most recent call last):\n")
            lines = traceback.splitlines()
            outer = [line for line in lines if line and not line.startswith(" ")]
            match = _LAST_LINE.match(outer[0]) if found and outer else None
            if match:
                body.update(errorType=match[1], stackTrace=[f"{line}\n" for line in lines if line.startswith("  File")])
        return result

    return executed


def install() -> None:
    """Put the rule into the emulator."""
    lambda_svc._execute_function_warm = _named_by_its_exception(lambda_svc._execute_function_warm)
