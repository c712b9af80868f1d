"""What an execution of the state machine does next, as it is handed over from one call of the function to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Next:
    """What an execution does next, and what it hands over to the next time that it asks.

    `step` is `map` (the batches at `key`, as round `round`), `wait` (for `seconds`, then ask again) or `report`. `kind` and
    `detail` say what befell the run, if anything did (see `mail.engine_note`); `asked` is the kind of a run that the breaker
    has stopped.
    """

    step: str
    round: int = 0
    key: str = ""
    seconds: int = 0
    kind: str = ""
    detail: str = ""
    rounds: int = 0
    finished: int = -1
    idle_seconds: int = 0
    waited: bool = False


def as_json(told: Next) -> JSON:
    """The JSON object that :func:`from_json` reads."""
    return asdict(told)


def from_json(fields: JSON | None) -> Next:
    """What :func:`as_json` gave, or the beginning."""
    return Next(**{"step": "begin", **(fields or {})})
