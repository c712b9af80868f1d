"""What the job types have in common that look a user up and change it by one call, by the name that Cognito gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cognito_import.engine.jobs import Forecast, Job
from cognito_import.engine.pacing import Category
from cognito_import.outcomes import SUCCEEDED, UNCHANGED, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.engine.jobs import Objection, Reach
    from cognito_import.request.model import UserRow
    from cognito_import.settings import Settings


class Change(Job):
    """Looks a user up, stores its name, and calls `operation` for that name.

    Only the look-up tells how the user was before the call. So `resume.found` stores the name before the first call, and a
    user whose name is stored was as it had to be: what is seen of the call's effect later counts as ours (that somebody else
    did the same in those seconds, nobody could tell). The name also keeps a user safe who was made anew with the same
    address meanwhile. The look-up costs no pace, since it has a quota category of its own. It is repeated by whoever goes on
    behind another worker: `resume.objection` may have come up meanwhile.
    """

    categories = (Category.USER_UPDATE, Category.USER_READ)
    operation: ClassVar[str]
    would: ClassVar[tuple[str, str]]
    """The code and the message of a dry run."""

    def _process(self, row: UserRow, reach: Reach) -> Outcome:
        reach.uncertain = bool(reach.username)
        user = self.calls.make("AdminGetUser", Username=reach.username or row.username or row.useremail)
        reach.username = str(user["Username"])
        outcome = self.without_call(row, user, reach.resume.objection)
        if outcome is not None:
            return reach.succeeded() if reach.uncertain and outcome.status == SUCCEEDED else outcome
        reach.resume.found(reach.username)
        self.calls.make(self.operation, reach.note, Username=reach.username)
        return reach.succeeded()

    @classmethod
    def without_call(cls, row: UserRow, user: Mapping[str, Any], objection: Objection) -> Outcome | None:
        """Return the outcome of a user who may not be changed."""
        username = str(user["Username"])
        told = objection(row.useremail, username, user["UserCreateDate"])
        return Outcome.failed(row.row, row.useremail, *told, username) if told else None

    def _foresee(self, row: UserRow) -> Forecast:
        user = self.calls.make("AdminGetUser", Username=row.username or row.useremail)
        outcome = self.without_call(row, user, lambda *_: None)
        if outcome is not None and outcome.status == SUCCEEDED:
            return Forecast.of(row, UNCHANGED, outcome.message, ("AdminGetUser",), outcome.username)
        if outcome is not None:
            return Forecast(outcome, ("AdminGetUser",))
        return Forecast.of(row, *self.would, ("AdminGetUser", self.operation), str(user["Username"]))

    def calls_at_most(self, row: UserRow) -> int:  # noqa: ARG002 - the same for all users
        """The name is stored between the two calls."""
        return 1

    @classmethod
    def first_call(cls, row: UserRow, settings: Settings) -> dict[str, Any]:
        """The look-up; the change follows it."""
        arguments = {"UserPoolId": settings.user_pool_id, "Username": row.username or row.useremail}
        return {"call": "AdminGetUser", "arguments": arguments, "groups": [], "change": cls.operation}
