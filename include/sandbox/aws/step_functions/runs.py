"""One execution while it runs: its history, its end, and the limits that AWS sets it.

Follows "Step Functions service quotas" and "GetExecutionHistory" in the AWS documentation.
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from sandbox.aws.faults import ChildFault
from sandbox.aws.step_functions.payloads import LIMITS, check_size, text_of
from sandbox.aws.step_functions.status_events import emit

Execution = dict[str, Any]
Interpret = Callable[..., Any]
"""`interpret(states, first state, input, execution, context)`: the interpreter."""


_processor = threading.Lock()


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Interpret states in this thread, and in no other until `idle`.

    Twenty children that begin together would share the processor evenly, end their second of work all at its end, and
    stay together ever after, each second longer by the work of all. One after another they drift apart.
    """
    with _processor:
        yield


@contextlib.contextmanager
def idle() -> Iterator[None]:
    """Let other threads interpret while this one waits."""
    _processor.release()
    try:
        yield
    finally:
        _processor.acquire()


class Ended(BaseException):
    """The execution is over while a state still works: stopped, timed out or at a limit.

    No state can catch it, which is why it is not an Exception.
    """

    def __init__(self, status: str, error: str = "", cause: str = "") -> None:
        super().__init__(status, error, cause)
        self.status, self.error, self.cause = status, error, cause


class Run:
    """The running part of an execution record, shared by all threads that work on it.

    Args:
        execution: the emulator's record, as DescribeExecution shows it.
        machine: the state machine's record.
        walk: the interpreter for its states and those of its children.
        express: whether it is a child, which has no history and ends after five minutes.
        seconds: the state machine's TimeoutSeconds.

    """

    def __init__(
        self,
        execution: Execution,
        machine: dict[str, Any],
        interpret: Interpret,
        *,
        express: bool = False,
        seconds: float | None = None,
    ) -> None:
        self.execution = execution
        self.machine = machine
        self.interpret = interpret
        self.express = express
        self.children: list[Run] = []
        self.ended: Ended | None = None
        self._fault: ChildFault | None = None
        self._over = threading.Event()
        self._lock = threading.RLock()
        limits = [limit for limit in (seconds, LIMITS.express_seconds if express else None) if limit is not None]
        self._deadline = time.monotonic() + min(limits) if limits else None
        execution["_run"] = self

    def set_fault(self, fault: ChildFault | None) -> None:
        """Let `fault` end the execution as FAILED in the middle."""
        self._fault = fault
        if fault and not fault.state:
            timer = threading.Timer(fault.seconds, in_own_context(self._kill))
            timer.daemon = True
            timer.start()

    def _kill(self) -> None:
        self.end(Ended("FAILED", "States.Runtime", "Killed on demand"))

    def enter(self, name: str) -> None:
        """Record that a state begins."""
        if self._fault and self._fault.state == name:
            with self._lock:
                self._fault.visits -= 1
            if self._fault.visits == 0:
                self._kill()

    def check(self) -> None:
        """Raise Ended if the execution is over."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.end(Ended("TIMED_OUT", "States.Timeout", "The execution timed out"))
        if self.ended is not None:
            raise self.ended

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than the execution lasts."""
        with idle():
            self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Wait in a thread that is idle."""
        left = seconds if self._deadline is None else min(seconds, self._deadline - time.monotonic())
        self._over.wait(max(0.0, left))
        self.check()

    def record(self, kind: str, payload: tuple[str, Any] | None = None, **details: Any) -> None:
        """Add an event to the history; `payload` is a detail's name and the data whose text it shows.

        An execution that has 24,999 events and does not succeed with the next one fails.
        """
        self.check()
        if self.express:
            return
        if payload:
            details[payload[0]] = text_of(payload[1])
        with self._lock:
            if len(self.execution["events"]) >= LIMITS.history_events - 1:
                self.end(
                    Ended(
                        "FAILED",
                        "States.Runtime",
                        f"The execution reached the maximum number of history events ({LIMITS.history_events}).",
                    )
                )
            else:
                self._append(kind, details)
        self.check()

    def _append(self, kind: str, details: dict[str, Any]) -> None:
        events = self.execution["events"]
        event: dict[str, Any] = {
            "id": len(events) + 1,
            "previousEventId": len(events),
            "type": kind,
            "timestamp": now_iso(),
        }
        if details:
            name = "stateEntered" if kind.endswith("StateEntered") else kind[0].lower() + kind[1:]
            name = "stateExited" if kind.endswith("StateExited") else name
            event[f"{name}EventDetails"] = details
        events.append(event)

    def succeed(self, output: Any) -> None:
        """Close the record with its output."""
        self._close("SUCCEEDED", output=text_of(output))

    def end(self, ended: Ended) -> None:
        """End the execution and its children from any thread; the first end counts."""
        with self._lock:
            if self.ended is None and self.execution["status"] == "RUNNING":
                self.ended = ended
                self._close(ended.status, error=ended.error, cause=ended.cause)
        self._over.set()
        for child in list(self.children):
            child.end(Ended("ABORTED"))

    def _close(self, status: str, *, output: str | None = None, error: str = "", cause: str = "") -> None:
        with self._lock:
            if self.execution["status"] != "RUNNING":
                return
            self.execution.update(status=status, output=output, stopDate=now_iso())
            if status != "SUCCEEDED":
                self.execution.update(error=error, cause=cause)
            kind = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "ABORTED": "Aborted", "TIMED_OUT": "TimedOut"}[status]
            details = {"output": output} if output is not None else {"error": error, "cause": cause}
            if not self.express:
                self._append(f"Execution{kind}", details)
        if not self.express:
            emit(self.execution)

    def carry_out(self, work: Callable[[], Any]) -> None:
        """Run `work` to its output and close the record with it, or with the error that ended it."""
        # A nested execution runs in the thread of the one that waits for it.
        before = current.set(self)
        try:
            with busy():
                output = work()
            self.check()
            check_size(output, self.execution["name"])
        except Ended:
            return
        except sfn._ExecutionError as error:
            self.end(Ended("FAILED", error.error, error.cause))
        except Exception as error:  # noqa: BLE001 whatever the interpreter trips over ends the execution
            sfn.logger.exception("execution %s", self.execution["executionArn"])
            self.end(Ended("FAILED", "States.Runtime", str(error)))
        else:
            self.succeed(output)
        finally:
            current.reset(before)


def context_of(execution: Execution, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the context object of an execution (`$states.context`, `$$`)."""
    return {
        "QueryLanguage": "JSONata",
        "Execution": {
            "Id": execution["executionArn"],
            "Input": json.loads(execution["input"] or "{}"),
            "Name": execution["name"],
            "RoleArn": machine["roleArn"],
            "StartTime": execution["startDate"],
            "RedriveCount": execution.get("redriveCount", 0),
        },
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        "variables": {},
    }


current: contextvars.ContextVar[Run] = contextvars.ContextVar("current")
"""The run that this thread works for."""


def in_own_context(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Return a call of `function` that sees this thread's account, Region and run from another thread."""
    context = contextvars.copy_context()
    return lambda: context.run(function, *arguments)
