"""Objects in the report bucket that stand beside the runs' folders, because what they say concerns every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import failure, server_time
from cognito_import.errors import RunFolderError
from cognito_import.run.s3_folder import S3Folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_PERMISSIONS: Final = {
    "read": "s3:GetObject and s3:ListBucket",
    "written": "s3:PutObject",
    "deleted": "s3:DeleteObject",
    "listed": "s3:ListBucket",
}


class SharedObjects(S3Folder):
    """The objects of `bucket` under `prefix`, each by its name behind it. Every method raises RunFolderError if S3 fails."""

    def write(self, name: str, content: bytes) -> None:
        """Store an object in place of an earlier one."""
        self._put(name, content)

    def read(self, name: str) -> bytes | None:
        """Return what an object holds, or None if it is gone."""
        return self._get(name)

    def stored(self, name: str) -> tuple[bytes, str, float] | None:
        """Return what an object holds, its version for `replace`, and its age in seconds; None if it is gone."""
        return self._stored(name)

    def replace(self, name: str, content: bytes, version: str | None) -> bool:
        """Store an object in place of the `version` that was read, or as a new one; False if somebody else has since."""
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        return self._put_if(name, content, **condition)

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        try:
            self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + name)
        except (ClientError, BotoCoreError) as error:
            raise self._failure("deleted", name, error) from error

    def listed(self, after: str = "") -> Iterator[tuple[str, datetime, float]]:
        """Yield names in order, those behind `after`, each with when it was written and how many seconds ago.

        Both are by S3's own clock, in whole seconds.
        """
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix, StartAfter=self.prefix + after
        )
        try:
            for page in pages:
                now = server_time(page)
                for item in page.get("Contents", ()):
                    written = item["LastModified"]
                    yield item["Key"].removeprefix(self.prefix), written, (now - written).total_seconds()
        except (ClientError, BotoCoreError) as error:
            raise self._failure("listed", "", error) from error

    def _failure(self, step: str, name: str, error: ClientError | BotoCoreError) -> RunFolderError:
        return failure(RunFolderError, error, step, self._name(name), allow=_PERMISSIONS[step], then="try again")
