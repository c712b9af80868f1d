"""Faults on demand: what a call to an emulated service, or a child of a Map Run, meets instead of going well.

`LocalAws.fault`, `outage`, `kill_child` and `double_child` set them from a test; calls over HTTP and those
that a state machine makes meet them alike. Services: cognito-idp, s3, ses, states.

    aws.fault("AdminCreateUser", code="TooManyRequestsException", times=3)             the next three calls
    aws.fault("AdminCreateUser", "drop_after", after=5, username="a@example.com")      a call later on
    aws.fault("", "error_after", probability=0.05, seed=7, times=None)                 5% of all calls to Cognito
    aws.fault("SendEmail", "error_after", service="ses")                               fails after the mail went out
    aws.outage("cognito-idp", 120, code="InternalErrorException", status=500)          two minutes of 500s
    aws.outage("states", 60, operation="DescribeExecution", code="ThrottlingException", status=400)
    aws.outage("s3", 20, kind="silent_before")                                         S3 is timing out
    aws.kill_child(after=2, state="AdminCreateUser", visits=3)                         see `ChildFault`
    aws.double_child(delay=1)
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.aws.responses import Response, error_response, lost_response

KINDS = ("error", "error_after", "hang", "silent", "silent_before", "drop_before", "drop_after")
CHILD_KINDS = ("kill", "double")


def _check_kind(kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        message = f"kind: one of {', '.join(known)} is wanted, not {kind!r}"
        raise ValueError(message)


@dataclass
class Fault:
    """What happens to the next `times` calls that match, once `after` matching calls have passed.

    `error` answers `code`, `message` and `status` without any effect, `error_after` once the call took effect.
    `hang` waits `seconds` before the call takes effect. `silent` lets it take effect and then answers nothing
    for `seconds`, `silent_before` does so without the effect; then the connection is cut, if the client has not
    given up before. `drop_before` cuts the connection before the effect, `drop_after` after it.
    """

    service: str = "cognito-idp"
    operation: str = ""
    """"" matches every operation of the service."""
    kind: str = "error"
    times: int | None = 1
    """None: every call that matches."""
    after: int = 0
    code: str = "InternalErrorException"
    message: str = "Fault on demand"
    status: int | None = None
    """None: 500 for `error_after`, else 400."""
    seconds: float = 5.0
    username: str = ""
    """"" matches every user."""
    probability: float = 1.0
    """The share of the matching calls that it strikes, drawn by a generator of its own that begins at `seed`."""
    seed: int = 0
    lasting: float | None = None
    """Seconds after which it ends, whatever is left of `times`."""

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind."""
        _check_kind(self.kind, KINDS)
        self.status = self.status or (500 if self.kind == "error_after" else 400)
        self._draw = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        self._ends = float("inf")

    def begin(self, now: float) -> None:
        """Count `lasting` from `now`."""
        self._ends = now + (float("inf") if self.lasting is None else self.lasting)

    def is_over(self, now: float) -> bool:
        """Return whether nothing is left of it."""
        return self.times == 0 or now >= self._ends

    def strikes(self, service: str, operation: str, username: str) -> bool:
        """Return whether it strikes this call, and count the call."""
        asked = self.service == service and self.operation in ("", operation) and self.username in ("", username)
        if not asked:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.probability < 1 and self._draw.random() >= self.probability:
            return False
        self.times = None if self.times is None else self.times - 1
        return True


@dataclass
class ChildFault:
    """What happens to the next `times` children of Map Runs, once `after` children have started unharmed.

    `kill` ends a child as FAILED as it enters `state` for the `visits`-th time, or `seconds` after its start
    if no state is given; its calls that are under way still take effect. `double` runs a child a second time
    under the same name and with the same input, as AWS may run an express workflow: `seconds` after it began,
    or after it ended if `seconds` is negative. The first result counts; the Map Run waits for both.
    """

    kind: str
    times: int = 1
    after: int = 0
    state: str = ""
    visits: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind."""
        _check_kind(self.kind, CHILD_KINDS)


@dataclass
class FaultPlan:
    """The faults and outages that are still to come."""

    clock: Callable[[], float] = time.monotonic
    faults: list[Fault] = field(default_factory=list)
    child_faults: list[ChildFault] = field(default_factory=list)

    def clear(self) -> None:
        """Drop all faults and end all outages."""
        self.faults.clear()
        self.child_faults.clear()

    def add(self, fault: Fault) -> None:
        """Set a fault; it begins now."""
        fault.begin(self.clock())
        self.faults.append(fault)

    def set_outage(self, service: str, seconds: float, **details: Any) -> None:
        """Let every call of `service` meet a 503, or what `details` say, for `seconds` from now, before all faults."""
        usual = {"code": "SlowDown" if service == "s3" else "ServiceUnavailable", "status": 503}
        usual |= {"message": "Service is unable to handle request.", "times": None, "seconds": seconds}
        fault = Fault(service=service, lasting=seconds, **{**usual, **details})
        fault.begin(self.clock())
        self.faults.insert(0, fault)

    def take(self, service: str, operation: str, username: str) -> Fault | None:
        """Return the fault that this call meets, and count it; the fault set first comes first."""
        now = self.clock()
        self.faults[:] = [fault for fault in self.faults if not fault.is_over(now)]
        return next((fault for fault in self.faults if fault.strikes(service, operation, username)), None)

    def take_child(self) -> dict[str, ChildFault]:
        """Return the faults, by kind, that the child which starts now meets, and count it."""
        struck: dict[str, ChildFault] = {}
        for fault in list(self.child_faults):
            if fault.after > 0:
                fault.after -= 1
            elif fault.kind not in struck:
                struck[fault.kind] = replace(fault)
                fault.times -= 1
                if fault.times <= 0:
                    self.child_faults.remove(fault)
        return struck

    async def serve(
        self, service: str, operation: str, username: str, effect: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Return the answer of `effect()`, or what a fault makes of the call."""
        fault = self.take(service, operation, username)
        if fault is None:
            return await effect()
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            return await effect()
        if fault.kind in ("error_after", "silent", "drop_after"):
            await effect()
        if fault.kind in ("silent", "silent_before"):
            await asyncio.sleep(fault.seconds)
        if fault.kind in ("error", "error_after"):
            return error_response(service, fault.code, fault.message, fault.status or 400)
        return lost_response(fault.kind)
