"""The CSV's way into S3, and the presigned link to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import explain
from cognito_import.errors import ReportError
from cognito_import.values import aware

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3.client import S3Client

LONGEST_SESSION: Final = timedelta(hours=36)
"""No temporary credentials live longer (AWS STS API Reference, GetSessionToken)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned link to one report. The URL is a secret, so the repr leaves it out.

    `ends` (UTC) is the moment after which the link cannot work. With `may_end_earlier` it was signed with
    temporary credentials that do not tell their end, so it can end before. `location` is `s3://bucket/key`.
    """

    url: str = field(repr=False)
    ends: datetime
    may_end_earlier: bool
    location: str


def store(s3: S3Client, bucket: str, key: str, path: str | PathLike[str]) -> None:
    """Store the file at `path`, encrypted as the bucket's default says. Raises ReportError and OSError."""
    with Path(path).open("rb") as file:
        try:
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=file,
                ContentType="text/csv; charset=utf-8",
                ContentDisposition=f'attachment; filename="{key.rpartition("/")[2]}"',
            )
        except (BotoCoreError, ClientError) as error:
            raise _failed("Storing", bucket, key, error, needs="s3:PutObject") from error


def sign(  # noqa: PLR0913 - what a link depends on
    s3: S3Client, bucket: str, key: str, *, link_seconds: int, now: datetime, credentials_end: datetime | None
) -> Link:
    """Make a presigned GET link to the stored report for `link_seconds`, or as long as the credentials last.

    `s3` must be made with :data:`cognito_import.aws.S3`; `credentials_end` is what :func:`credentials_end`
    tells. One HEAD request makes sure that the signer may read the object: a link can do no more than its
    signer. Raises ReportError, and ValueError for a moment without a time zone.
    """
    ends = aware(now) + timedelta(seconds=link_seconds)
    try:
        s3.head_object(Bucket=bucket, Key=key)
        wanted = {"Bucket": bucket, "Key": key}
        url = s3.generate_presigned_url("get_object", Params=wanted, ExpiresIn=link_seconds)
    except (BotoCoreError, ClientError) as error:
        raise _failed("Signing a link to", bucket, key, error, needs="s3:GetObject") from error
    signed = parse_qs(urlsplit(url).query)
    if not signed.get("X-Amz-Algorithm", [""])[0].startswith("AWS4-"):
        message = (
            f"The link to the report s3://{bucket}/{key} is not signed with SigV4: make the S3 client with "
            "cognito_import.aws.S3; then run the report again."
        )
        raise ReportError(message)
    may_end_earlier = credentials_end is None and "X-Amz-Security-Token" in signed
    if credentials_end is not None:
        ends = min(ends, aware(credentials_end))
    elif may_end_earlier:
        ends = min(ends, now + LONGEST_SESSION)
    if ends <= now:
        message = (
            f"The credentials that sign the link to the report s3://{bucket}/{key} ended at "
            f"{ends:%Y-%m-%d %H:%M:%S %Z}. Renew them; then run the report again."
        )
        raise ReportError(message)
    return Link(url, ends.astimezone(UTC), may_end_earlier, f"s3://{bucket}/{key}")


def credentials_end(credentials: Credentials | None) -> datetime | None:
    """When botocore `credentials` end (UTC), or None for ones that never do or do not tell.

    Those about to end are renewed first, as signing would do. Static credentials with a session token (a
    Lambda's, or an Airflow connection's) do not tell their end; :func:`sign` sees the token and marks the
    link. Raises ReportError when they cannot be renewed.
    """
    if credentials is None:
        return None
    try:
        credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError) as error:  # RuntimeError: the new ones have ended, too
        code, text = explain(error)
        message = (
            f"The credentials that sign the report's link could not be renewed: {code} ({text}). "
            "Check the AWS connection or the role; then run the report again."
        )
        raise ReportError(message) from error
    # botocore has no public name for it (boto/botocore#2604); a test fails if a release renames it.
    end: datetime | None = getattr(credentials, "_expiry_time", None)
    return None if end is None else end.astimezone(UTC)


def _failed(step: str, bucket: str, key: str, error: Exception, *, needs: str) -> ReportError:
    code, text = explain(error)
    match code:
        case "AccessDenied" | "AllAccessDisabled" | "403":
            advice = f"Allow the role {needs} on it, and the bucket's KMS key if it has one"
        case "NoSuchBucket" | "NoSuchKey" | "404":
            advice = "Check the setting 'report_bucket', and that nothing deletes new reports from it"
        case "PermanentRedirect" | "AuthorizationHeaderMalformed" | "301" | "400":
            advice = "Check the AWS connection's Region, which must be the bucket's, and its credentials"
        case "ExpiredToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NoCredentialsError":
            advice = "Check the credentials of the AWS connection or the role"
        case _:
            advice = "Wait a little"
    what = f"{step} the report s3://{bucket}/{key} failed: {code} ({text})"
    return ReportError(f"{what}. {advice}; then run the report again.")
