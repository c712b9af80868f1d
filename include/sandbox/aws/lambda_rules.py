"""What Lambda documents and the emulator leaves out: the name of a failure, and who may invoke a function by an event.

Also, what AWS does on machines of its own is kept small here, where it took minutes when twenty functions started at once:
few processes run, and they share one copy of a package instead of unpacking and compiling it each.
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import hashlib
import re
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, lambda_svc

MAX_INVOCATIONS = 6
"""Invocations at a time, each with a process; others wait. For the functions here, which do not invoke each other."""

_LAST_LINE = re.compile(r"(?:\w+\.)*(\w+)(?::.*)?")


def _few_at_once(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Let further invocations wait, so that a machine that is busy does not start ever more processes."""
    places = threading.BoundedSemaphore(MAX_INVOCATIONS)

    @functools.wraps(execute)
    def executed(*arguments: Any) -> dict[str, Any]:
        with places:
            return execute(*arguments)

    return executed


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


class _SharedZip(zipfile.ZipFile):
    """A package that is unpacked once, and linked to from then on."""

    _unpacking = threading.Lock()  # `_lock` is a name of ZipFile

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Unpack everything, or link `path` to where it lies already."""
        digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()[:16]
        shared = Path(tempfile.gettempdir()) / f"function-{digest}"
        with self._unpacking:
            if not shared.exists():
                draft = shared.with_suffix(".draft")
                super().extractall(draft, members, pwd)
                draft.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared, target_is_directory=True)


def _only_if_permitted(deliver: Callable[..., None]) -> Callable[..., None]:
    """Deliver a rule's event to a function whose policy permits it, as in "Using resource-based policies for EventBridge"."""

    @functools.wraps(deliver)
    def delivered(target: dict[str, Any], event: Any, rule: dict[str, Any], *more: Any) -> None:
        arn = str(target.get("Arn", ""))
        if ":function:" in arn:
            asked = EvalContext(
                principal_arn="*",
                principal_type="Service",
                principal_account="",
                action="lambda:InvokeFunction",
                resource_arn=arn,
                region=get_region(),
                service_context={"aws:sourcearn": rule["Arn"], "aws:sourceaccount": get_account_id()},
            )
            policy = (lambda_svc.function_policy_for_arn(arn) or ({},))[0]
            if evaluate_resource_policy(policy, asked, service="events.amazonaws.com").decision != "Allow":
                lambda_svc.logger.warning("%s may not invoke %s", rule["Arn"], arn)
                return
        deliver(target, event, rule, *more)

    return delivered


def install() -> None:
    """Put the rules into the emulator."""
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": _SharedZip})
    eventbridge._invoke_target = _only_if_permitted(eventbridge._invoke_target)
    lambda_svc._execute_function_warm = _few_at_once(_named_by_its_exception(lambda_svc._execute_function_warm))
