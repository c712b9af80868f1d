"""Wait for what other processes do, and say what was seen last when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


class WaitError(TimeoutError):
    """What was awaited did not come in time; the message names it and what was seen last."""


def until(
    what: str,
    look: Callable[[], Seen],
    enough: Callable[[Seen], object] = bool,
    *,
    seconds: float = 60.0,
    every: float = 0.1,
) -> Seen:
    """Look every so often until it is `enough`, which by default is anything true, and return what was seen.

    `what` completes "waited for …". Raises WaitError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not enough(seen := look()):
        if time.monotonic() > deadline:
            message = f"waited {seconds:g} s for {what}; last seen: {seen!r:.2000}"
            raise WaitError(message)
        time.sleep(every)
    return seen
