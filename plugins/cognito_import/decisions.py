"""What each error code means for the import: the one table that decides."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Decision(Enum):
    """What to do about an error."""

    RESULT = "it is this user's outcome; go on with the next"
    RETRY = "call again after a while; an outcome only when no attempt is left"
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
"""A call that met one of these was refused at the door: it surely did nothing."""

_FAULTS: Final = (
    "InternalErrorException",
    "InternalFailure",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "UnexpectedLambdaException",  # a trigger that failed or timed out, not one that refused
)

_STOPS: Final = (
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
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

DECISIONS: Final = {
    **dict.fromkeys(_RESULTS, Decision.RESULT),
    **dict.fromkeys((*THROTTLES, *_FAULTS), Decision.RETRY),
    **dict.fromkeys(_STOPS, Decision.STOP),
}
"""The decision for every code that the operations model, and for those met beside them."""

_EXCEPTIONS: Final = {
    # Cognito may not show a user everywhere at once; a moment later it does.
    ("AdminAddUserToGroup", "UserNotFoundException"): Decision.RETRY,
}

_SERVER_ERROR: Final = 500


def decide(operation: str, code: str, status: int = 400) -> Decision:
    """The decision for the error `code` of `operation`, answered with the HTTP `status`.

    A code that nobody knows is a fault of the service if its status says so, and else that user's outcome.
    """
    unknown = Decision.RETRY if status >= _SERVER_ERROR else Decision.RESULT
    return _EXCEPTIONS.get((operation, code)) or DECISIONS.get(code, unknown)
