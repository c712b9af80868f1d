"""How long to wait: a worker for S3, and a run for a service that fails everybody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_exponential

from cognito_import.errors import RunFolderError

MAX_S3_WAIT_SECONDS: Final = 600.0
"""Seconds for which a worker waits, without calling for anybody, until S3 takes what it has to store."""

MAX_IDLE_SECONDS: Final = 3_600
"""For how long a run waits for a service that fails everybody, from the last user that was finished."""
MIN_WAIT_SECONDS: Final = 15
MAX_WAIT_SECONDS: Final = 300

log = logging.getLogger(__name__)
T = TypeVar("T")


class Patience:
    """Does steps in the run folder. While S3 fails, it waits: no user is called whose outcome could be lost."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def __call__(self, step: Callable[[], T]) -> T:
        """Return what the step returns; its RunFolderError if that is not temporary, or lasts."""
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, RunFolderError) and error.temporary),
            stop=stop_after_delay(MAX_S3_WAIT_SECONDS),
            wait=wait_exponential(max=10),
            sleep=self._sleep,
            before_sleep=before_sleep_log(log, logging.WARNING),
            reraise=True,
        )
        return attempts(step)


def wait_seconds(idle_seconds: int) -> int:
    """Return how long a run waits before it tries again: the longer, the longer nobody was finished."""
    return min(MAX_WAIT_SECONDS, max(MIN_WAIT_SECONDS, idle_seconds))
