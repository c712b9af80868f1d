"""The calls to Cognito for one user, and what they come to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, which does not extend the built-in one
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from cognito_import.aws import explain
from cognito_import.decisions import THROTTLES, Decision, decide
from cognito_import.errors import CallsStoppedError
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.pacing import Category, longest_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.pacing import Pacer
    from cognito_import.request import UserRow
    from cognito_import.settings import Settings

ATTEMPTS: Final = 20
LONGEST_BACKOFF: Final = 16.0
"""Seconds. The wait before attempt n + 1 is drawn evenly from 0 to the lesser of 2^(n-1) and this: exponential backoff
with full jitter. Twenty attempts wait some two minutes on average."""

_CATEGORIES: Final = {
    "AdminCreateUser": Category.USER_CREATION,
    "AdminAddUserToGroup": Category.USER_RESOURCE_UPDATE,
    "AdminDeleteUser": Category.USER_UPDATE,
    "AdminGetUser": Category.USER_READ,
}


class _UserFailedError(Exception):
    """One user's own failure, with the service's code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _RepeatableError(Exception):
    """A failure that another attempt may mend. `refused` tells that the service surely did nothing."""

    def __init__(self, failure: Exception, *, refused: bool) -> None:
        super().__init__(type(failure).__name__)
        self.failure = failure
        self.refused = refused


def _nothing(*_: str) -> None:
    """Let the worker go on whatever is the case."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A worker's turn at one user.

    `left` is what an earlier worker stored of the user, whom it may have been at when it died, or None. `may_go_on` is
    called before an attempt is repeated and raises to give the user up. `found` is called with the user's name before
    the user is deleted: it stores the name where it becomes the `left` of the worker that comes next, and raises to
    give the user up.
    """

    left: Outcome | None = None
    may_go_on: Callable[[], None] = _nothing
    found: Callable[[str], None] = _nothing


class _Attempts:
    """Takes note of whether an attempt may have reached the service although no answer came."""

    def __init__(self) -> None:
        self.unsure = False

    def note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.unsure = self.unsure or (isinstance(error, _RepeatableError) and not error.refused)


