"""A night: which files it takes, and whether all of them were processed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from cognito_import.errors import IncompleteRunError
from cognito_import.inbox_files import FAILED
from cognito_import.invitations import hand_on, handed_on
from cognito_import.report.complete import failure_reason
from cognito_import.report.delivery import Reported
from cognito_import.report.rest import rest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognito_import.inbox import Inbox
    from cognito_import.inbox_files import InboxFile
    from cognito_import.run.folder import RunFolder

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


def archive(inbox: Inbox, folder: RunFolder, file: InboxFile, state: str) -> str | None:
    """Move the file of a run that has ended in `state`, and return its new key.

    Whom Cognito's daily mail limit kept from being invited, the next night takes up: they are left in the inbox, in a file
    of their own.
    """
    manifest = folder.manifest()
    rest = rest_of(folder, manifest) if manifest is not None and folder.read_report(Reported) else None
    if rest and manifest and not handed_on(folder):
        inbox.leave_rest(file, rest.content)
        hand_on(folder, manifest, rest.rows)  # so that whoever continues this run calls for none of them
    reason = None if rest and rest.is_all else failure_reason(folder, state)
    if reason is not None:
        reason = f"{reason}\n\nRun: {file.run_id}"
    return inbox.archive(file, etag=manifest.source_etag if manifest else None, reason=reason)


def raise_if_incomplete(inbox: Inbox, listed: list[InboxFile]) -> None:
    """Raise IncompleteRunError unless every file of the night lies in `processed/`, or was replaced and waits anew."""
    places = [inbox.place(file) for file in listed]
    left = sum(place == file.key for file, place in zip(listed, places, strict=True))
    failed = [place for place in places if place and place.startswith(f"{inbox.prefix}{FAILED}")]
    if not failed and not left:
        log.info("Processed files: %d.", len(listed))
        return
    said = []
    if failed:
        said.append(f"{len(failed)} of {len(listed)} files failed, each with the reason beside it: {', '.join(failed)}")
    if left:
        said.append(f"{left} of {len(listed)} files are still in the inbox; the next night goes on with them")
    raise IncompleteRunError("; ".join(said) + ".")
