"""What became of one user, and the fixed words for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"

NOT_ATTEMPTED: Final = "NotAttempted"
"""The code of a user for whom no call was made, because the calls were stopped or their engine died."""

INTERRUPTED: Final = "Interrupted"
"""The code of a user who was under way when the worker died, and whom nobody finished."""

EXISTS_CODES: Final = frozenset({"UsernameExistsException", "AliasExistsException"})
"""The codes of a user who was in the user pool before; the report counts them apart."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the report.

    `row` is the user's place in the request, counted from 1; `status` is `succeeded` or `failed`; `message` is `-` for
    a success and the service's message otherwise; `code` is the error code or empty; `username` is the name that
    Cognito gave (usually a UUID) or empty.
    """

    row: int
    useremail: str
    status: str
    message: str = "-"
    code: str = ""
    username: str = ""

    @classmethod
    def failed(cls, row: int, useremail: str, code: str, message: str, username: str = "") -> Outcome:
        """A user whose import or deletion failed with `code`."""
        return cls(row, useremail, FAILED, message, code, username)

    @classmethod
    def not_attempted(cls, row: int, useremail: str, reason: str) -> Outcome:
        """A user whom no call was made for, and why."""
        return cls(row, useremail, FAILED, reason, NOT_ATTEMPTED)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Outcome:
        """The outcome that :meth:`as_dict` wrote. Raises TypeError for any other shape."""
        return cls(**fields)

    def as_dict(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        return asdict(self)
