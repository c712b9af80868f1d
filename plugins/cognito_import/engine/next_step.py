"""What an execution of the state machine does next, as it is handed over from one call of the function to the next."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cognito_import.records import STRICT, Record, Text


@dataclass(frozen=True, slots=True, config=STRICT)
class Next(Record):
    """What an execution does next, and what it hands over to the next time that it asks.

    `step` is `map` (the batches at `key`, as round `round`), `wait` (for `seconds`, then ask again), `lock` or `report`.
    `kind` and `detail` say what went wrong, if anything (see `mail.engine_note`); `asked` is the kind of a run that
    the breaker has stopped.
    """

    step: Literal["begin", "map", "wait", "lock", "report"] = "begin"
    round: int = 0
    key: str = ""
    seconds: int = 0
    kind: str = ""
    detail: Text = ""
    rounds: int = 0
    finished: int = -1
    idle_seconds: int = 0
    waited: bool = False
