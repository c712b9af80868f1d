"""What consists of several parts: brought up as a whole or not at all, and taken down in reverse."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self


class Assembly:
    """A context manager; `start()` and `stop()` do the same."""

    _steps: ExitStack | None = None

    def start(self) -> Self:
        """Bring everything up. Takes down what was brought up if a later step fails."""
        with ExitStack() as steps:
            self._bring_up(steps)
            self._steps = steps.pop_all()
        return self

    def stop(self) -> None:
        """Take everything down. May be called twice."""
        if self._steps is not None:
            self._steps.close()

    def _bring_up(self, steps: ExitStack) -> None:
        """Bring each part up, and leave to `steps` how it is taken down."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Bring everything up."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take everything down, whatever happened."""
        self.stop()
