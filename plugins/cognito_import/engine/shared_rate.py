"""Shares one rate among the slots of all runs and both engines: a throttle that one slot meets slows all of them down.

::

    runs/pace    the rate that the last throttle has left, a fraction of the steady pace

The quota is the account's, so a throttle says the same to every slot: live traffic needs what they take. The slot that meets
one cuts the rate, unless another slot has just done so. From then on the rate comes back at a fixed speed: every reader works
out what it is now from the object and its age, both by S3's clock. So nobody has to raise it or to hold it. A worker that dies
leaves nothing behind, and an object that nobody has written for two minutes says nothing any more.

A slot that cannot read the object, or write it, yields by itself until it can (see `pacing`).

Costs: each slot reads the object every LOOK_SECONDS, which is 300 reads for 1,000 users at one user a second, and up to three
times as many while throttles slow it down. Without a throttle nothing is written; beside live traffic that needs half of the
quota there are five writes for 1,000 users.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.errors import RunFolderError
from cognito_import.records import STRICT, Record
from cognito_import.run.folder import PACE
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from cognito_import.run.s3_folder import S3Folder

LOOK_SECONDS: Final = 3.0
"""How old what a slot knows of the shared rate may be."""
LOOK_SECONDS_SLOWED: Final = 1.0
"""The same while throttles keep the slot below its pace: the next cut is near."""
HOLD_SECONDS: Final = 2.0
"""Throttles within so many seconds are one event: by S3's clock, which counts whole seconds."""
LEAST: Final = 0.25
"""The fraction of its pace that a slot always keeps, shared rate or not: a worker's lease counts on it."""
CUT: Final = 0.85
"""What a throttle leaves of the rate."""
CUT_AGAIN: Final = 0.75
"""The same within AGAIN_SECONDS of the last cut: live traffic has grown, and one cut was too little."""
AGAIN_SECONDS: Final = 3.0
REGAIN: Final = 0.005
"""What comes back each second. In a simulation of 20 slots beside 12 live calls a second on a quota of 25 they use 96% of what
is free and throttle 0.9% of the live calls, if the quota is a token bucket; of a fixed window they use 64%, and throttle 2.3%.
Beside 3 and 12 in turn, 20 seconds each, 1.4% of the live calls are throttled, and 2.2% without what is done AGAIN and SLOWED."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, config=STRICT)
class StoredRate(Record):
    """What is stored of the rate; its age is S3's to say."""

    rate: float


@dataclass(frozen=True, slots=True)
class Rate:
    """The fraction of the steady pace that was left `age` seconds ago, when somebody last cut it."""

    left: float
    age: float

    def after(self, seconds: float) -> float:
        """Return the rate `seconds` from when it was read. It grows for ever; each slot has its own ceiling."""
        return self.left + REGAIN * max(0.0, self.age + seconds)


UNHINDERED: Final = Rate(1.0, 1e9)
"""The rate where nobody was ever throttled."""


class SharedRate:
    """The rate of all slots that work with one report bucket."""

    def __init__(self, folder: S3Folder) -> None:
        """Take any folder in the bucket; nothing is read yet."""
        self._objects = SharedObjects(folder.s3, folder.bucket, "")
        self._told = False

    def exchange(self, *, throttled: bool, ceiling: float = 1.0) -> Rate | None:
        """Read the rate, and cut it first if the slot was `throttled`; None if S3 takes or gives nothing.

        `ceiling` is the rate at which the slot was throttled: what is cut is never above it.
        """
        try:
            return self._exchange(throttled=throttled, ceiling=ceiling)
        except RunFolderError as error:
            # Not worth ending a worker for, and no call is late for it: the slot has slowed down by itself.
            log.log(logging.DEBUG if self._told else logging.WARNING, "Every slot yields by itself: %s", error)
            self._told = True
            return None

    def _exchange(self, *, throttled: bool, ceiling: float) -> Rate:
        found = self._objects.stored(PACE)
        content, version, age = found or (b"", None, 0.0)
        rate = _read(content, age)
        if not throttled or (found and age < HOLD_SECONDS):
            return rate
        part = CUT_AGAIN if found and age < AGAIN_SECONDS else CUT
        cut = Rate(max(LEAST, min(ceiling, rate.after(0.0)) * part), 0.0)
        if self._objects.replace(PACE, StoredRate(round(cut.left, 4)).to_json(), version):
            log.info("Cognito throttled a call: all slots go down to %.0f%% of their pace.", 100 * cut.left)
        return cut  # or another slot has cut the same rate at the same moment


def _read(content: bytes, age: float) -> Rate:
    """Return the rate of an object; one that holds something else says nothing, and the next throttle replaces it."""
    try:
        left = StoredRate.from_json(content, PACE).rate
    except RunFolderError:
        return UNHINDERED
    return Rate(max(LEAST, left), age)
