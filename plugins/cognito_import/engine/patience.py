"""Wait for S3 as long as a worker may."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_exponential

from cognito_import.errors import RunFolderError

MAX_S3_WAIT_SECONDS: Final = 600.0
"""Seconds for which a worker waits, without calling for anybody, until S3 takes what it has to store."""

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
