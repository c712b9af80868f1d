"""How fast a run may go, as preflight has found it and as its workers keep to it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pydantic.dataclasses import dataclass

from cognito_import.records import STRICT, Record

if TYPE_CHECKING:
    from cognito_import.run.folder import RunFolder


@dataclass(frozen=True, slots=True, config=STRICT)
class RunPace(Record):
    """How fast a run may go: `limit` calls a second in each quota category, of all slots together.

    `quotas` are the calls a second that Cognito allows all callers, by category, in those that every user needs. `reading` are
    those of a dry run, which keeps to them, while `limit` and `quotas` say how fast the real run may go.
    A run begins with `start` calls a second, 0 for the steady pace, and finds out by itself whether it may go faster.
    """

    limit: float
    quotas: dict[str, float]
    reading: dict[str, float] = field(default_factory=dict)
    start: float = 0.0

    @property
    def scarcest(self) -> str:
        """The category that limits a run which uses all that is free."""
        return min(self.quotas, key=self.quotas.__getitem__)


def write(folder: RunFolder, pace: RunPace) -> None:
    """Store the run's pace in place of an earlier one. Raises RunFolderError."""
    folder.write_pace(pace)


def read(folder: RunFolder) -> RunPace | None:
    """Return the run's pace, or None if preflight has not run. Raises RunFolderError."""
    return folder.read_pace(RunPace)
