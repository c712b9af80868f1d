"""What workers store of a batch: each its own part, and what all parts together tell.

A part is an object: `outcomes`, an array; `pending`, what to report of the user whom the worker is at if nobody
finishes it, or null; `closed`, whether the worker is known to make no further call; `stopped`, why it stopped early, or
null. The state machine writes the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from cognito_import.outcomes import SUCCEEDED, Outcome


@dataclass(slots=True)
class Part:
    """What one worker made of a batch: see the module's head for the fields."""

    outcomes: list[Outcome] = field(default_factory=list)
    pending: Outcome | None = None
    closed: bool = False
    stopped: str | None = None

    def to_json(self) -> bytes:
        """The part as it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Part:
        """The part that :meth:`to_json` wrote."""
        fields = json.loads(text)
        outcomes = [Outcome.from_dict(outcome) for outcome in fields["outcomes"]]
        pending = fields["pending"] and Outcome.from_dict(fields["pending"])
        return cls(outcomes, pending, fields["closed"], fields["stopped"])


@dataclass(slots=True)
class Known:
    """What all parts together tell: outcomes by row, pending ones by row, and by batch number why it stopped.

    Of two workers' pending outcomes for one user the one with a username stays: that worker came further.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    pending: dict[int, Outcome] = field(default_factory=dict)
    stopped: dict[int, str] = field(default_factory=dict)

    def add(self, part: Part, batch: int) -> None:
        """Take in one part. Should two workers have called for one user, the success is the one that lasts."""
        for outcome in part.outcomes:
            if outcome.row not in self.outcomes or outcome.status == SUCCEEDED:
                self.outcomes[outcome.row] = outcome
        if part.pending and (part.pending.username or part.pending.row not in self.pending):
            self.pending[part.pending.row] = part.pending
        if part.stopped:
            self.stopped[batch] = part.stopped
