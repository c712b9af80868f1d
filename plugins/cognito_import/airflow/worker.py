"""For how long a task may hold a worker."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_HOLD: Final = timedelta(hours=6)
"""MWAA takes a worker away after 12 hours, the time in the queue included, and then starts the task twice."""


PAUSE: Final = timedelta(seconds=15)
"""Before the next worker. A scheduler that sees the task queued before it has seen the worker's end takes it for dead."""


class Hold:
    """Gives a worker back before anybody takes it away, and has Airflow continue the task on another.

    That is a reschedule as a sensor's: it is no failure and takes none of the task's retries. What runs has to find again
    what it waited for.
    """

    def __init__(self) -> None:
        """Begin to hold the worker."""
        self._until = time.monotonic() + MAX_HOLD.total_seconds()

    def check(self) -> None:
        """Raise AirflowRescheduleException if the worker was held for MAX_HOLD."""
        from airflow.sdk.exceptions import AirflowRescheduleException

        if time.monotonic() >= self._until:
            raise AirflowRescheduleException(datetime.now(UTC) + PAUSE)  # type: ignore[no-untyped-call]
