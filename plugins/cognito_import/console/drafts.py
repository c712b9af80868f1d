"""A list of users on its way to a run: read as people have it, checked by the core, corrected, stored as a `source`.

::

    console/drafts/{owner}/{token}.gz      an upload, as it came
    console/drafts/{owner}/{token}.json    what a person has said of it: columns, corrections, groups; and what came of that
    console/sources/{token}.csv            the users who passed, which a run reads

Each correction makes another draft of the same upload, so that nothing is changed that a person is looking at. Whoever else knows
the token finds no draft: the folder's name is made of the owner's id. All of it may be deleted after days; a run keeps its own
copy of its users.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import uuid
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.console.checked import Checked, source
from cognito_import.records import STRICT, Record
from cognito_import.run.shared_objects import SharedObjects
from cognito_import.settings import JobType

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT: Final = "console/"
MAX_UPLOAD_BYTES: Final = 32 * 1024 * 1024
"""Bytes. 300,000 users take about 15 MB; a larger list is put into S3, which takes 256 MB."""

_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, config=STRICT)
class Draft(Record):
    """What a person has said of an upload, and what the check found.

    `columns` is what columns hold, by their place from 0, and `edits` are corrected cells by row and column, None for a row
    that is left out. `groups` are those of users whose row names none, None for the deployment's default groups. Of the
    users who passed the check: how many they are, the `calls` that they need by quota category, the groups that they join
    by how many do, and what is wrong with their attributes. `users` None says that the columns are not clear yet.
    """

    upload: str
    kind: str
    name: str = field(repr=False)
    jobtype: JobType = "import"
    columns: dict[int, str | None] = field(default_factory=dict)
    edits: dict[str, dict[str, str] | None] = field(default_factory=dict, repr=False)
    groups: tuple[str, ...] | None = None
    users: int | None = None
    calls: dict[str, int] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Drafts:
    """The drafts of one person in the report bucket. Every method raises RunFolderError where S3 fails."""

    def __init__(self, s3: S3Client, bucket: str, owner: str) -> None:
        """Take the id of whoever the drafts belong to."""
        self._bucket = bucket
        folder = hashlib.sha256(owner.encode()).hexdigest()[:24]
        self._drafts = SharedObjects(s3, bucket, f"{ROOT}drafts/{folder}/")
        self._sources = SharedObjects(s3, bucket, f"{ROOT}sources/")

    def keep(self, content: bytes) -> str:
        """Store an upload and return its token."""
        token = uuid.uuid4().hex
        self._drafts.write(f"{token}.gz", gzip.compress(content, 5))
        return token

    def upload(self, draft: Draft) -> bytes | None:
        """Return the upload of a draft, or None if it is gone."""
        found = self._drafts.read(f"{draft.upload}.gz")
        return None if found is None else gzip.decompress(found)

    def store(self, draft: Draft) -> str:
        """Store a draft and return its token."""
        token = uuid.uuid4().hex
        self._drafts.write(f"{token}.json", draft.to_json())
        return token

    def load(self, token: str) -> Draft | None:
        """Return a draft, or None if there is none of that token."""
        name = f"{token}.json"
        found = self._drafts.read(name) if _TOKEN.fullmatch(token) else None
        return None if found is None else Draft.from_json(found, name)

    def publish(self, checked: Checked) -> str:
        """Store the users who passed as a CSV and return its s3:// address."""
        name = f"{uuid.uuid4().hex}.csv"
        self._sources.write(name, source(checked))
        return f"s3://{self._bucket}/{ROOT}sources/{name}"
