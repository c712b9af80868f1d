"""Faults on demand: the next calls of an operation fail, hang or lose their connection; a service is out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from local_aws.answers import Answer, error_answer, lost_answer

KINDS = ("error", "hang", "drop_before", "drop_after")


@dataclass
class Fault:
    """What happens to the next `times` calls that match, once `after` matching calls have passed.

    `error` answers `code`, `message` and `status` without any effect. `hang` waits `seconds` before the
    call takes effect. `drop_before` cuts the connection before the effect, `drop_after` after it.
    """

    service: str = "cognito-idp"
    operation: str = ""
    """"" matches every operation of the service."""
    kind: str = "error"
    times: int = 1
    after: int = 0
    code: str = "InternalErrorException"
    message: str = "Fault on demand"
    status: int = 400
    seconds: float = 5.0
    username: str = ""
    """"" matches every user."""

    def __post_init__(self) -> None:
        """Refuse a kind that nobody knows."""
        if self.kind not in KINDS:
            message = f"kind: one of {', '.join(KINDS)} is wanted, not {self.kind!r}"
            raise ValueError(message)

    def matches(self, service: str, operation: str, username: str) -> bool:
        """Tell whether a call is of the kind that this fault waits for."""
        return self.service == service and self.operation in ("", operation) and self.username in ("", username)


@dataclass
class FaultPlan:
    """The faults and outages that are still to come."""

    clock: Callable[[], float] = time.monotonic
    faults: list[Fault] = field(default_factory=list)
    _out_until: dict[str, float] = field(default_factory=dict)

    def clear(self) -> None:
        """Drop all faults and end all outages."""
        self.faults.clear()
        self._out_until.clear()

    def set_outage(self, service: str, seconds: float) -> None:
        """Make every call of `service` meet a 503 for `seconds` from now."""
        self._out_until[service] = self.clock() + seconds

    def take(self, service: str, operation: str, username: str) -> Fault | None:
        """Return the fault that this call meets, and count it; the fault set first comes first."""
        for fault in self.faults:
            if not fault.matches(service, operation, username):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
            return fault
        return None

    async def serve(
        self, service: str, operation: str, username: str, effect: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Return the answer of `effect()`, or what an outage or a fault makes of the call."""
        if self._out_until.get(service, 0.0) > self.clock():
            code = "SlowDown" if service == "s3" else "ServiceUnavailable"
            return error_answer(service, code, "Service is unable to handle request.", 503)
        fault = self.take(service, operation, username)
        if fault is None:
            return await effect()
        if fault.kind == "error":
            return error_answer(service, fault.code, fault.message, fault.status)
        if fault.kind == "drop_before":
            return lost_answer(fault.kind)
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            return await effect()
        await effect()
        return lost_answer(fault.kind)
