"""What the page shows of the inbox, read from S3: counts, and pages of files with what is asked of them or why they failed.

The list is shared as what is shown of runs is, so that S3 is asked as often for twenty viewers as for one.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from cognito_import.console.shared import Shared
from cognito_import.console.views import SETTLED_SECONDS
from cognito_import.inbox import Inbox
from cognito_import.inbox_files import WaitingFile
from cognito_import.report.reasons import lines

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from cognito_import.inbox_files import Contents, FiledFile
    from cognito_import.settings import Settings

Kind = Literal["waiting", "processed", "failed"]

FRESH_SECONDS: Final = 10.0
"""S3 lists 1,000 objects by each request."""

_RUN_LINE: Final = re.compile(r"\n+Run: \S+\s*$")
"""The end of a failed file's reason; the page has a link instead."""

_lists = Shared(2)
_reasons = Shared(500)


class InboxView:
    """The inbox that the settings name. Every method raises InboxError where S3 fails, and where there is no inbox."""

    def __init__(self, s3: S3Client, settings: Settings) -> None:
        """Take the client and settings that have an `inbox`."""
        self._settings = settings
        self._inbox = Inbox(s3, settings)

    def counts(self) -> dict[str, int]:
        """Return how many files wait in each state, and how many were filed."""
        found = self._contents()
        waiting = Counter(one.state for one in found.waiting)
        states = {state: waiting[state] for state in ("ready", "later", "changing", "unfinished")}
        return {**states, "processed": len(found.processed), "failed": len(found.failed)}

    def page(self, kind: Kind, query: str, offset: int, limit: int) -> tuple[int, list[WaitingFile | FiledFile]]:
        """Return how many files have names in which `query` stands, and a page of them.

        What waits is in the order of its turn, what was filed has the latest first.
        """
        sought = query.strip().lower()
        found = [file for file in getattr(self._contents(), kind) if sought in file.name.lower()]
        return len(found), found[offset : offset + limit]

    def told(self, file: WaitingFile | FiledFile, locale: str) -> dict[str, Any]:
        """Return what is known of a file beside its run."""
        if isinstance(file, WaitingFile):
            return {"name": file.name, "size": file.size, "arrived": file.file.arrived, **self._turn(file)}
        return {
            "name": file.name,
            "size": file.size,
            "arrived": file.arrived.isoformat() if file.arrived else None,
            "filed": file.filed.isoformat(),
            "reason": self._reason(file.reason_key, locale) if file.reason_key else [],
            "place": self._inbox.name(file.key),
        }

    def _turn(self, file: WaitingFile) -> dict[str, Any]:
        rule = self._inbox.rule(file.file)
        asked = {
            "prefix": self._settings.inbox_prefix(file.name),
            "adminemail": rule.adminemail,
            "jobtype": rule.jobtype,
            "engine": rule.engine or self._settings.engine,
        }
        return {"state": file.state, "rule": asked}

    def _contents(self) -> Contents:
        settings = self._settings
        key = settings.inbox, settings.inbox_quiet_seconds, str(settings.inbox_rules)
        found: Contents = _lists.get(key, FRESH_SECONDS, self._inbox.contents)
        return found

    def _reason(self, key: str, locale: str) -> list[str]:
        """Return the lines that say why a file failed. A text that was filed changes no more."""
        text = _reasons.get((self._inbox.bucket, key), SETTLED_SECONDS, lambda: self._inbox.reason(key))
        return lines(_RUN_LINE.sub("", text), locale)
