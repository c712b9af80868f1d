"""How every boto3 client of the package is configured, and how its errors are read."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

_CONNECT, _READ = 5, 15
LONGEST_CALL: Final = _CONNECT + _READ
"""Seconds that one call to Cognito takes at most."""

COGNITO: Final = Config(
    connect_timeout=_CONNECT,
    read_timeout=_READ,
    # One attempt: UserPool repeats calls itself, since each attempt has to keep the pace and to look at the lease.
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For `cognito-idp`."""

S3: Final = Config(
    # Some Regions' clients still sign links with SigV2, which S3 refuses for newer buckets.
    signature_version="s3v4",
    # The global host answers a link into a newer Region or a young bucket with a redirect that breaks the signature.
    s3={"addressing_style": "virtual"},
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=16,
)
"""For `s3`."""

SES: Final = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""For `ses` and `sesv2`."""

STEP_FUNCTIONS: Final = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 8},
)
"""For `stepfunctions`."""


def explain(error: Exception) -> tuple[str, str]:
    """The error code and message of a botocore `error`, or its class and text if no service answered."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        return str(answer.get("Code", "Unknown")), str(answer.get("Message", "no message")).strip()
    return type(error).__name__, str(error)


def clock(answer: Any) -> datetime:  # noqa: ANN401 - any answer of boto3
    """The service's own clock, from an answer's Date header, so that no two clocks are ever compared."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
