"""What a run is: its manifest, its batches, and where each row stands in the file of its rows."""

from __future__ import annotations

import hashlib
import re
import secrets
from array import array
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.errors import RunFolderError, SettingsError
from cognito_import.records import STRICT, Record
from cognito_import.settings import Engine, ExistingUsers, JobType, Settings

if TYPE_CHECKING:
    from cognito_import.request.model import UserRow

DAG: Final = "cognito_import"
"""The DAG whose runs a name without more is looked for among."""
MAX_RUN_NAME: Final = 57
"""Characters. An execution's name has room for a number behind it."""
_MAX_NAME_LENGTH: Final = 48
_NAME: Final = re.compile(r"[0-9A-Za-z]+(-[0-9A-Za-z]+)+")


def new_run_name(now: datetime, kind: str = "run") -> str:
    """Return a name that no other run has, with the moment in UTC."""
    return f"{kind}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def run_name(run_id: str, dag_id: str = DAG) -> str:
    """Return the one name of a run, which S3 keys, file names and execution names all take; the same for the same run.

    An id of letters and digits with hyphens between them is the name. So a name names its run wherever it is given. Any other
    id, such as `manual__2026-11-24T10:00:00+00:00`, is shortened to what is legible, and eight digits of a hash keep two
    runs apart.
    """
    if len(run_id) <= MAX_RUN_NAME and _NAME.fullmatch(run_id):
        return run_id
    digest = hashlib.sha256(f"{dag_id}\0{run_id}".encode()).hexdigest()[:8]
    legible = re.sub(r"[^0-9A-Za-z]+", "-", run_id).strip("-")[:_MAX_NAME_LENGTH].rstrip("-")
    return f"{legible or 'run'}-{digest}"


@dataclass(frozen=True, slots=True, config=STRICT)
class Batch:
    """A stretch of the file of rows that one worker processes: `size` rows from byte `offset` on, `length` bytes.

    `number` counts from 1; `first` and `last` are the rows' places in the request.
    """

    number: int
    first: int
    last: int
    size: int
    offset: int
    length: int

    @property
    def label(self) -> str:
        """Which users the batch holds, in words without personal data."""
        return f"user {self.first:,}" if self.size == 1 else f"users {self.first:,}-{self.last:,}"


