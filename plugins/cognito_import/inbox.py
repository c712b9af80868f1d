"""The S3 inbox of the nightly run: which files wait in it, what each asks for, and where it goes when its run has ended.

::

    s3://bucket/prefix/                        the inbox: upstream systems put files here, in folders as they like
    s3://bucket/prefix/processed/{folders}/    files whose users were all attempted and reported
    s3://bucket/prefix/failed/{folders}/       the others, each with a text `{name}.txt` beside it that says why

A filed file's name begins with the moment of its arrival and eight digits of its version, so that files that come every
night under one name never replace each other.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.aws import error_details, server_time
from cognito_import.errors import InboxError
from cognito_import.inbox_files import (
    ARCHIVES,
    FAILED,
    PROCESSED,
    Contents,
    InboxFile,
    Waiting,
    WaitingFile,
    archive_of,
    archived_name,
    filed_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from mypy_boto3_s3.client import S3Client

    from cognito_import.settings import InboxRule, Settings

MAX_FILES: Final = 1_000
"""Files of one night, below Airflow's usual limit of 1,024 mapped tasks; the others wait for the next night."""
MAX_REASON_BYTES: Final = 16 * 1024
"""Bytes of the text beside a failed file that are read."""

_UNFINISHED: Final = re.compile(
    r"(?:^|/)(?:\.|~\$)[^/]*$|\.(?:part|partial|filepart|tmp|temp|crdownload|upload)$", re.IGNORECASE
)
"""Names that tools give to a file while they write it, and hidden files."""
_REST: Final = re.compile(r"_rest_\d{8}T\d{6}Z_[0-9a-f]{8}$")
_GONE: Final = frozenset({"NoSuchKey", "404", "PreconditionFailed", "412"})

log = logging.getLogger(__name__)


