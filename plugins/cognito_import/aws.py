"""How every boto3 client of the package is configured, and the one place that turns an AWS error into words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, which does not extend the built-in one
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from cognito_import.errors import CognitoImportError

_CONNECT, _READ = 5, 15
MAX_CALL_SECONDS: Final = _CONNECT + _READ
"""Seconds that one call to Cognito takes at most."""

COGNITO: Final = Config(
    connect_timeout=_CONNECT,
    read_timeout=_READ,
    # One attempt: UserPool repeats calls itself, since each attempt has to keep the pace and to look at the lease.
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=32,  # the state machine's function calls from as many threads as there are slots
)
"""For `cognito-idp`."""

# How long the attempts below last: since botocore 1.44 eight span some three seconds, before it half a minute. Only throttles are
# still waited for as long as before. What has to outlast more is repeated by the caller: Airflow's retries, the state machine's
# Retry, and a worker's `Patience`.
S3: Final = Config(
    # Some Regions' clients still sign links with SigV2, which S3 refuses for newer buckets.
    signature_version="s3v4",
    # The global host answers a link into a newer Region or a young bucket with a redirect that breaks the signature.
    s3={"addressing_style": "virtual"},
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=32,  # as above
)
"""For `s3`."""

SES: Final = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""For `ses` and `sesv2`."""

CLOUDWATCH: Final = Config(
    # A forecast is worth no waiting: where nothing leads to CloudWatch, a private network say, the import begins without it.
    connect_timeout=3,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 2},
)
"""For `cloudwatch`."""

SECRETS: Final = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""For `secretsmanager` and `sts`."""

STEP_FUNCTIONS: Final = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 8},
)
"""For `stepfunctions`."""


CONFIGS: Final = MappingProxyType(
    {
        "cloudwatch": CLOUDWATCH,
        "cognito-idp": COGNITO,
        "s3": S3,
        "secretsmanager": SECRETS,
        "ses": SES,
        "sesv2": SES,
        "stepfunctions": STEP_FUNCTIONS,
        "sts": SECRETS,
    }
)
"""By the name of the service."""


class Failure(StrEnum):
    """What kind of error AWS or the way to it has answered with."""

    DENIED = "denied"
    EXPIRED = "expired"
    """The credentials are missing, wrong or no longer valid."""
    MISSING = "missing"
    TEMPORARY = "temporary"
    """The service is throttling, failing or unreachable: the same call may succeed a while later."""
    OTHER = "other"


_CODES: Final = {
    **dict.fromkeys(
        ("403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "Forbidden", "NotAuthorizedException",
         "OptInRequired", "UnauthorizedOperation"),
        Failure.DENIED,
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
         "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
         "RequestExpired", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException"),
        Failure.EXPIRED,
    ),
    **dict.fromkeys(
        ("404", "ExecutionDoesNotExist", "NoSuchBucket", "NoSuchKey", "NotFound", "NotFoundException",
         "ResourceNotFoundException", "StateMachineDoesNotExist"),
        Failure.MISSING,
    ),
    **dict.fromkeys(
        ("BandwidthLimitExceeded", "InternalError", "InternalErrorException", "InternalFailure", "PriorRequestNotComplete",
         "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "RequestTimeout", "RequestTimeoutException",
         "ServiceUnavailable", "ServiceUnavailableException", "SlowDown", "ThrottledException", "Throttling",
         "ThrottlingException", "TooManyRequestsException"),
        Failure.TEMPORARY,
    ),
}  # fmt: skip
_UNREACHABLE: Final = (ConnectionError, CredentialRetrievalError, HTTPClientError, IncompleteReadError)
_NO_CREDENTIALS: Final = (NoAuthTokenError, NoCredentialsError, PartialCredentialsError, SSOError, TokenRetrievalError)
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500

_REGION: Final = "check that the AWS connection's Region is the bucket's, and its credentials"
_ADVICE: Final = {
    "301": _REGION,
    "400": _REGION,  # all that a HEAD request says
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "check the credentials of the AWS connection or the role, and this machine's clock",
}
"""What to do about a code that says more than its kind."""


def classify(error: Exception) -> Failure:
    """Tell the kind of a botocore `error`, by its code, its HTTP status or its class."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        overloaded = status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS
        return Failure.TEMPORARY if overloaded else _CODES.get(error_details(error)[0], Failure.OTHER)
    if isinstance(error, _UNREACHABLE):
        return Failure.TEMPORARY
    return Failure.EXPIRED if isinstance(error, _NO_CREDENTIALS) else Failure.OTHER


def is_temporary(error: Exception) -> bool:
    """Return whether the same call may succeed a while later: a throttle, a fault of the service or of the network."""
    return classify(error) is Failure.TEMPORARY


E = TypeVar("E", bound=CognitoImportError)


def failure(  # noqa: PLR0913 - the parts of a sentence
    kind: type[E],
    error: Exception,
    doing: str,
    what: str,
    *,
    allow: str = "",
    missing: str = "",
    then: str = "",
    advice: Mapping[str, str] = MappingProxyType({}),
) -> E:
    """Return an error of our own that says what failed, why, and what to do about it, and whether it is temporary.

    `what` cannot be `doing`, a participle: "s3://reports/runs/x cannot be read: …". `allow` is the permission that the
    call needs, `missing` what to do if its object does not exist, `then` what follows when the cause is fixed, and
    `advice` what to do about single error codes, ahead of what is known here.
    """
    code, text = error_details(error)
    by_kind = {
        Failure.DENIED: f"allow the role or user {allow or 'this call'}",
        Failure.EXPIRED: "check the credentials of the AWS connection or the role",
        Failure.MISSING: missing or "check its name",
        Failure.TEMPORARY: "wait a little",
        Failure.OTHER: "look the error code up",
    }
    do = advice.get(code) or _ADVICE.get(code) or by_kind[classify(error)]
    failed = kind(f"{what} cannot be {doing}: {code} ({text}); {do}{f', then {then}' if then else ''}.")
    failed.temporary = is_temporary(error)
    return failed


def error_details(error: Exception) -> tuple[str, str]:
    """Return the error code and message of a botocore `error`, or its class and text if no service answered."""
    if isinstance(error, ClientError):
        response = error.response.get("Error", {})
        return str(response.get("Code", "Unknown")), str(response.get("Message", "no message")).strip()
    return type(error).__name__, str(error)


def server_time(response: Any) -> datetime:
    """Return the service's own clock, from an answer's Date header, so that no two clocks are ever compared."""
    return parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
