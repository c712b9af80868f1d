"""One folder in S3: its objects by name, conditional writes, the service's clock, and errors of our own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import error_details, failure, server_time
from cognito_import.errors import RunFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

_OVERTAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""Somebody else has written the object, or deleted it, since it was read ("Conditional writes", Amazon S3 User Guide)."""


class S3Folder:
    """The objects of `bucket` whose keys begin with `prefix`. Every method raises RunFolderError where S3 fails."""

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        """Take the client and the place."""
        self.s3 = s3
        self.bucket = bucket
        self.prefix = prefix
        self._server_time: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the service's clock, so that no two machines' clocks are ever compared: not later than it really is."""
        if self._server_time is None:
            return datetime.now(UTC)
        at, seen = self._server_time
        return at + timedelta(seconds=time.monotonic() - seen)

    def _lines(self, name: str) -> Iterator[bytes]:
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
            yield from body.iter_lines(chunk_size=256 * 1024)
        except (ClientError, BotoCoreError) as error:
            raise self._failure("read", name, error) from error

    def _keys(self, under: str) -> Iterator[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + under)
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    yield item["Key"].removeprefix(self.prefix)
        except (ClientError, BotoCoreError) as error:
            raise self._failure("listed", under, error) from error

    def _get(self, name: str, **options: Any) -> bytes | None:
        found = self._version(name, **options)
        return None if found is None else found[0]

    def _version(self, name: str, **options: Any) -> tuple[bytes, str] | None:
        """Return what is stored, and its ETag."""
        found = self._stored(name, **options)
        return None if found is None else found[:2]

    def _stored(self, name: str, **options: Any) -> tuple[bytes, str, float] | None:
        """Return what is stored, its ETag, and how many seconds ago it was written by the service's clock, in whole seconds."""
        try:
            response = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name, **options)
            content = response["Body"].read()
        except ClientError as error:
            if error_details(error)[0] in {"NoSuchKey", "404"}:
                return None
            raise self._failure("read", name, error) from error
        except BotoCoreError as error:
            raise self._failure("read", name, error) from error
        now = server_time(response)
        self._server_time = now, time.monotonic()
        return content, response["ETag"], (now - response["LastModified"]).total_seconds()

    def _put(self, name: str, content: Any, **condition: str) -> Any:
        options: Any = condition
        try:
            response = self.s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=content, **options)
        except (ClientError, BotoCoreError) as error:
            raise self._failure("written", name, error) from error
        self._server_time = server_time(response), time.monotonic()
        return response

    def _put_if(self, name: str, content: bytes, **condition: str) -> bool:
        """Store under a condition; False, and nothing is changed, if it is not met."""
        try:
            self._put(name, content, **condition)
        except RunFolderError as error:
            if isinstance(error.__cause__, ClientError) and error_details(error.__cause__)[0] in _OVERTAKEN:
                return False
            raise
        return True

    def _name(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}"

    def _failure(self, step: str, name: str, error: ClientError | BotoCoreError) -> RunFolderError:
        allow = "s3:GetObject, s3:PutObject and s3:ListBucket on it"
        missing = "create the bucket or correct the setting 'report_bucket'"
        return failure(RunFolderError, error, step, self._name(name), allow=allow, missing=missing)
