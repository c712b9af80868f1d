"""The job type `delete`: looks a user up, and deletes it by the name that Cognito gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognito_import.engine.calls import UserFailedError
from cognito_import.engine.jobs import Forecast, Job
from cognito_import.engine.pacing import Category
from cognito_import.outcomes import WOULD_DELETE

if TYPE_CHECKING:
    from cognito_import.engine.jobs import Reach
    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow
    from cognito_import.settings import Settings


class Deletion(Job):
    """Deletes users.

    Only the look-up tells a user who never existed from one whom a worker deleted as it died: Cognito answers the
    deletion of both with UserNotFoundException. So `resume.found` stores the name before the first deletion, and a
    user whose name is stored has existed: if it is gone after an attempt that may have reached Cognito, it counts
    as deleted by us (that somebody else did so in those seconds, nobody could tell). The name also keeps a user
    safe who was made anew with the same address meanwhile. The look-up costs no pace, since it has a quota
    category of its own. It is repeated by a worker that resumes after another: `resume.objection` may have come up
    meanwhile.
    """

    categories = (Category.USER_UPDATE, Category.USER_READ)

    def _process(self, row: UserRow, reach: Reach) -> Outcome:
        reach.uncertain = bool(reach.username)
        try:
            user = self.calls.make("AdminGetUser", Username=reach.username or row.useremail)
            reach.username = str(user["Username"])
            objection = reach.resume.objection(row.useremail, reach.username, user["UserCreateDate"])
            if objection:
                raise UserFailedError(*objection)
            reach.resume.found(reach.username)
            self.calls.make("AdminDeleteUser", reach.note, Username=reach.username)
        except UserFailedError as failure:
            if not (reach.uncertain and failure.code == "UserNotFoundException"):
                raise
        return reach.succeeded()

    def _foresee(self, row: UserRow) -> Forecast:
        user = self.calls.make("AdminGetUser", Username=row.useremail)
        calls = ("AdminGetUser", "AdminDeleteUser")
        return Forecast.of(row, WOULD_DELETE, "Would be deleted.", calls, str(user["Username"]))

    def calls_at_most(self, row: UserRow) -> int:  # noqa: ARG002 - the same for all users
        """The name is stored between the two calls."""
        return 1

    @staticmethod
    def first_call(row: UserRow, settings: Settings) -> dict[str, Any]:
        """The look-up; the deletion follows it."""
        arguments = {"UserPoolId": settings.user_pool_id, "Username": row.useremail}
        return {"call": "AdminGetUser", "arguments": arguments, "groups": []}
