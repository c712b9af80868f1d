"""What each error code means for the import: the one table that decides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cognito_import.outcomes import EXISTS_CODES


class ErrorPolicy(Enum):
    """What to do about an error."""

    RESULT = "it is this user's outcome; go on with the next"
    RECHECK = "it may be another a moment later; the user's outcome when no attempt is left"
    RETRY = "it is the service's fault and never the user's outcome; call again after a while"
    STOP = "every further user would meet it too; make no more calls"


_RESULTS: Final = (
    "AliasExistsException",  # not modelled, but answered where an alias of the address has an owner
    "CodeDeliveryFailureException",
    "InvalidLambdaResponseException",
    "InvalidParameterException",
    "PreconditionNotMetException",
    "UnsupportedUserStateException",
    "UserLambdaValidationException",  # the pool's own pre sign-up trigger refused this user
    "UserNotFoundException",
    "UsernameExistsException",
)

THROTTLES: Final = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException"})
"""A call that met one of these was not executed."""

_FAULTS: Final = (
    "InternalErrorException",
    "InternalFailure",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
)

_RECHECKS: Final = (
    "UnexpectedLambdaException",  # the pool's own trigger failed or timed out; it did not refuse
)

_STOPS: Final = (
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidEmailRoleAccessPolicyException",
    "InvalidPasswordException",  # the settings' temporary password, the same for every user
    "InvalidSignatureException",
    "InvalidSmsRoleAccessPolicyException",
    "InvalidSmsRoleTrustRelationshipException",
    "LimitExceededException",  # not modelled: Cognito's own mail sender has sent its 50 of the day
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorizedException",
    "OperationNotEnabledException",
    "OptInRequired",
    "RequestExpired",
    "ResourceNotFoundException",  # the user pool or a group is gone
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)

POLICIES: Final = {
    **dict.fromkeys(_RESULTS, ErrorPolicy.RESULT),
    **dict.fromkeys(_RECHECKS, ErrorPolicy.RECHECK),
    **dict.fromkeys((*THROTTLES, *_FAULTS), ErrorPolicy.RETRY),
    **dict.fromkeys(_STOPS, ErrorPolicy.STOP),
}
"""The decision for every code that the operations model, and for those met beside them."""

OWN: Final = EXISTS_CODES | {"UnsupportedUserStateException", "UserNotFoundException"}
"""Results that speak of their user alone. Any other may be the fault of the list, the user pool or a setting."""

_EXCEPTIONS: Final = {
    # Cognito may not show a user everywhere at once; a moment later it does.
    ("AdminAddUserToGroup", "UserNotFoundException"): ErrorPolicy.RECHECK,
    ("AdminDisableUser", "UserNotFoundException"): ErrorPolicy.RECHECK,
}

_SERVER_ERROR: Final = 500


def policy_for(operation: str, code: str, status: int = 400) -> ErrorPolicy:
    """Return the decision for the error `code` of `operation`, answered with the HTTP `status`.

    A code that nobody knows is a fault of the service if its status says so, and else that user's outcome.
    """
    unknown = ErrorPolicy.RETRY if status >= _SERVER_ERROR else ErrorPolicy.RESULT
    return _EXCEPTIONS.get((operation, code)) or POLICIES.get(code, unknown)


def codes(*policies: ErrorPolicy) -> list[str]:
    """Return the error codes with one of these decisions, in order."""
    return sorted(code for code, policy in POLICIES.items() if policy in policies)


def common_results() -> list[str]:
    """Return the error codes of results that may have one cause for all users, in order."""
    return [code for code in codes(ErrorPolicy.RESULT) if code not in OWN]


@dataclass(frozen=True, slots=True)
class NamedFailure:
    """A failed call as Step Functions reports it: the code, the service's message, the HTTP status (500 if nobody answered).

    `repeated` says that the SDK inside Step Functions made more than one attempt, so that an earlier one may have had an
    effect.
    """

    code: str
    message: str
    status: int
    repeated: bool


_TAIL: Final = re.compile(r"\s*\(Service: [^()]*?Status Code: (\d+)[^()]*\)(?:\s*\(SDK Attempt Count: (\d+)\))?\s*$")
_GENERAL: Final = "CognitoIdentityProviderException"
_UNNAMED: Final = (
    ("is not authorized to perform", "AccessDeniedException"),
    ("security token", "ExpiredTokenException"),
    ("email limit", "LimitExceededException"),
    ("Rate exceeded", "TooManyRequestsException"),
)


def named(error: str, cause: str) -> NamedFailure:
    """Read the name and the cause of a failed task.

    An SDK integration names an error after the exception class of the SDK for Java, which has a class for each modelled
    error and one for all others ("Error names", AWS Step Functions Developer Guide); for those the text has to do.
    """
    tail = _TAIL.search(cause)
    message = cause[: tail.start()] if tail else cause
    # Step Functions' own errors, such as a timeout, say nothing of what the service did.
    status = int(tail[1]) if tail else _SERVER_ERROR
    repeated = bool(tail and tail[2] and int(tail[2]) > 1)
    code = error
    if error == _GENERAL and status < _SERVER_ERROR:
        code = next((code for text, code in _UNNAMED if text.lower() in message.lower()), error)
    return NamedFailure(code, message, status, repeated)
