"""One run's working files in S3, and the only place that knows how they are laid out.

::

    runs/{run}/manifest.json                  what the run is; written last, so a folder that has one is complete, and
                                              replaced by a newer reading of the request until a user may be called for
    runs/{run}/adminemail                     the administrator's address in place of the manifest's, where it was corrected
    runs/{run}/rows-{token}.jsonl             the users to process, one JSON object a line
    runs/{run}/cells-{token}.jsonl            what a list says of each user for the report alone, one JSON object a line
    runs/{run}/list-{digest}.{ending}         the list itself, if it came from the command line
    runs/{run}/rejected-{token}.json          the outcomes of the rows that the request's check rejected
    runs/{run}/outcomes/{batch}/{token}.json  what one worker made of a batch: its part
    runs/{run}/leases/{batch}                 the token of the worker that may call for the batch
    runs/{run}/rounds/{round}.json            the batches that one round of the state machine's Map works on
    runs/{run}/rounds/{round}.stop            why that round makes no further call
    runs/{run}/pace.json                      how fast the run may go, as preflight has found it
    runs/{run}/members.json                   who is in the groups of a dry run's users (see `pool_groups`)
    runs/{run}/share.json                     who is called for today, of a run that invites (see `daily_limit`)
    runs/{run}/slots                          stored while a sensor of Airflow holds the pool's slots (see `execution_lock`)
    runs/{run}/breaker.json                   why the run was stopped until somebody has it go on (see `breaker`)
    runs/{run}/approval.json                  of a run that needs approval: whether it was approved, and by whom
    runs/{run}/stopping.json                  who stopped the run on the page, and when
    runs/{run}/report.json                    what was reported, and when its link ends
    runs/{run}/mail.json                      the mail that went out with the report, without its link
    runs/{run}/mailing                        who is mailing a report, and since when, or nothing
    runs/{run}/rejection.json                 why no user of the run was touched, and which mail said so
    runs/lock                                 the execution of the state machine that may call (see `execution_lock`)
    runs/calling/{run}/{batch}-{token}        the users that a worker may be calling for (see `claims`)
    runs/invited/{moment}_{run}_{count}       how many invitations a run takes of a day's (see `invitations`)
    runs/imported/{moment}_{run}              which runs import or enable users, and when they were read (see `precedence`)
    runs/pace                                 the rate that a throttle has left to the slots of all runs (see `shared_rate`)

Each worker writes a part of its own, so that a worker that was wrongly thought dead can still hand over what it did; all
parts together hold one outcome for each user. `checkpoints` says what stands in a part.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from cognito_import.aws import server_time
from cognito_import.errors import RunFolderError
from cognito_import.outcomes import Outcome
from cognito_import.request.model import UserRow
from cognito_import.run.checkpoints import Checkpoint, Progress, stops
from cognito_import.run.manifest import Batch, Manifest, Rows
from cognito_import.run.record_files import RecordFiles
from cognito_import.run.worker_files import WorkerFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from mypy_boto3_s3.client import S3Client

_ROOT: Final = "runs/"
LOCK, CALLING, IMPORTED, INVITED, PACE = (
    f"{_ROOT}{name}" for name in ("lock", "calling/", "imported/", "invited/", "pace")
)
"""No run's name is one of these: each has a hyphen in it."""
_ADMIN: Final = "adminemail"


class Reading(NamedTuple):
    """The manifest as it is stored, the object's `version` (ETag), and where the run's mails go."""

    stored: Manifest
    version: str
    adminemail: str


