"""What a person sees and says at a terminal: progress, the question before a deletion, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from cognito_import.outcomes import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognito_import.outcomes import Outcome

_TTY_SECONDS, _LINE_SECONDS = 0.5, 10.0
_KILLED: Final = 130
"""What a shell says of a process that Ctrl-C has ended."""


def say(text: str) -> None:
    """Print a line to standard output, which a script may read."""
    print(text, flush=True)  # noqa: T201 - the command line


def note(text: str) -> None:
    """Print a line to standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line


@contextmanager
def interruptible() -> Iterator[Event]:
    """Yield an event that is set at Ctrl-C or SIGTERM; at the second one the process ends at once."""
    interrupted = Event()

    def interrupt(*_: object) -> None:
        if interrupted.is_set():
            note("\nEnded at once, without a report. The run can be continued.")
            os._exit(_KILLED)
        interrupted.set()
        note("\nFinishing the users who are being processed, then reporting. Press Ctrl-C again to end at once.")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Counts users, and shows how far a run is: a line that changes on a terminal, else a line every ten seconds."""

    def __init__(self, users: int, finished: int) -> None:
        """Take how many users there are, and how many are finished already."""
        self._users, self._before = users, finished
        self.finished, self._failed = finished, 0
        self._lock, self._ended = Lock(), Event()
        self._began = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Count one more user. Called from many threads."""
        with self._lock:
            self.finished += 1
            self._failed += outcome.status != SUCCEEDED

    def line(self) -> str:
        """Return how far the run is."""
        rate = (self.finished - self._before) / max(0.001, time.monotonic() - self._began)
        left = self._users - self.finished
        soon = f", {rate:.1f}/s, {_span(left / rate)} left" if rate and left else ""
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f"{self.finished:,} of {self._users:,} users{failed}{soon}"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress meanwhile."""
        shown = Thread(target=self._show, daemon=True)
        shown.start()
        try:
            yield
        finally:
            self._ended.set()
            shown.join()
            note(f"\r\x1b[K{self.line()}" if sys.stderr.isatty() else self.line())

    def _show(self) -> None:
        tty = sys.stderr.isatty()
        while not self._ended.wait(_TTY_SECONDS if tty else _LINE_SECONDS):
            if tty:
                sys.stderr.write(f"\r\x1b[K{self.line()}")
                sys.stderr.flush()
            else:
                note(self.line())


def confirm(users: int) -> bool:
    """Ask for the number of users, and tell whether it was typed. Nobody is there to ask unless this is a terminal."""
    try:
        typed = input(f"Type {users} to go on, anything else to leave them all as they are: ")
    except EOFError:
        return False
    return typed.strip().replace(",", "") == str(users)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
