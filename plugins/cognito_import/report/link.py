"""The CSV's way into S3, and the presigned link to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.aws_private import expiry_of
from cognito_import.errors import ReportError
from cognito_import.values import aware

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3.client import S3Client

MAX_SESSION_DURATION: Final = timedelta(hours=36)
"""No temporary credentials live longer (AWS STS API Reference, GetSessionToken)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned link to one report. The URL is a secret, so the repr leaves it out.

    `expires_at` (UTC) is the moment after which the link cannot work. With `may_expire_earlier` it was signed with
    temporary credentials whose end is unknown, so it can end before. `location` is `s3://bucket/key`.
    """

    url: str = field(repr=False)
    expires_at: datetime
    may_expire_earlier: bool
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
            raise _failed("stored", f"The report s3://{bucket}/{key}", error, needs="s3:PutObject") from error


def sign(  # noqa: PLR0913 - what a link depends on
    s3: S3Client,
    bucket: str,
    key: str,
    *,
    link_seconds: int,
    now: datetime,
    credentials_expire_at: datetime | None,
    signer: S3Client | None = None,
) -> Link:
    """Make a presigned GET link to the stored report for `link_seconds`, or as long as the credentials last.

    `signer` signs in place of `s3`, with the key of an IAM user, say, whose links outlive those of a role. Either must be
    made with :data:`cognito_import.aws.S3`, and `credentials_expire_at` is what :func:`credentials_expire_at` returns for the one
    that signs. One HEAD request makes sure that the signer may read the object: a link can do no more than its signer.
    Raises ReportError, and ValueError for a moment without a time zone.
    """
    client = signer or s3
    expires_at = aware(now) + timedelta(seconds=link_seconds)
    try:
        client.head_object(Bucket=bucket, Key=key)
        wanted = {"Bucket": bucket, "Key": key}
        url = client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=link_seconds)
    except (BotoCoreError, ClientError) as error:
        doing = "signed with the key of 'link_conn_id' (or of the stack's LinkSigner)" if signer else "signed"
        raise _failed(doing, f"The link to the report s3://{bucket}/{key}", error, needs="s3:GetObject") from error
    signed = parse_qs(urlsplit(url).query)
    if not signed.get("X-Amz-Algorithm", [""])[0].startswith("AWS4-"):
        message = (
            f"The link to the report s3://{bucket}/{key} is not signed with SigV4: make the S3 client with "
            "cognito_import.aws.S3; then run the report again."
        )
        raise ReportError(message)
    may_expire_earlier = credentials_expire_at is None and "X-Amz-Security-Token" in signed
    if credentials_expire_at is not None:
        expires_at = min(expires_at, aware(credentials_expire_at))
    elif may_expire_earlier:
        expires_at = min(expires_at, now + MAX_SESSION_DURATION)
    if expires_at <= now:
        message = (
            f"The credentials that sign the link to the report s3://{bucket}/{key} ended at "
            f"{expires_at:%Y-%m-%d %H:%M:%S %Z}. Renew them; then run the report again."
        )
        raise ReportError(message)
    return Link(url, expires_at.astimezone(UTC), may_expire_earlier, f"s3://{bucket}/{key}")


def lasting_key(client: S3Client, bucket: str) -> str:
    """Return the id of the access key that `client` signs with if it is an IAM user's, else nothing: others do not last.

    Links end without a word when such a key is replaced. Calls nobody. Raises ReportError.
    """
    try:
        url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "report"})
    except (BotoCoreError, ClientError) as error:
        raise _failed("signed", f"A link to s3://{bucket}", error, needs="s3:GetObject") from error
    signed = parse_qs(urlsplit(url).query)
    if "X-Amz-Security-Token" in signed:
        return ""
    return signed.get("X-Amz-Credential", [""])[0].partition("/")[0]


def credentials_expire_at(credentials: Credentials | None) -> datetime | None:
    """Return when botocore `credentials` end (UTC), or None where they never do or that is unknown.

    Those about to end are renewed first, as signing would do. Static credentials with a session token (a
    Lambda's, or an Airflow connection's) do not say when they end; :func:`sign` sees the token and marks the
    link. Raises ReportError when they cannot be renewed.
    """
    if credentials is None:
        return None
    try:
        credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError) as error:  # RuntimeError: the new ones have ended, too
        what = "The credentials that sign the report's link"
        raise aws.failure(ReportError, error, "renewed", what, then="run the report again") from error
    end = expiry_of(credentials)
    return None if end is None else end.astimezone(UTC)


def _failed(doing: str, what: str, error: Exception, *, needs: str) -> ReportError:
    return aws.failure(
        ReportError,
        error,
        doing,
        what,
        allow=f"{needs} on it, and the bucket's KMS key if it has one",
        missing="check the setting 'report_bucket', and that nothing deletes new reports from it",
        then="run the report again",
    )