@dataclass(frozen=True, slots=True, config=STRICT)
class Manifest(Record):
    """What a run is. Whatever decides an outcome is read from here, never from an XCom.

    `begun` says that users may have been called for: the manifest is replaced by a newer reading before, and never after.

    `digest` is the request's, so that another request under the same name is not mistaken for a retry. `rows`, `rejected` and
    `cells` name the files beside the manifest, `columns` are those of the cells, which the report alone shows, and
    `rows_etag` is the version of the rows that was read. `content` is a digest of what these files hold. `began` is the
    service's clock when they were written, ISO 8601 in UTC. `groups` are all that any user joins. `approve` says that
    nobody may be touched before somebody approves, `asked_by` who asked, or empty where nobody knows. `invite_named` says
    that the request decided `invite`, and not the settings. `source_etag` is the version of the request's `source` that was
    read, if it had one. `asked` is when a file of the inbox arrived there. A `dry_run` changes nothing in the user pool.
    `undo` is the import whose users this run deletes, or empty.
    """

    jobtype: JobType
    engine: Engine
    adminemail: str = field(repr=False)
    users: int
    rejected_rows: int
    began: str
    groups: list[str]
    batches: list[Batch]
    digest: str
    rows: str
    rows_etag: str
    rejected: str
    cells: str
    columns: list[str]
    user_pool_id: str
    invite: bool
    approve: bool
    begun: bool
    asked_by: str = ""
    source_etag: str | None = None
    asked: str = ""
    content: str = ""
    existing_users: ExistingUsers = "fail"
    invite_named: bool = False
    create_groups: bool = False
    resend_invitation: bool = False
    dry_run: bool = False
    undo: str = ""

    @property
    def began_at(self) -> datetime:
        """`began` as a moment."""
        return datetime.fromisoformat(self.began)

    @property
    def asked_at(self) -> datetime:
        """When the run was asked for, in whole seconds: of two requests that name one address the later one holds."""
        return datetime.fromisoformat(self.asked or self.began)

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings of this run's calls: what the request decided goes before."""
        return replace(
            settings,
            existing_users=self.existing_users,
            invite=self.invite,
            resend_invitation=self.resend_invitation,
        )

    @property
    def approved(self) -> str:
        """What an approval is given for: these users, in this user pool."""
        return f"{self.rows_etag} {self.user_pool_id}"

    def tells_the_same(self, other: Manifest) -> bool:
        """Return whether two readings of a request come to the same, whenever they were read, and however they were split."""
        ours = ("rows", "rows_etag", "rejected", "cells", "began", "begun", "batches")
        own = {name: getattr(other, name) for name in ours}
        return replace(self, **own) == other

    def raise_if_differs(self, settings: Settings, *, in_function: bool = False) -> None:
        """Raise SettingsError if a setting that decides outcomes has changed since the run was read.

        `in_function` says that the settings are those of the state machine's function, whose stack has its own.
        """
        for key in ("user_pool_id",) if self.invite_named else ("user_pool_id", "invite"):
            ours, now = getattr(self, key), getattr(settings, key)
            if ours == now:
                continue
            if self.begun:
                do = (
                    "Users of this run have been called for, so it keeps its setting: set it back and continue the run (in "
                    "Airflow clear its failed tasks with Downstream), or start a new one."
                )
            elif in_function:
                do = "Make the stack's parameter and Airflow's setting the same, then clear 'read_request' with Downstream."
            else:
                do = (
                    "Set it back or leave it, then have the request read anew: in Airflow clear 'read_request' with "
                    "Downstream, on the command line give the request again."
                )
            message = (
                f"The setting {key!r} was {ours!r} when this run was read and is {now!r} "
                f"{'for the state machine' if in_function else 'now'}; no call was made. {do}"
            )
            raise SettingsError(message)

    def raise_if_planned_otherwise(self, engine: str, rows: str | None = None) -> None:
        """Raise RunFolderError for a task that was planned for an `engine`, or `rows`, of an earlier reading."""
        if self.engine != engine or rows not in (None, self.rows):
            message = (
                "The request was read anew after this task was planned, so no call was made. Clear 'read_request' with "
                "Downstream: all tasks are then planned anew."
            )
            raise RunFolderError(message)


class Rows:
    """Where each row stands in the file of rows, gathered while it is written."""

    def __init__(self) -> None:
        """Start with none."""
        self.rejected_rows = 0
        self.name = ""
        self.rejected = ""
        self.etag = ""
        self.content = hashlib.sha256()
        self.written: datetime | None = None
        self.groups: set[str] = set()
        self._numbers = array("Q")
        self._ends = array("Q", [0])
        self._weights = array("Q")

    def __len__(self) -> int:
        """Return how many rows there are to process."""
        return len(self._numbers)

    def add(self, row: UserRow, length: int, weight: int = 0) -> None:
        """Count in a row whose line has `length` bytes, and which takes `weight` bytes in a state."""
        self._numbers.append(row.row)
        self._ends.append(self._ends[-1] + length)
        self._weights.append(weight)
        self.groups.update(row.groups)

    def weight(self, index: int) -> int:
        """Return the bytes that the row at `index`, counted from 0, takes in a state."""
        return self._weights[index]

    def batch(self, number: int, start: int, stop: int) -> Batch:
        """Return the batch of the rows from index `start` up to `stop`, both counted from 0."""
        first, last = self._ends[start], self._ends[stop]
        return Batch(number, self._numbers[start], self._numbers[stop - 1], stop - start, first, last - first)
