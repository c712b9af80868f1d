"""The mail that went out, kept without its link: that is for whoever has the mailbox alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.errors import RunFolderError
from cognito_import.records import STRICT, Record, Text

if TYPE_CHECKING:
    from cognito_import.report.rendering import Mail
    from cognito_import.run.folder import RunFolder

NO_LINK: Final = "#"
"""What stands in the kept mail where the link was."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, config=STRICT)
class SentMail(Record):
    """A mail as its reader sees it: its subject and its HTML part. `message_id` is SES's."""

    message_id: str
    to: str
    subject: Text
    html: Text


def keep(folder: RunFolder, message_id: str, to: str, mail: Mail) -> None:
    """Store the mail that went out, made with NO_LINK. Nothing depends on it, so a failure of S3 is only logged."""
    try:
        folder.write_mail(SentMail(message_id, to, mail.subject, mail.html))
    except RunFolderError as error:
        log.warning("The mail went out, and the page will not show it: %s", error)


def read(folder: RunFolder, message_id: str) -> SentMail | None:
    """Return the mail that SES calls `message_id`, None if it was not kept. Raises RunFolderError."""
    found = folder.read_mail(SentMail)
    return found if found and found.message_id == message_id else None
