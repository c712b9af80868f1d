"""The job type `delete`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cognito_import.engine.calls import UserFailedError
from cognito_import.engine.change import Change
from cognito_import.outcomes import WOULD_DELETE, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.engine.jobs import Objection, Reach
    from cognito_import.request.model import UserRow


CHANGED_SINCE: Final = "ChangedSince"
_SLACK: Final = timedelta(seconds=2)
"""S3 tells no moment more exactly than in seconds, and its clock and Cognito's may differ by one."""


class Deletion(Change):
    """Deletes users.

    Cognito answers the deletion of a user who never existed and of one whom a dying worker deleted alike, with
    UserNotFoundException. A user whose name is stored has existed, so if it is gone after a call that may have reached
    Cognito, it counts as deleted by us.
    """

    operation, would = "AdminDeleteUser", (WOULD_DELETE, "Would be deleted.")

    @classmethod
    def without_call(cls, row: UserRow, user: Mapping[str, Any], objection: Objection) -> Outcome | None:
        """Return the outcome of a user who may not be deleted: of an undo also of one who is not as the import left it."""
        if row.username and (change := _change(row, user)):
            message = f"Since the import the user {change}, so it is left as it is."
            return Outcome.failed(row.row, row.useremail, CHANGED_SINCE, message, row.username)
        return super().without_call(row, user, objection)

    def _process(self, row: UserRow, reach: Reach) -> Outcome:
        try:
            return super()._process(row, reach)
        except UserFailedError as failure:
            if not (reach.uncertain and failure.code == "UserNotFoundException"):
                raise
        return reach.succeeded()


def _change(row: UserRow, user: Mapping[str, Any]) -> str:
    """Say what befell a user since an import created it, or nothing."""
    if user["UserStatus"] != "FORCE_CHANGE_PASSWORD":
        return f"signed in or got a password (status {user['UserStatus']})"
    if bool(user["Enabled"]) is (row.enabled is False):
        return "was enabled" if user["Enabled"] else "was disabled"
    modified: datetime = user["UserLastModifiedDate"]
    if modified > datetime.fromisoformat(row.until) + _SLACK:
        return f"was changed, on {modified.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return ""
