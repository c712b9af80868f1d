"""The files of the inbox: one version of one file, the run that imports it, and the names under which it is filed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from cognito_import.run.manifest import MAX_RUN_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

PROCESSED: Final = "processed/"
FAILED: Final = "failed/"
ARCHIVES: Final = (PROCESSED, FAILED)

WaitingState = Literal["ready", "later", "changing", "unfinished"]

_RUN: Final = "inbox-"
_FILED: Final = re.compile(r"(?P<version>\d{8}T\d{6}Z_[0-9a-f]{8})_(?P<name>.+)", re.DOTALL)
_REASON: Final = ".txt"


@dataclass(frozen=True, slots=True)
class InboxFile:
    """One version of one file: its `key`, its ETag, and when it arrived by S3's clock (ISO 8601)."""

    key: str
    etag: str
    arrived: str

    @property
    def version_id(self) -> str:
        """The moment of arrival and eight digits that identify this version of the file."""
        digest = hashlib.sha256(f"{self.key}\0{self.etag}\0{self.arrived}".encode()).hexdigest()[:8]
        return f"{datetime.fromisoformat(self.arrived):%Y%m%dT%H%M%SZ}_{digest}"

    @property
    def run_id(self) -> str:
        """The id of the one run that imports this version, whoever starts it and however often."""
        return _run_id(self.version_id, self.key)

    def as_dict(self) -> dict[str, str]:
        """Return the file as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that waits: its `name` below the inbox, its bytes, and whether the next night takes it.

    It is `ready`, or comes `later`, because a night takes so many at most, or is still `changing`, or `unfinished` by its name.
    """

    file: InboxFile
    name: str
    size: int
    state: WaitingState

    @property
    def run_id(self) -> str:
        """The id of the run that imports it."""
        return self.file.run_id


@dataclass(frozen=True, slots=True)
class FiledFile:
    """A file in an archive: its `key`, its `name` below the inbox when it arrived, its bytes, and when it was filed.

    `version_id` is empty for what somebody put there by hand. `reason_key` is the key of the text that says why it failed.
    """

    key: str
    name: str
    version_id: str
    size: int
    filed: datetime
    reason_key: str | None = None

    @property
    def arrived(self) -> datetime | None:
        """When it arrived in the inbox."""
        return datetime.strptime(self.version_id[:16], "%Y%m%dT%H%M%S%z") if self.version_id else None

    @property
    def run_id(self) -> str | None:
        """The id of the run that imported it."""
        return _run_id(self.version_id, self.name) if self.version_id else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The files of an inbox, oldest first: those that are `ready`, and how many have only just changed."""

    ready: list[InboxFile]
    changing: int


@dataclass(frozen=True, slots=True)
class Contents:
    """All that lies in an inbox: what waits in the order in which nights take it, and what was filed, the latest first."""

    waiting: list[WaitingFile]
    processed: list[FiledFile]
    failed: list[FiledFile]


def is_from_inbox(run_id: str) -> bool:
    """Return whether the run is one of a file of the inbox."""
    return run_id.startswith(_RUN)


def archive_of(below: str) -> str | None:
    """Return the archive that a key below the inbox lies in, or None if it waits."""
    return next((archive for archive in ARCHIVES if below.startswith(archive)), None)


def archived_name(archive: str, below: str, version_id: str) -> str:
    """Return the key below the inbox under which a version of the file `below` is filed."""
    folders, slash, name = below.rpartition("/")
    return f"{archive}{folders}{slash}{version_id}_{name}"


def filed_files(archive: str, items: Mapping[str, Mapping[str, Any]]) -> list[FiledFile]:
    """Return the files of an archive, the latest first, out of its objects as S3 lists them by their keys below the inbox."""
    found = []
    for below, item in items.items():
        if below.endswith(_REASON) and below.removesuffix(_REASON) in items:
            continue
        folders, slash, name = below.removeprefix(archive).rpartition("/")
        match = _FILED.fullmatch(name)
        version, name = match.group("version", "name") if match else ("", name)
        reason = items.get(f"{below}{_REASON}")
        found.append(
            FiledFile(
                item["Key"],
                f"{folders}{slash}{name}",
                version,
                item["Size"],
                item["LastModified"],
                reason["Key"] if reason else None,
            )
        )
    return sorted(found, key=lambda file: (file.filed, file.version_id), reverse=True)


def _run_id(version_id: str, key: str) -> str:
    legible = re.sub(r"[^0-9A-Za-z]+", "-", key.rpartition("/")[2])
    return f"{_RUN}{version_id.replace('_', '-')}-{legible.lstrip('-')}"[:MAX_RUN_NAME].rstrip("-")
