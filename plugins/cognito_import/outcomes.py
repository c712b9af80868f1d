"""What became of one user, and the fixed words for it."""

from __future__ import annotations

import re
from typing import Final

from pydantic.dataclasses import dataclass

from cognito_import.addresses import ADDRESS
from cognito_import.records import STRICT, Record, Text

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"

NOT_ATTEMPTED: Final = "NotAttempted"
"""The code of a user for whom no call was made, because the calls were stopped or their engine died."""

INTERRUPTED: Final = "Interrupted"
"""The code of a user whom a call may have reached, and whom nobody finished: the run does so when it goes on."""

EXISTED: Final = "Existed"
"""The code of a success: the user was in the user pool before, and has now what its row says."""

EXISTED_AS_LISTED: Final = "Existed already."
"""The message of an EXISTED user for whom there was nothing to change."""

LEFT_UNCHANGED: Final = "Unchanged"
"""The code of a success without a call: the user was as the run would have it."""

WOULD: Final = "Would"
WOULD_CREATE, WOULD_COMPLETE, WOULD_DELETE, WOULD_DISABLE, WOULD_ENABLE, UNCHANGED = (
    f"{WOULD}{what}" for what in ("Create", "Complete", "Delete", "Disable", "Enable", "BeUnchanged")
)
"""The codes of a dry run's successes: what the run would do. UNCHANGED is the code of a user who is as the row says."""

EXISTS_CODES: Final = frozenset({"UsernameExistsException", "AliasExistsException"})
"""The codes of a user who was in the user pool before; the report counts them apart."""

_MAX_REASON_LENGTH: Final = 500
_PER_USER: Final = re.compile(rf"{ADDRESS.pattern}|[\da-fA-F]{{8}}(?:-[\da-fA-F]{{4}}){{3}}-[\da-fA-F]{{12}}|\d+")


def plain(message: str) -> str:
    """Return a service's message, shortened."""
    return message[:_MAX_REASON_LENGTH]


def common(message: str) -> str:
    """Return a :func:`plain` message with `…` where it may differ between users with one problem: no address is left in it."""
    return _PER_USER.sub("…", message)


@dataclass(frozen=True, slots=True, config=STRICT)
class Outcome(Record):
    """One row of the report.

    `row` is the user's place in the request, counted from 1; `status` is `succeeded` or `failed`; `message` is `-` for
    a success and the service's message otherwise; `code` is the error code or empty; `username` is the name that
    Cognito gave (usually a UUID) or empty.
    """

    row: int
    useremail: Text
    status: Text
    message: Text = "-"
    code: Text = ""
    username: Text = ""

    @classmethod
    def failed(cls, row: int, useremail: str, code: str, message: str, username: str = "") -> Outcome:
        """A user for whom the run failed with `code`."""
        return cls(row, useremail, FAILED, message, code, username)

    @classmethod
    def not_attempted(cls, row: int, useremail: str, reason: str) -> Outcome:
        """A user whom no call was made for, and why."""
        return cls(row, useremail, FAILED, reason, NOT_ATTEMPTED)

    @property
    def created(self) -> bool:
        """Whether this outcome of an import says that the run created the user."""
        return self.status == SUCCEEDED and not self.code

    @property
    def foreseen(self) -> bool:
        """Whether this is a success that a dry run foresees."""
        return self.code.startswith(WOULD)
