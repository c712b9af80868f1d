"""Names the runs that nobody named, so that Airflow shows the name that mail, CSV and run folder have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.timetables.simple import NullTimetable

if TYPE_CHECKING:
    from datetime import datetime


class NamedRuns(NullTimetable):
    """Starts no run by itself, and gives those that are triggered without an id the name of a run.

    Airflow's own ids have colons, which neither a file's name nor an execution's may have. The plugin registers this class.
    """

    def generate_run_id(self, *, run_after: datetime, **_: Any) -> str:
        """Return a name that no other run has."""
        from cognito_import.run.manifest import new_run_name

        return new_run_name(run_after)
