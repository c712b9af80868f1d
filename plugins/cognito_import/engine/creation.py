"""The job type `import`: creates a user, adds it to its groups, and disables one that is not to be enabled."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognito_import.engine.calls import BACKOFF, UserFailedError
from cognito_import.engine.completion import (
    COMPLETION_CALLS,
    complete,
    concerns,
    foresee_completion,
    invites_again,
)
from cognito_import.engine.jobs import Forecast, Job
from cognito_import.engine.pacing import Category
from cognito_import.outcomes import EXISTS_CODES, WOULD_CREATE, Outcome
from cognito_import.settings import COMPLETE

if TYPE_CHECKING:
    from cognito_import.engine.completion import User
    from cognito_import.engine.jobs import Reach
    from cognito_import.request.model import UserRow
    from cognito_import.settings import Settings

EXISTS: Final = "UsernameExistsException"
CLOCK_SKEW: Final = timedelta(seconds=1)
"""By how much the clocks of S3 and Cognito may differ."""


class Creation(Job):
    """Creates users.

    A user who exists is finished if a call of this run may have created it, it was created since that call, and no other
    run says that it created it. Any other user who exists is a failure, or is completed or invited again if the run is to do
    so (see `completion`).
    """

    categories = (Category.USER_CREATION, Category.USER_UPDATE)

    @classmethod
    def calls_needed(cls, row: UserRow) -> Counter[str]:
        """One creation, and what follows it; see `Job.calls_needed`."""
        return Counter({Category.USER_CREATION: 1, Category.USER_UPDATE: calls_after(row)})

    def _process(self, row: UserRow, reach: Reach) -> Outcome:
        existing = None if reach.username else self._create(row, reach)
        if existing is not None:
            return complete(self.calls, row, reach, existing, self.settings)
        reach.uncertain = True  # it is there, and may lack what follows
        for group in row.groups:
            self.calls.make("AdminAddUserToGroup", Username=reach.username, GroupName=group)
        if row.enabled is False:
            self.calls.make("AdminDisableUser", Username=reach.username)
        return reach.succeeded()

    def _create(self, row: UserRow, reach: Reach, attempts: int = BACKOFF.attempts) -> User | None:
        """Create the user and note the name that Cognito gave it; return a user who exists and is to be served."""
        try:
            answer = self.calls.make("AdminCreateUser", reach.note, **creation(row, self.settings))
        except UserFailedError as failure:
            exists = failure.code in EXISTS_CODES
            # A trigger that fails may do so after the user was created.
            doubtful = reach.uncertain and (exists or failure.code == "UnexpectedLambdaException")
            concerned = concerns(failure.code, self.settings)
            if not doubtful and not concerned:
                raise
            user = self._look_up(row)
            if user is None and exists and attempts > 1:  # somebody deleted it between the two calls
                return self._create(row, reach, attempts - 1)
            ours = user is not None and doubtful and self._is_ours(user, row, reach)
            if user is None or not (ours or (concerned and self._serves(row, user))):
                raise
            if not ours:
                return user
            reach.username = str(user["Username"])
        else:
            reach.username = str(answer["User"]["Username"])
        return None

    def _serves(self, row: UserRow, user: User) -> bool:
        """Return whether a user who exists is completed, or invited again; any other is a failure."""
        return self.settings.existing_users == COMPLETE or invites_again(row, user, self.settings)

    def _look_up(self, row: UserRow) -> User | None:
        """Return the user of this address as AdminGetUser describes it, or None if there is none."""
        try:
            return self.calls.make("AdminGetUser", Username=row.useremail)
        except UserFailedError as failure:
            if failure.code == "UserNotFoundException":
                return None
            raise

    @staticmethod
    def _is_ours(user: User, row: UserRow, reach: Reach) -> bool:
        """Return whether the user was created since a call of ours may have reached it, and not by another run.

        A user that signed up live meanwhile has another status, so it does not count as ours.
        """
        if user["UserCreateDate"] < reach.since - CLOCK_SKEW or user["UserStatus"] != "FORCE_CHANGE_PASSWORD":
            return False
        return not reach.resume.made_elsewhere(row.useremail, str(user["Username"]))

    def _foresee(self, row: UserRow) -> Forecast:
        user = self._look_up(row)
        if user is None:
            joins = f" and join {', '.join(row.groups)}" if row.groups else ""
            disabled = row.enabled is False
            calls = ["AdminCreateUser", *["AdminAddUserToGroup"] * len(row.groups), *["AdminDisableUser"] * disabled]
            return Forecast.of(row, WOULD_CREATE, f"Would be created{' disabled' * disabled}{joins}.", calls)
        if self._serves(row, user):
            return foresee_completion(self.calls, row, user, self.settings, self.members)
        message, username = "A user with this address exists already.", str(user["Username"])
        looked_up = ["AdminGetUser"] if concerns(EXISTS, self.settings) else []
        return Forecast(
            Outcome.failed(row.row, row.useremail, EXISTS, message, username), ("AdminCreateUser", *looked_up)
        )

    def calls_at_most(self, row: UserRow) -> int:
        """A user who exists may have to be looked up, and completed."""
        return 2 + calls_after(row) + (COMPLETION_CALLS if concerns(EXISTS, self.settings) else 0)

    @classmethod
    def first_call(cls, row: UserRow, settings: Settings) -> dict[str, Any]:
        """AdminCreateUser, the groups to join after it, and whether the user is disabled then."""
        arguments = {"UserPoolId": settings.user_pool_id, **creation(row, settings)}
        disable = row.enabled is False
        return {"call": "AdminCreateUser", "arguments": arguments, "groups": list(row.groups), "disable": disable}


def calls_after(row: UserRow) -> int:
    """Return how many calls a new user needs after it was created."""
    return len(row.groups) + (row.enabled is False)


def creation(row: UserRow, settings: Settings) -> dict[str, Any]:
    """Return the arguments of AdminCreateUser for one user, but for the user pool."""
    verified = "false" if row.email_verified is False else "true"
    attributes = {"email": row.useremail, "email_verified": verified, **row.attributes}
    arguments: dict[str, Any] = {
        "Username": row.useremail,
        "UserAttributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        "DesiredDeliveryMediums": ["EMAIL"],
    }
    if not settings.invite:
        arguments["MessageAction"] = "SUPPRESS"
    if settings.temporary_password:
        arguments["TemporaryPassword"] = settings.temporary_password
    return arguments
