"""The job type `delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognito_import.engine.calls import UserFailedError
from cognito_import.engine.change import Change
from cognito_import.outcomes import WOULD_DELETE

if TYPE_CHECKING:
    from cognito_import.engine.jobs import Reach
    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow


class Deletion(Change):
    """Deletes users.

    Cognito answers the deletion of a user who never existed and of one whom a dying worker deleted alike, with
    UserNotFoundException. A user whose name is stored has existed, so if it is gone after a call that may have reached
    Cognito, it counts as deleted by us.
    """

    operation, would = "AdminDeleteUser", (WOULD_DELETE, "Would be deleted.")

    def _process(self, row: UserRow, reach: Reach) -> Outcome:
        try:
            return super()._process(row, reach)
        except UserFailedError as failure:
            if not (reach.uncertain and failure.code == "UserNotFoundException"):
                raise
        return reach.succeeded()
