"""One run's working files in S3, and the only place that knows how they are laid out.

::

    runs/{run}/manifest.json                  what the run is; written last, so a folder that has one is complete
    runs/{run}/rows.jsonl                     the users to process, one JSON object a line
    runs/{run}/outcomes/refused.json          the users that the request's check refused
    runs/{run}/outcomes/{batch}/{token}.json  what one worker made of a batch: its part
    runs/{run}/leases/{batch}                 the token of the worker that may call for the batch
    runs/{run}/approval.json                  of a deletion: whether it was approved, and by whom
    runs/{run}/report.json                    what was reported, and when its link ends
    runs/{run}/refusal.json                   why no user of the run was touched, and what mail has told so
    runs/turn                                 the execution of the state machine that may call (see `turns`)

Each worker writes a part of its own, so that a worker that was wrongly thought dead can still hand over what it did; all
parts together hold one outcome for each user. What stands in a part is told in `parts`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import clock, explain
from cognito_import.errors import RunFolderError
from cognito_import.outcomes import Outcome
from cognito_import.parts import Known, Part
from cognito_import.request import UserRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_s3.client import S3Client

_ROOT: Final = "runs/"
TURN: Final = f"{_ROOT}turn"
"""No run's name is this: each ends in a hash."""
_READERS: Final = 16
_LONGEST_NAME: Final = 48