class Inbox:
    """The inbox that the settings name. Every method raises InboxError where S3 fails."""

    def __init__(self, s3: S3Client, settings: Settings) -> None:
        """Take the client and settings that have an `inbox`. Raises InboxError if they have none."""
        if settings.inbox is None:
            message = "The setting 'inbox' is missing; expected s3://bucket/prefix/ for the nightly run."
            raise InboxError(message)
        self._s3 = s3
        self._settings = settings
        self.quiet_seconds = settings.inbox_quiet_seconds
        self.bucket, _, self.prefix = settings.inbox.removeprefix("s3://").partition("/")

    def waiting(self) -> Waiting:
        """Look what waits.

        A file that changed less than `inbox_quiet_seconds` ago by S3's own clock may still be replaced by its writer, so
        it is not ready yet. Unfinished and hidden files are left alone by their names, folders' markers always.
        """
        found: dict[str, list[InboxFile]] = {"ready": [], "later": [], "changing": [], "unfinished": []}
        for one in self.contents().waiting:
            found[one.state].append(one.file)
        for file in found["unfinished"]:
            log.info("%s is left alone: its name says that it is not finished.", self.name(file.key))
        if found["later"]:
            total = len(found["ready"]) + len(found["later"])
            log.warning("%d files wait; taking the first %d, the others wait.", total, MAX_FILES)
        return Waiting(found["ready"], len(found["changing"]))

    def contents(self) -> Contents:
        """List all that lies in the inbox, by one request for each 1,000 objects."""
        waiting: list[WaitingFile] = []
        archived: dict[str, dict[str, Any]] = {archive: {} for archive in ARCHIVES}
        for item, now in self._objects():
            below = item["Key"].removeprefix(self.prefix)
            if not below or below.endswith("/"):
                continue
            if archive := archive_of(below):
                archived[archive][below] = item
            else:
                waiting.append(self._waiting(item, below, now - item["LastModified"]))
        # Imports first: a run of another kind may wait for its approval until the next day.
        waiting.sort(key=lambda one: (self.rule(one.file).jobtype != "import", one.file.arrived, one.file.key))
        ready = 0
        for place, one in enumerate(waiting):
            ready += one.state == "ready"
            if one.state == "ready" and ready > MAX_FILES:
                waiting[place] = replace(one, state="later")
        return Contents(waiting, *(filed_files(archive, archived[archive]) for archive in ARCHIVES))

    def _waiting(self, item: Any, below: str, age: timedelta) -> WaitingFile:
        arrived = item["LastModified"].astimezone(UTC).replace(microsecond=0)
        file = InboxFile(item["Key"], item["ETag"].strip('"'), arrived.isoformat())
        if _UNFINISHED.search(below):
            return WaitingFile(file, below, item["Size"], "unfinished")
        changing = max(0.0, age.total_seconds()) < self.quiet_seconds
        return WaitingFile(file, below, item["Size"], "changing" if changing else "ready")

    def rule(self, file: InboxFile) -> InboxRule:
        """Return the rule for the file: the one whose prefix is the longest that its key begins with, below the inbox."""
        return self._settings.inbox_rule(file.key.removeprefix(self.prefix))

    def request(self, file: InboxFile) -> dict[str, str]:
        """Return the request that imports the file: its place, and what its rule says."""
        rule = self.rule(file)
        request = {"source": f"s3://{self.bucket}/{file.key}", "adminemail": rule.adminemail, "jobtype": rule.jobtype}
        return request if rule.engine is None else {**request, "engine": rule.engine}

    def archive(self, file: InboxFile, *, etag: str | None = None, reason: str | None = None) -> str | None:
        """Move the file to `processed/`, or with a `reason` to `failed/` and put the reason beside it. Gives its new key.

        `etag` is what the run has read, if that is another version than the one that was listed: it was replaced in
        between, and what was imported is what goes. A file that was replaced once more stays, as a new file, and the one
        before it is no more: then the answer is None. Doing this again changes nothing.
        """
        archive = PROCESSED if reason is None else FAILED
        target = f"{self.prefix}{archived_name(archive, file.key.removeprefix(self.prefix), file.version_id)}"
        version = f'"{etag or file.etag}"'
        moved = self._copy(file.key, target, version)
        if not moved and not self._head(target):
            log.warning("%s was replaced or removed meanwhile; there is nothing to archive.", self.name(file.key))
            return None
        if reason is not None:
            self._write(f"{target}.txt", reason)
        if moved:
            self._delete(file.key, version)
        return target

    def leave_rest(self, file: InboxFile, content: bytes) -> None:
        """Put the rows that the next night takes up beside the file, under its rule. A file that is there stays."""
        stem = _REST.sub("", file.key.rpartition(".")[0] if "." in file.key.rpartition("/")[2] else file.key)
        key = f"{stem}_rest_{file.version_id}.csv"
        put = partial(self._s3.put_object, IfNoneMatch="*", ContentType="text/csv; charset=utf-8")
        self._call("written", key, "s3:PutObject", put, Bucket=self.bucket, Key=key, Body=content)
        log.info("%s holds the rows that the next night takes up.", self.name(key))

    def place(self, file: InboxFile) -> str | None:
        """Return the key where this version of the file lies now, or None if it was replaced or removed before it was filed."""
        arrived = datetime.fromisoformat(file.arrived)
        found = self._head(file.key)
        if found and (found["ETag"].strip('"'), found["LastModified"].replace(microsecond=0)) == (file.etag, arrived):
            return file.key
        return next((key for key in self._targets(file) if self._head(key)), None)

    def reason(self, key: str) -> str:
        """Return the text beside a failed file, whose `key` it is; nothing if it is gone."""
        found = self._call("read", key, "s3:GetObject", self._s3.get_object, Bucket=self.bucket, Key=key)
        return found["Body"].read(MAX_REASON_BYTES).decode(errors="replace") if found else ""

    def name(self, key: str) -> str:
        """Return the s3:// address of a key."""
        return f"s3://{self.bucket}/{key}"

    def _targets(self, file: InboxFile) -> list[str]:
        """Return the file's keys in the folders ARCHIVES."""
        below = file.key.removeprefix(self.prefix)
        return [f"{self.prefix}{archived_name(archive, below, file.version_id)}" for archive in ARCHIVES]

    # ---- S3

    def _objects(self) -> Any:  # pairs of an object as S3 lists it, and S3's clock
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
                for item in page.get("Contents", ()):
                    yield item, server_time(page)
        except (ClientError, BotoCoreError) as error:
            raise self._failure("listed", self.prefix, error, "s3:ListBucket") from error

    def _copy(self, key: str, target: str, version: str) -> bool:
        response = self._call(
            "copied", key, "s3:GetObject and s3:PutObject", self._s3.copy,
            CopySource={"Bucket": self.bucket, "Key": key}, Bucket=self.bucket, Key=target,
            ExtraArgs={"CopySourceIfMatch": version},
        )  # fmt: skip
        return response is not None

    def _head(self, key: str) -> Any:  # the object's head as S3 gives it, or None without an object
        permission = "s3:GetObject and s3:ListBucket"
        return self._call("looked at", key, permission, self._s3.head_object, Bucket=self.bucket, Key=key)

    def _write(self, key: str, text: str) -> None:
        self._call(
            "written", key, "s3:PutObject", self._s3.put_object,
            Bucket=self.bucket, Key=key, Body=f"{text}\n".encode(), ContentType="text/plain; charset=utf-8",
        )  # fmt: skip

    def _delete(self, key: str, version: str) -> None:
        """Delete the object unless it was replaced meanwhile ("How to perform conditional deletes", S3 User Guide)."""
        permission = "s3:DeleteObject"
        deleted = self._call(
            "deleted", key, permission, self._s3.delete_object, Bucket=self.bucket, Key=key, IfMatch=version
        )
        if deleted is None:
            log.info("%s was replaced meanwhile; it stays, as a new file.", self.name(key))

    def _call(self, doing: str, key: str, permission: str, call: Callable[..., Any], **arguments: object) -> Any:
        """Make a call and return its answer; None if the object is gone or another version."""
        try:
            return call(**arguments) or {}
        except (ClientError, BotoCoreError) as error:
            if error_details(error)[0] in _GONE:
                return None
            raise self._failure(doing, key, error, permission) from error

    def _failure(self, doing: str, key: str, error: Exception, permission: str) -> InboxError:
        missing = "create the bucket or correct the setting 'inbox'"
        return aws.failure(InboxError, error, doing, self.name(key), allow=permission, missing=missing)
