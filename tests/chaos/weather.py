"""What goes wrong: faults of single calls, outages, and credentials that end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

MINUTE = 60.0

UNDONE = (
    ("InternalErrorException", 500),
    ("InternalFailure", 500),
    ("ServiceUnavailable", 503),
    ("reset", 0),
    ("silent", 0),
)
"""Answers to a call that did nothing; `reset` and `silent` are none."""
DONE = (("InternalErrorException", 500), ("ServiceUnavailableException", 503), ("reset", 0), ("silent", 0))
"""Answers to a call that took effect."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How one call is answered; `done` says that it takes effect all the same."""

    answer: str
    status: int
    done: bool = False


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which every call of a service, or the share `chance` of them, meets the same."""

    service: str
    starts: float
    ends: float
    fault: Fault
    chance: float = 1.0


class Weather:
    """All faults of one seed. `calm` ends them."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.met: Counter[str] = Counter()
        self.calm = False
        self.began = 0.0
        self._share = {"cognito": random.choice((0, 0.02, 0.05, 0.15)), "s3": random.choice((0, 0, 0.005, 0.02))}
        self._spells: list[Spell] = []
        for _ in range(random.choice((0, 1, 1, 2, 4))):
            self._spells.append(self._spell(random.uniform(0, 20 * MINUTE) * random.random()))

    def _spell(self, starts: float) -> Spell:  # noqa: PLR0911 - one for each kind
        draw = self._random
        outage = starts + draw.choice((2, 5, 10, 30)) * MINUTE
        kind = draw.choice(
            ("outage", "outage", "unreachable", "burst", "burst", "expired", "denied", "s3", "s3 denied")
        )
        if kind == "burst":
            fault = Fault("TooManyRequestsException", 400)
            return Spell("cognito", starts, starts + draw.uniform(5, 180), fault, draw.choice((0.5, 0.9, 1.0)))
        if kind == "unreachable":
            return Spell("cognito", starts, outage, Fault(draw.choice(("reset", "silent", "unreachable")), 0))
        if kind == "expired":
            return Spell(draw.choice(("cognito", "s3")), starts, outage, Fault("ExpiredTokenException", 400))
        if kind == "denied":
            return Spell("cognito", starts, outage, Fault("AccessDeniedException", 400))
        if kind == "s3 denied":
            return Spell("s3", starts, outage, Fault("AccessDenied", 403))
        if kind == "s3":
            answer, status = draw.choice((("SlowDown", 503), ("silent", 0), ("InternalError", 500)))
            fault = Fault(answer, status, done=draw.random() < 0.3)
            return Spell("s3", starts, min(outage, starts + 10 * MINUTE), fault, draw.choice((0.3, 0.8, 1.0)))
        code, status = draw.choice(UNDONE)
        fault = Fault(code, status, done=draw.random() < 0.3)
        return Spell("cognito", starts, outage, fault, draw.choice((0.3, 0.7, 1.0, 1.0)))

    def meet(self, service: str, operation: str, now: float) -> Fault | None:  # noqa: PLR0911 - one for each kind
        """What a call that is sent now meets, or None if it goes well. Spells count from when it all `began`."""
        if self.calm:
            return None
        draw, now = self._random, now - self.began
        for spell in self._spells:
            if spell.service == service and spell.starts <= now < spell.ends and draw.random() < spell.chance:
                return self._count(service, spell.fault)
        if now > 120 * MINUTE or draw.random() >= self._share.get(service, 0):
            return None
        if service == "s3":
            answer, status = draw.choice((("SlowDown", 503), ("InternalError", 500), ("silent", 0), ("reset", 0)))
            return self._count(service, Fault(answer, status, done=draw.random() < 0.5))
        if draw.random() < 0.2:
            return self._count(service, Fault("TooManyRequestsException", 400))
        if operation == "AdminCreateUser" and draw.random() < 0.1:
            return self._count(service, Fault("UnexpectedLambdaException", 400, done=draw.random() < 0.7))
        if draw.random() < 0.3:
            return self._count(service, Fault(*draw.choice(UNDONE)))
        if draw.random() < 0.2:  # a lost answer, and then the credentials end
            self._spells.append(
                Spell(service, now + 0.01, now + draw.uniform(1, 10) * MINUTE, Fault("ExpiredTokenException", 400))
            )
        return self._count(service, Fault(*draw.choice(DONE), done=True))

    def _count(self, service: str, fault: Fault) -> Fault:
        self.met[f"{service} {fault.answer}{' after the effect' if fault.done else ''}"] += 1
        return fault
