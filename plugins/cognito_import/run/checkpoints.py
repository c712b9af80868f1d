"""What workers store of a batch: each its own part, and what all parts together say.

Of each user a run folder says one of three things. A *finished* user has an outcome. An *unsettled* user may have been
reached by a call whose effect nobody knows: it is looked up before anything is said of it. All others are *untouched*.
Both engines store the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic.dataclasses import dataclass

from cognito_import.outcomes import INTERRUPTED, SUCCEEDED, Outcome
from cognito_import.records import STRICT, Record, Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

STEP_SECONDS: Final = 2
"""How exactly a worker stores when users were finished: fine enough for a picture, in a thirtieth of their outcomes' bytes."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Unsettled:
    """A user whom a call may have reached.

    `since` is a moment of the service's clock before the first such call, ISO 8601: a user who is older is not ours.
    `username` is what Cognito calls the user, once that is known: of an import the user we created, of any other
    run the one we looked up. `reason` is why the calls stopped before it was settled ("CODE: text"), or empty if nobody knows.
    `existed` says that Cognito refused to create the user because it existed: so no call has created it.
    """

    row: int
    useremail: str
    since: str
    username: str = ""
    reason: Text = ""
    existed: bool = False

    def outcome(self) -> Outcome:
        """Return what to report as long as nobody settles the user: never a failure of its own."""
        return Outcome.failed(self.row, self.useremail, INTERRUPTED, self.reason, self.username)

    def merged(self, other: Unsettled | None) -> Unsettled:
        """Return what this entry and another worker's of the same user say together: the earlier call, and what either knows."""
        if other is None:
            return self
        return replace(
            self,
            since=min([one.since for one in (self, other) if not one.existed] or [self.since]),
            existed=self.existed and other.existed,
            username=self.username or other.username,
            reason=self.reason or other.reason,
        )


@dataclass(frozen=True, slots=True, config=STRICT)
class Work:
    """When a worker worked: from `began`, in seconds since the epoch by the service's clock, for `seconds`.

    In `slowed` of these it went slower than its pace, for `throttles` calls were throttled, its own or other workers'.
    `steps` says how that went: the number of each step of STEP_SECONDS in which anything was finished or throttled, with how
    many users and throttles there were.
    """

    began: float
    seconds: float = 0.0
    slowed: float = 0.0
    throttles: int = 0
    steps: list[tuple[int, int, int]] = field(default_factory=list)


def add_step(steps: list[tuple[int, int, int]], seconds: float, users: int, throttles: int = 0) -> None:
    """Add what came so many seconds after a worker began to the `steps` of its :class:`Work`, the earlier before the later."""
    step = max(0, int(seconds // STEP_SECONDS))
    if steps and steps[-1][0] >= step:
        step, before, met = steps.pop()
        users, throttles = users + before, throttles + met
    if users or throttles:
        steps.append((step, users, throttles))


@dataclass(slots=True, config=STRICT)
class Checkpoint(Record):
    """What one worker made of a batch.

    `closed` says that the worker makes no further call; until then it may make one for `busy_seconds` after the part was
    stored. `stopped` is why it ended early, or None. `calls` are the operations that a dry run foresees for each of its outcomes.
    `work` is what the report says of the pace.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    closed: bool = False
    stopped: Text | None = None
    busy_seconds: float = 0.0
    calls: list[list[str]] = field(default_factory=list)
    work: Work | None = None


class StoredPart(NamedTuple):
    """A part, how many seconds ago it was stored by S3's own clock, and when."""

    checkpoint: Checkpoint
    age: float
    written: datetime


def stops(stored: Iterable[tuple[int, StoredPart]]) -> dict[int, str]:
    """Return by batch number why its latest worker stopped, the latest stop first.

    What stopped an earlier worker may have been fixed since.
    """
    latest: dict[int, StoredPart] = {}
    for number, one in stored:
        if number not in latest or one.written >= latest[number].written:
            latest[number] = one
    newest_first = sorted(latest.items(), key=lambda item: item[1].written, reverse=True)
    return {number: one.checkpoint.stopped for number, one in newest_first if one.checkpoint.stopped}


@dataclass(slots=True)
class Progress:
    """What all parts together say: outcomes and unsettled users by row, and of a whole run its :func:`stops`.

    `calls` are those that a dry run foresees, by operation.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    unsettled: dict[int, Unsettled] = field(default_factory=dict)
    stopped: dict[int, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    work: list[Work] = field(default_factory=list)

    def add(self, checkpoint: Checkpoint) -> None:
        """Add one part. An outcome settles its user, and of two outcomes the success is the true one.

        Two workers may have looked one user up for a dry run: the calls that it needs count once.
        """
        foreseen = iter(checkpoint.calls)
        for outcome in checkpoint.outcomes:
            calls = next(foreseen, [])
            if outcome.row not in self.outcomes:
                self.calls.update(calls)
            self.unsettled.pop(outcome.row, None)
            if outcome.row not in self.outcomes or outcome.status == SUCCEEDED:
                self.outcomes[outcome.row] = outcome
        if checkpoint.work is not None:
            self.work.append(checkpoint.work)
        for entry in checkpoint.unsettled:
            if entry.row not in self.outcomes:
                self.unsettled[entry.row] = entry.merged(self.unsettled.get(entry.row))
