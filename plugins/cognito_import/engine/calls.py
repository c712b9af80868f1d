"""One call to Cognito: at the slot's pace, repeated while that may help, its errors classified."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, which does not extend the built-in one
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from cognito_import.aws import error_details
from cognito_import.engine.error_policy import THROTTLES, ErrorPolicy, policy_for
from cognito_import.engine.pacing import Category
from cognito_import.errors import CallsStoppedError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.engine.pacing import Pacer


class Backoff(NamedTuple):
    """How a call is repeated: so many `attempts`, and before attempt n + 1 a wait of at most `base` * 2^(n-1) s or `longest`.

    The wait is drawn evenly from 0 on (full jitter), but never shorter than the pace.
    """

    base: float
    longest: float
    attempts: int


BACKOFF: Final = Backoff(base=1.0, longest=16.0, attempts=7)
"""Of every call to Cognito. Seven attempts take about half a minute; what lasts longer ends the batch for a while. A child of the
state machine repeats a throttled call until its time is over, and waits as long at the most."""


class Operation(NamedTuple):
    """An operation's method of the boto3 client, and the quota category that its calls count against."""

    method: str
    category: Category


OPERATIONS: Final = {
    "AdminCreateUser": Operation("admin_create_user", Category.USER_CREATION),
    "AdminAddUserToGroup": Operation("admin_add_user_to_group", Category.USER_UPDATE),
    "AdminDeleteUser": Operation("admin_delete_user", Category.USER_UPDATE),
    "AdminDisableUser": Operation("admin_disable_user", Category.USER_UPDATE),
    "AdminEnableUser": Operation("admin_enable_user", Category.USER_UPDATE),
    "AdminUpdateUserAttributes": Operation("admin_update_user_attributes", Category.USER_UPDATE),
    "AdminGetUser": Operation("admin_get_user", Category.USER_READ),
    "AdminListGroupsForUser": Operation("admin_list_groups_for_user", Category.USER_RESOURCE_READ),
    "ListUsersInGroup": Operation("list_users_in_group", Category.USER_LIST),
}
"""All operations that a job type may call, and that which a dry run needs beside."""


class UserFailedError(Exception):
    """One user's own failure, with the service's code and message."""

    def __init__(self, code: str, message: str) -> None:
        """Take what the service said."""
        super().__init__(message)
        self.code = code
        self.message = message


class RepeatableError(Exception):
    """A failure that another attempt may cure. `not_executed` says that the service surely did nothing."""

    def __init__(self, failure: Exception, policy: ErrorPolicy, *, not_executed: bool) -> None:
        """Take the failure and what it means."""
        super().__init__(type(failure).__name__)
        self.failure = failure
        self.policy = policy
        self.not_executed = not_executed


class Calls:
    """Calls one user pool at a slot's pace. `may_go_on` is called before an attempt is repeated, and raises to end it."""

    def __init__(
        self,
        client: CognitoIdentityProviderClient,
        user_pool_id: str,
        pacer: Pacer,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a client configured by `aws.COGNITO`, and for tests a sleep in seconds."""
        self._client = client
        self._user_pool_id = user_pool_id
        self._pacer = pacer
        self._sleep = sleep
        self.may_go_on: Callable[[], None] = lambda: None

    def make(
        self,
        operation: str,
        note: Callable[[RetryCallState], None] = lambda _: None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Make a call and return its answer; `note` is told of each attempt.

        Raises UserFailedError for the user's own failure, and CallsStoppedError for an error that every further user
        would meet too, or for one of the service that lasted for all attempts (`temporary`).
        """

        def before(state: RetryCallState) -> None:
            if state.attempt_number > 1:
                self.may_go_on()

        attempts = Retrying(
            retry=retry_if_exception_type(RepeatableError),
            stop=stop_after_attempt(BACKOFF.attempts),
            wait=wait_random_exponential(multiplier=BACKOFF.base, max=BACKOFF.longest),
            sleep=self._sleep,
            before=before,
            after=note,
            reraise=True,
        )
        try:
            return attempts(self._attempt, operation, arguments)
        except RepeatableError as last:
            raise _exhausted(operation, last) from last.failure

    def _attempt(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        method, category = OPERATIONS[operation]
        self._pacer.wait(category)
        try:
            answer: dict[str, Any] = getattr(self._client, method)(UserPoolId=self._user_pool_id, **arguments)
        except ClientError as error:
            if error_details(error)[0] in THROTTLES:
                self._pacer.throttled()
            raise _from_client_error(operation, error) from error
        except ParamValidationError as error:
            raise UserFailedError("InvalidParameterException", str(error)) from error
        except (ConnectionError, HTTPClientError) as error:  # none, timed out, or lost
            raise RepeatableError(error, ErrorPolicy.RETRY, not_executed=False) from error
        except BotoCoreError as error:  # credentials or configuration
            code = "NoCredentials" if isinstance(error, NoCredentialsError) else type(error).__name__
            raise CallsStoppedError(code, str(error)) from error
        finally:
            self._pacer.done(category)
        return answer


def _from_client_error(operation: str, error: ClientError) -> Exception:
    code, message = error_details(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    match policy := policy_for(operation, code, status):
        case ErrorPolicy.RESULT:
            return UserFailedError(code, message)
        case ErrorPolicy.STOP:
            return CallsStoppedError(code, message)
        case _:
            return RepeatableError(error, policy, not_executed=code in THROTTLES)


def _exhausted(operation: str, last: RepeatableError) -> Exception:
    """Return what a failure is that lasted for all attempts: the user's if it may be, else the service's."""
    if isinstance(last.failure, ClientError):
        code, message = error_details(last.failure)
        if last.policy is ErrorPolicy.RECHECK:
            return UserFailedError(code, message)
        return CallsStoppedError(code, f"{message} ({operation}, {BACKOFF.attempts} attempts)", temporary=True)
    reason = f"Cognito could not be reached for {operation} in {BACKOFF.attempts} attempts"
    return CallsStoppedError(type(last.failure).__name__, reason, temporary=True)
