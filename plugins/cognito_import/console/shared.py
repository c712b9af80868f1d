"""Values that are kept for a moment, so that AWS is asked as often for twenty viewers as for one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_COST: Final = 4
"""How many times as long as it took to make it a value is kept at least."""


class Shared:
    """Values that several viewers ask for, each made once and kept for a while."""

    def __init__(self, entries: int) -> None:
        """Keep so many at most, those that were asked for last."""
        self._entries = entries
        self._values: OrderedDict[object, tuple[float, Any]] = OrderedDict()
        self._making: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: object, seconds: float, make: Callable[[], Any]) -> Any:
        """Return the value of `key`, made anew if it is older than `seconds`; others who ask meanwhile wait for it.

        A value that took long is kept longer, so that no run, however large, takes more than a fifth of a processor.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                until, value = self._values.get(key, (float("-inf"), None))
            began = time.monotonic()
            if began > until:
                value = make()
                made = time.monotonic()
                with self._lock:
                    self._values[key] = made + max(seconds, _COST * (made - began)), value
                    self._values.move_to_end(key)
                    while len(self._values) > self._entries:
                        self._making.pop(self._values.popitem(last=False)[0], None)
        return value
