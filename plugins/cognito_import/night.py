"""A night: which files it takes, and whether all of them were processed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from cognito_import.errors import IncompleteRunError
from cognito_import.inbox import ARCHIVES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_import.inbox import Inbox, InboxFile

MAX_WAIT_SECONDS: Final = 600.0
"""Seconds for which the nightly run waits for files that have only just changed."""
_POLL_SECONDS: Final = 10.0

log = logging.getLogger(__name__)


def wait_until_unchanged(inbox: Inbox, *, sleep: Callable[[float], None] = time.sleep) -> list[InboxFile]:
    """Give the files that wait, once none has only just changed; after MAX_WAIT_SECONDS seconds those that still do are left."""
    waited = 0.0
    while (waiting := inbox.waiting()).changing and waited < MAX_WAIT_SECONDS:
        log.info("Waiting until %d files that have only just changed are at rest.", waiting.changing)
        pause = min(_POLL_SECONDS, inbox.quiet_seconds)
        sleep(pause)
        waited += pause
    if waiting.changing:
        log.warning("%d files still change; they are left for the next night.", waiting.changing)
    log.info("%d files wait in s3://%s/%s.", len(waiting.ready), inbox.bucket, inbox.prefix)
    return waiting.ready


def raise_if_incomplete(inbox: Inbox, listed: list[InboxFile]) -> None:
    """Raise IncompleteRunError unless every file of the night lies in `processed/`, or was replaced and waits anew."""
    places = [inbox.place(file) for file in listed]
    left = sum(place == file.key for file, place in zip(listed, places, strict=True))
    failed = [place for place in places if place and place.startswith(f"{inbox.prefix}{ARCHIVES[1]}")]
    if not failed and not left:
        log.info("Processed files: %d.", len(listed))
        return
    said = []
    if failed:
        said.append(f"{len(failed)} of {len(listed)} files failed, each with the reason beside it: {', '.join(failed)}")
    if left:
        said.append(f"{left} of {len(listed)} files are still in the inbox; the next night goes on with them")
    raise IncompleteRunError("; ".join(said) + ".")