class RunFolder(WorkerFiles, RecordFiles):
    """The working files of the run `run` in `bucket`. Every method raises RunFolderError where S3 fails."""

    def __init__(self, s3: S3Client, bucket: str, run: str) -> None:
        """Take the client, the bucket and the :func:`~cognito_import.run.manifest.run_name`."""
        super().__init__(s3, bucket, f"{_ROOT}{run}/")
        self.run = run
        self._reading: Reading | None = None

    # ---- what the run is

    def reading(self) -> Reading | None:
        """Return the run's manifest as it was read from the request, or None while it has none. Looked up once."""
        reading = self._reading  # threads may share the folder
        if reading is None and (found := self._version("manifest.json")) is not None:
            stored = Manifest.from_json(found[0], self._name("manifest.json"))
            # Written by people, too, with whatever their editor adds.
            corrected = (self._get(_ADMIN) or b"").decode("utf-8-sig", "replace").strip()
            self._reading = reading = Reading(stored, found[1], corrected or stored.adminemail)
        return reading

    def manifest(self) -> Manifest | None:
        """Return the run's manifest with the administrator's address as it was corrected, or None while it has none."""
        reading = self.reading()
        return reading and replace(reading.stored, adminemail=reading.adminemail)

    def correct_adminemail(self, address: str) -> None:
        """Have the run's mails go to `address` from now on."""
        self._put(_ADMIN, address.encode())
        self._reading = None

    def required_manifest(self) -> Manifest:
        """Return the run's manifest; RunFolderError if it has none."""
        manifest = self.manifest()
        if manifest is None:
            message = f"{self._name('manifest.json')} is missing; run the run's first task again."
            raise RunFolderError(message)
        return manifest

    def write_manifest(self, manifest: Manifest, before: Reading | None) -> Manifest:
        """Store the manifest, which makes the folder complete, in place of the one that was read `before`, if any.

        Return it, or the one that somebody else has stored meanwhile.
        """
        condition = {"IfMatch": before.version} if before else {"IfNoneMatch": "*"}
        self._put_if("manifest.json", manifest.to_json(), **condition)
        self._reading = None
        return self.required_manifest()

    def seal(self, read: Manifest) -> Manifest:
        """Have the manifest stay for good and return it, if it is the reading `read`.

        RunFolderError if the request has been read anew since.
        """
        while (reading := self.reading()) and not reading.stored.begun:
            reading.stored.raise_if_planned_otherwise(read.engine, read.rows)
            # Of workers that begin at once the first one succeeds, and the others find the manifest sealed.
            self.write_manifest(replace(reading.stored, begun=True), reading)
        manifest = self.required_manifest()
        manifest.raise_if_planned_otherwise(read.engine, read.rows)
        return manifest

    def write_rows(self, checked: Iterable[UserRow | Outcome], weigh: Callable[[UserRow], int] | None = None) -> Rows:
        """Store checked users: the rows to process, and apart from them the outcomes of those rejected.

        Each call writes files of its own, so that of two tasks that read one request neither changes what the other has
        stored. `weigh` gives the bytes that a row takes in a state.
        """
        rows, rejected, token = Rows(), [], uuid.uuid4().hex
        rows.name, rows.rejected = f"rows-{token}.jsonl", f"rejected-{token}.json"
        with tempfile.TemporaryFile() as file:
            for user in checked:
                if isinstance(user, Outcome):
                    rejected.append(user)
                    continue
                line = user.to_json() + b"\n"
                file.write(line)
                rows.content.update(line)
                rows.add(user, len(line), weigh(user) if weigh else 0)
            file.seek(0)
            rows.rejected_rows = len(rejected)
            response = self._put(rows.name, file)
            rows.written, rows.etag = server_time(response), response["ETag"]
        told = Checkpoint(rejected, closed=True).to_json()
        rows.content.update(told)
        self._put(rows.rejected, told)
        return rows

    def write_cells(self, file: BinaryIO) -> str:
        """Store what the list says of each user for the report alone, and return the file's name in the folder."""
        name = f"cells-{uuid.uuid4().hex}.jsonl"
        self._put(name, file)
        return name

    def cells(self) -> Iterator[dict[str, str]]:
        """Yield what the list says of each user for the report alone, in the request's order; rejected rows are among them."""
        for line in self._lines(self.required_manifest().cells):
            yield json.loads(line)

    def put_list(self, name: str, content: bytes) -> str:
        """Store a list of users from somebody's machine, and return its s3:// address. Another content has another one."""
        key = f"list-{hashlib.sha256(content).hexdigest()[:12]}{name[name.rfind('.') :]}"
        self._put(key, content)
        return self._name(key)

    # ---- rows

    def rows(self, batch: Batch) -> list[UserRow]:
        """Return the rows of one batch."""
        if not batch.size:
            return []
        span = f"bytes={batch.offset}-{batch.offset + batch.length - 1}"
        manifest = self.required_manifest()
        name = manifest.rows
        text = self._get(name, Range=span, IfMatch=manifest.rows_etag) or b""
        rows = [UserRow.from_json(line, self._name(name)) for line in text.splitlines()]
        if len(rows) != batch.size:
            message = f"{self._name(name)} has {len(rows)} rows for batch {batch.number}; expected {batch.size}."
            raise RunFolderError(message)
        return rows

    def all_rows(self) -> Iterator[UserRow]:
        """Every row to process, in the request's order."""
        name = self.required_manifest().rows
        for line in self._lines(name):
            yield UserRow.from_json(line, self._name(name))

    # ---- outcomes

    def finished_at(self) -> dict[int, datetime]:
        """Return when the worker that finished each row last stored something, by S3's clock: it called for the row no later."""
        moments: dict[int, datetime] = {}
        for _, part in self._all_parts():
            for outcome in part.checkpoint.outcomes:
                moments[outcome.row] = max(part.written, moments.get(outcome.row, part.written))
        return moments

    def progress(self) -> Progress:
        """Return what all workers have stored, and the check of the request before them."""
        progress, stored = Progress(), list(self._all_parts())
        name = self.required_manifest().rejected
        progress.add(Checkpoint.from_json(self._get(name) or Checkpoint().to_json(), self._name(name)))
        for _, one in stored:
            progress.add(one.checkpoint)
        progress.stopped = stops(stored)
        return progress