class UserPool:
    """One user pool, called at a slot's pace.

    `began` is when the run's rows were written: a user made since then may be our own, one made before never is.
    `jobtype` is the run's: what `process` does.
    """

    def __init__(  # noqa: PLR0913 - what calls depend on, and for tests a sleep
        self,
        client: CognitoIdentityProviderClient,
        settings: Settings,
        pacer: Pacer,
        *,
        began: datetime,
        jobtype: str = "import",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a client configured by `aws.COGNITO`, and for tests a sleep in seconds."""
        self._client = client
        self._settings = settings
        self._pacer = pacer
        self._began = began
        self._jobtype = jobtype
        self._sleep = sleep
        self._may_go_on: Callable[[], None] = _nothing

    def seconds_at_most(self, row: UserRow) -> float:
        """How long one user can take when nothing has to be repeated, from the last time that something was stored."""
        return longest_turn(1 + len(row.groups), self._settings.pacing_seconds)

    def process(self, row: UserRow, turn: Turn) -> Outcome:
        """Do the run's job for one user: see `create` and `delete`."""
        return self.delete(row, turn) if self._jobtype == "delete" else self.create(row, turn)

    def create(self, row: UserRow, turn: Turn = Turn()) -> Outcome:
        """Create the user and add it to its groups.

        If an earlier worker may have been at this user, one who is found to exist is finished if the run made it.
        Raises CallsStoppedError for an error that every further user would meet too.
        """
        self._may_go_on = turn.may_go_on
        username = ""
        try:
            username = self._create(row, resumed=turn.left is not None)
            for group in row.groups:
                self._call("AdminAddUserToGroup", Username=username, GroupName=group)
        except _UserFailedError as failure:
            return Outcome.failed(row.row, row.useremail, failure.code, failure.message, username)
        except CallsStoppedError as stop:
            if username:
                stop.pending = Outcome.failed(row.row, row.useremail, stop.code, stop.reason, username)
            raise
        return Outcome(row.row, row.useremail, SUCCEEDED, username=username)

    def delete(self, row: UserRow, turn: Turn = Turn()) -> Outcome:
        """Look the user up, and delete it by the name that Cognito gave it.

        Only the look-up tells a user who never existed from one whom a worker deleted as it died: Cognito answers the
        deletion of both with UserNotFoundException. So `turn.found` stores the name before the first deletion, and a
        user whose name is stored has existed: if it is gone after an attempt that may have reached Cognito, it counts
        as deleted by us (that somebody else did so in those seconds, nobody could tell). The name also keeps a user
        safe who was made anew with the same address meanwhile. The look-up costs no pace, since it has a quota
        category of its own.
        Raises CallsStoppedError for an error that every further user would meet too.
        """
        self._may_go_on = turn.may_go_on
        attempts = _Attempts()
        username = turn.left.username if turn.left else ""
        attempts.unsure = bool(username)
        try:
            if not username:
                username = str(self._call("AdminGetUser", Username=row.useremail)["Username"])
                turn.found(username)
            self._call("AdminDeleteUser", attempts.note, Username=username)
        except _UserFailedError as failure:
            if not (attempts.unsure and failure.code == "UserNotFoundException"):
                return Outcome.failed(row.row, row.useremail, failure.code, failure.message, username)
        except CallsStoppedError as stop:
            if attempts.unsure:
                stop.pending = Outcome.failed(row.row, row.useremail, stop.code, stop.reason, username)
            raise
        return Outcome(row.row, row.useremail, SUCCEEDED, username=username)

    def _create(self, row: UserRow, *, resumed: bool) -> str:
        """Create the user and return the name that Cognito gave it."""
        attempts = _Attempts()
        attempts.unsure = resumed
        try:
            answer = self._call("AdminCreateUser", attempts.note, **self._arguments(row))
        except _UserFailedError as failure:
            known = attempts.unsure and failure.code == "UsernameExistsException"
            if known and (username := self._made_by_this_run(row)):
                return username
            raise
        return str(answer["User"]["Username"])

    def _arguments(self, row: UserRow) -> dict[str, Any]:
        attributes = {"email": row.useremail, "email_verified": "true", **row.attributes}
        arguments: dict[str, Any] = {
            "Username": row.useremail,
            "UserAttributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
            "DesiredDeliveryMediums": ["EMAIL"],
        }
        if not self._settings.invite:
            arguments["MessageAction"] = "SUPPRESS"
        if self._settings.temporary_password:
            arguments["TemporaryPassword"] = self._settings.temporary_password
        return arguments

    def _made_by_this_run(self, row: UserRow) -> str:
        """The user's name if this run made it, else nothing.

        A user that signed up live meanwhile has another status, so it is not taken for ours.
        """
        user = self._call("AdminGetUser", Username=row.useremail)
        ours = user["UserCreateDate"] >= self._began and user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
        return str(user["Username"]) if ours else ""

    def _call(
        self,
        operation: str,
        note: Callable[[RetryCallState], None] = lambda _: None,
        **arguments: Any,  # noqa: ANN401 - arguments of the service's operation
    ) -> dict[str, Any]:
        def before(state: RetryCallState) -> None:
            if state.attempt_number > 1:
                self._may_go_on()

        attempts = Retrying(
            retry=retry_if_exception_type(_RepeatableError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=1, max=LONGEST_BACKOFF),
            sleep=self._sleep,
            before=before,
            after=note,
            reraise=True,
        )
        try:
            return attempts(self._attempt, operation, arguments)
        except _RepeatableError as last:
            raise _given_up(operation, last.failure) from last.failure

    def _attempt(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        category = _CATEGORIES[operation]
        self._pacer.wait(category)
        call = getattr(self._client, _METHODS[operation])
        try:
            answer: dict[str, Any] = call(UserPoolId=self._settings.user_pool_id, **arguments)
        except ClientError as error:
            raise _decided(operation, error) from error
        except ParamValidationError as error:
            raise _UserFailedError("InvalidParameterException", str(error)) from error
        except (ConnectionError, HTTPClientError) as error:  # none, timed out, or lost
            raise _RepeatableError(error, refused=False) from error
        except BotoCoreError as error:  # credentials or configuration
            code = "NoCredentials" if isinstance(error, NoCredentialsError) else type(error).__name__
            raise CallsStoppedError(code, str(error)) from error
        finally:
            self._pacer.done(category)
        return answer


_METHODS: Final = {
    "AdminCreateUser": "admin_create_user",
    "AdminAddUserToGroup": "admin_add_user_to_group",
    "AdminDeleteUser": "admin_delete_user",
    "AdminGetUser": "admin_get_user",
}


def _decided(operation: str, error: ClientError) -> Exception:
    code, message = explain(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    match decide(operation, code, status):
        case Decision.RESULT:
            return _UserFailedError(code, message)
        case Decision.RETRY:
            return _RepeatableError(error, refused=code in THROTTLES)
        case Decision.STOP:
            return CallsStoppedError(code, message)


def _given_up(operation: str, failure: Exception) -> Exception:
    """What a failure is that lasted for all attempts: the user's, if the service spoke, else everybody's."""
    if isinstance(failure, ClientError):
        return _UserFailedError(*explain(failure))
    reason = f"Cognito could not be reached for {operation} in {ATTEMPTS} attempts"
    return CallsStoppedError(type(failure).__name__, reason, temporary=True)
