"""One mail for one report, although several tasks may make it at the same time.

A task whose worker only seemed dead runs beside its retry, and an execution that ended badly is reported by an event
while somebody redrives it. Whoever is about to mail claims the run's mail first, and looks again whether it is still due.
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic.dataclasses import dataclass
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_delay, wait_exponential

from cognito_import.errors import RunFolderError
from cognito_import.records import STRICT, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cognito_import.run.folder import RunFolder

LAPSE: Final = timedelta(minutes=4)
"""The time after which a claim counts as that of a dead process: longer than SES's client tries."""
_MAX_CLAIM_WAIT_SECONDS: Final = 30.0
_MAX_REPORT_WAIT_SECONDS: Final = 300.0
"""Seconds, for the claim and for what was reported. The state machine's function has 890 for the whole report."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, config=STRICT)
class MailClaim(Record):
    """Who is mailing, and since when, ISO 8601."""

    token: str
    since: str


@contextmanager
def claimed(folder: RunFolder) -> Iterator[None]:
    """Claim the run's mail, waiting for whoever has it. Raises RunFolderError."""
    token = uuid.uuid4().hex
    # Tried again with the same token: a claim that S3 has taken without an answer would keep a retry waiting for its lapse.
    while not _retrying(_MAX_CLAIM_WAIT_SECONDS, claim, folder, token):
        log.info("Somebody else is mailing a report of this run; waiting until that is over.")
        time.sleep(2.0)
    try:
        yield
    finally:
        with suppress(RunFolderError):  # it lapses by itself
            release(folder)


def claim(folder: RunFolder, token: str, lapse: timedelta = LAPSE) -> bool:
    """Claim the run's mail for `token`; False if somebody else claimed it less than `lapse` ago, and has it still."""
    found = folder.read_mail_claim(MailClaim)
    ours = MailClaim(token, folder.now().isoformat())
    if found is None:
        return folder.write_mail_claim(ours, IfNoneMatch="*")
    theirs, version = found
    if theirs and theirs.token == token:  # S3 took the claim, and its answer was lost
        return True
    if theirs and folder.now() - datetime.fromisoformat(theirs.since) < lapse:
        return False
    return folder.write_mail_claim(ours, IfMatch=version)


def release(folder: RunFolder) -> None:
    """Let others claim the run's mail."""
    folder.write_mail_claim(None)


def remember(folder: RunFolder, reported: Record) -> None:
    """Store what was reported. The mail has gone out, so wait while S3 fails: a retry of all would mail it again."""
    _retrying(_MAX_REPORT_WAIT_SECONDS, folder.write_report, reported)


def _retrying(seconds: float, step: Callable[..., T], *arguments: object) -> T:
    """Do a step in the run folder, again and again for so long while S3 fails."""
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, RunFolderError) and error.temporary),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(max=10),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    return attempts(step, *arguments)