def run_name(dag_id: str, run_id: str) -> str:
    """A short name for a run that S3 keys, file names and execution names all take; the same for the same run.

    The run's id is shortened to what is legible, and eight digits of a hash keep two runs apart.
    """
    digest = hashlib.sha256(f"{dag_id}\0{run_id}".encode()).hexdigest()[:8]
    legible = re.sub(r"[^0-9A-Za-z]+", "-", run_id).strip("-")[:_LONGEST_NAME].rstrip("-")
    return f"{legible}-{digest}"


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of rows.jsonl that one worker processes: `size` rows from byte `offset` on, `length` bytes.

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

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Batch:
        """The batch of a JSON object; keys that are no field of a batch are left out."""
        return cls(**{name: fields[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run is.

    `began` is the service's clock when its rows were written, ISO 8601 in UTC; `groups` are all that any user joins;
    `source_etag` is the version of the request's `source` that was read, if it had one.
    """

    jobtype: str
    engine: str
    adminemail: str = field(repr=False)
    users: int
    refused: int
    began: str
    groups: list[str]
    batches: list[Batch]
    source_etag: str | None = None

    @property
    def began_at(self) -> datetime:
        """`began` as a moment."""
        return datetime.fromisoformat(self.began)


class RunFolder:
    """The working files of the run `run` in `bucket`. Every method raises RunFolderError where S3 fails."""

    def __init__(self, s3: S3Client, bucket: str, run: str) -> None:
        """Take the client, the bucket and the :func:`run_name`."""
        self.s3 = s3
        self.bucket = bucket
        self.run = run
        self.prefix = f"{_ROOT}{run}/"

    # ---- what the run is

    def manifest(self) -> Manifest | None:
        """The run's manifest, or None while it has none."""
        found = self._get("manifest.json")
        if found is None:
            return None
        fields = json.loads(found)
        return Manifest(**{**fields, "batches": [Batch(**batch) for batch in fields["batches"]]})

    def required_manifest(self) -> Manifest:
        """The run's manifest; RunFolderError if it has none."""
        manifest = self.manifest()
        if manifest is None:
            message = f"{self._name('manifest.json')} is missing; run the run's first task again."
            raise RunFolderError(message)
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Store the manifest, which makes the folder complete."""
        self._put("manifest.json", json.dumps(asdict(manifest)).encode())

    def write_rows(self, checked: Iterable[UserRow | Outcome]) -> Rows:
        """Store checked users: the rows to process, and apart from them the outcomes of those refused."""
        rows, refused = Rows(), []
        with tempfile.TemporaryFile() as file:
            for user in checked:
                if isinstance(user, Outcome):
                    refused.append(user)
                    continue
                line = json.dumps(user.as_dict(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                file.write(line)
                rows.add(user, len(line))
            file.seek(0)
            rows.refused = len(refused)
            rows.written = self._upload("rows.jsonl", file)
        self._put("outcomes/refused.json", Part(refused, closed=True).to_json())
        return rows

    # ---- rows

    def rows(self, batch: Batch) -> list[UserRow]:
        """The rows of one batch."""
        if not batch.size:
            return []
        span = f"bytes={batch.offset}-{batch.offset + batch.length - 1}"
        text = self._get("rows.jsonl", Range=span) or b""
        rows = [UserRow.from_dict(json.loads(line)) for line in text.splitlines()]
        if len(rows) != batch.size:
            message = (
                f"{self._name('rows.jsonl')} has {len(rows)} rows for batch {batch.number}; expected {batch.size}."
            )
            raise RunFolderError(message)
        return rows

    def all_rows(self) -> Iterator[UserRow]:
        """Every row to process, in the request's order."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + "rows.jsonl")["Body"]
            for line in body.iter_lines(chunk_size=256 * 1024):
                yield UserRow.from_dict(json.loads(line))
        except (ClientError, BotoCoreError) as error:
            raise self._failure("read", "rows.jsonl", error) from error

    # ---- outcomes

    def write_part(self, number: int, token: str, part: Part) -> None:
        """Store what the worker `token` has made of batch `number` so far, in place of what it stored before."""
        self._put(f"outcomes/{number:05d}/{token}.json", part.to_json())

    def parts(self, number: int) -> list[tuple[Part, float]]:
        """What each worker of batch `number` has stored, and how many seconds ago by S3's own clock."""
        return [self._part(key) for key in self._keys(f"outcomes/{number:05d}/")]

    def known(self) -> Known:
        """What all workers have stored."""
        known = Known()
        keys = list(self._keys("outcomes/"))
        with ThreadPoolExecutor(_READERS) as pool:
            for key, (part, _) in zip(keys, pool.map(self._part, keys), strict=True):
                folder = key.rpartition("/")[0].rpartition("/")[2]
                known.add(part, int(folder) if folder.isdecimal() else 0)
        return known

    # ---- leases

    def take_lease(self, number: int, token: str) -> None:
        """Let the worker `token`, and no other from now on, call for batch `number`."""
        self._put(f"leases/{number:05d}", token.encode())

    def holds_lease(self, number: int, token: str) -> bool:
        """Whether the worker `token` is still the one that may call for batch `number`."""
        return self._get(f"leases/{number:05d}") == token.encode()

    # ---- approval and report

    def read_approval(self) -> dict[str, Any] | None:
        """The approval as it was stored, or None."""
        found = self._get("approval.json")
        return None if found is None else json.loads(found)

    def write_approval(self, approval: dict[str, Any]) -> None:
        """Store the approval in place of an earlier one."""
        self._put("approval.json", json.dumps(approval).encode())

    def read_report(self) -> dict[str, Any] | None:
        """What was last reported, or None."""
        found = self._get("report.json")
        return None if found is None else json.loads(found)

    def write_report(self, report: dict[str, Any]) -> None:
        """Remember what was reported."""
        self._put("report.json", json.dumps(report).encode())

    def read_refusal(self) -> dict[str, str] | None:
        """Why the run was refused (`reason`), and SES's id of the mail that told so (`message_id`, or empty); or None."""
        found = self._get("refusal.json")
        return None if found is None else json.loads(found)

    def write_refusal(self, reason: str, message_id: str = "") -> None:
        """Remember why the run was refused before any user was touched."""
        self._put("refusal.json", json.dumps({"reason": reason, "message_id": message_id}).encode())

    # ---- S3

    def _part(self, key: str) -> tuple[Part, float]:
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key)
            text = answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise self._failure("read", key, error) from error
        return Part.from_json(text), (clock(answer) - answer["LastModified"]).total_seconds()

    def _keys(self, under: str) -> Iterator[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + under)
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    yield item["Key"].removeprefix(self.prefix)
        except (ClientError, BotoCoreError) as error:
            raise self._failure("list", under, error) from error

    def _get(self, name: str, **options: Any) -> bytes | None:  # noqa: ANN401 - options of the S3 call
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name, **options)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                return None
            raise self._failure("read", name, error) from error
        except BotoCoreError as error:
            raise self._failure("read", name, error) from error

    def _put(self, name: str, content: bytes) -> None:
        self._upload(name, content)

    def _upload(self, name: str, content: Any) -> datetime:  # noqa: ANN401 - bytes or a binary file
        try:
            return clock(self.s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=content))
        except (ClientError, BotoCoreError) as error:
            raise self._failure("written", name, error) from error

    def _name(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}"

    def _failure(self, step: str, name: str, error: ClientError | BotoCoreError) -> RunFolderError:
        code, _ = explain(error)
        advice = {
            "NoSuchBucket": "create the bucket or correct the setting 'report_bucket'",
            "AccessDenied": "allow the worker's role s3:GetObject, s3:PutObject and s3:ListBucket on it",
        }.get(code, "try again")
        return RunFolderError(f"{self._name(name)} cannot be {step} ({code}); {advice}.")


class Rows:
    """Where each row stands in rows.jsonl, gathered while it is written."""

    def __init__(self) -> None:
        """Start with none."""
        self.refused = 0
        self.written: datetime | None = None
        self.groups: set[str] = set()
        self._numbers = array("Q")
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        """How many rows there are to process."""
        return len(self._numbers)

    @property
    def length(self) -> int:
        """The bytes of all rows."""
        return self._ends[-1]

    def add(self, row: UserRow, length: int) -> None:
        """Count in a row whose line has `length` bytes."""
        self._numbers.append(row.row)
        self._ends.append(self._ends[-1] + length)
        self.groups.update(row.groups)

    def batch(self, number: int, start: int, stop: int) -> Batch:
        """The batch of the rows from index `start` up to `stop`, both counted from 0."""
        first, last = self._ends[start], self._ends[stop]
        return Batch(number, self._numbers[start], self._numbers[stop - 1], stop - start, first, last - first)
