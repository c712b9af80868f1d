"""Who stopped a run on the page, for its report to say so."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic.dataclasses import dataclass

from cognito_import.records import STRICT, Record, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.run.checkpoints import Work
    from cognito_import.run.folder import RunFolder


@dataclass(frozen=True, slots=True, config=STRICT)
class Stopping(Record):
    """Who stopped the run, and when, ISO 8601 with its zone."""

    by: Text
    at: str

    def told(self, time_zone: str) -> str:
        """Return who and when, as people of the time zone read it."""
        at = datetime.fromisoformat(self.at).astimezone(ZoneInfo(time_zone))
        return f"{self.by}, {at:%Y-%m-%d %H:%M %Z}"


def note(folder: RunFolder, by: str) -> None:
    """Store that `by` stops the run now. Raises RunFolderError."""
    folder.write_stopping(Stopping(by, folder.now().isoformat()))


def read(folder: RunFolder, work: Iterable[Work]) -> Stopping | None:
    """Return who stopped the run, None if nobody did or somebody has had it go on: a worker began later.

    `work` is that of the run's workers. Raises RunFolderError.
    """
    found = folder.read_stopping(Stopping)
    if found is None:
        return None
    at = datetime.fromisoformat(found.at).timestamp()
    return None if any(one.began > at for one in work) else found
