"""The job types `disable` and `enable`: whether a user may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cognito_import.engine.change import Change
from cognito_import.outcomes import LEFT_UNCHANGED, SUCCEEDED, WOULD_DISABLE, WOULD_ENABLE, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.engine.jobs import Objection
    from cognito_import.request.model import UserRow


class Disabling(Change):
    """Disables users. A user who is disabled already is a success without a call."""

    operation, would = "AdminDisableUser", (WOULD_DISABLE, "Would be disabled.")
    enabled: ClassVar[bool] = False

    @classmethod
    def without_call(cls, row: UserRow, user: Mapping[str, Any], objection: Objection) -> Outcome | None:
        """Return the outcome of a user who is as it shall be, or may not be changed."""
        if bool(user["Enabled"]) is cls.enabled:
            message = f"{'Enabled' if cls.enabled else 'Disabled'} already."
            return Outcome(row.row, row.useremail, SUCCEEDED, message, LEFT_UNCHANGED, str(user["Username"]))
        return super().without_call(row, user, objection)


class Enabling(Disabling):
    """Enables users. Nothing speaks against that: a later run that names the user wants it there, or follows anyway."""

    operation, would = "AdminEnableUser", (WOULD_ENABLE, "Would be enabled.")
    enabled = True

    @classmethod
    def without_call(cls, row: UserRow, user: Mapping[str, Any], objection: Objection) -> Outcome | None:  # noqa: ARG003
        """Return the outcome of a user who is enabled."""
        return super().without_call(row, user, lambda *_: None)
