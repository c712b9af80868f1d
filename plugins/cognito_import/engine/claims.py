"""Keeps two runs from calling for one address at the same time.

::

    runs/calling/{run}/{batch}-{token}    the addresses that a worker may call for, until it has ended

A worker writes its claim before it calls for anybody, and then reads the claims of other runs. S3 lists whatever has been
written before, so of two workers that begin at the same moment at least one sees the other. It leaves the users whom
another run may be calling for, and a retry takes them up; if both see each other, both leave them, and their retries come
at different moments. No clock decides.

A claim says who is called for; whether anybody still calls is read from what the workers of its batch have stored, by the
rule that also lets another worker of the same run take over: a worker is gone when it has said so, or has stored nothing for
its `busy_seconds`. A worker that has stored nothing for as long writes its claim again and looks again, before it calls.
Users who are finished are free at once, and so are all when the worker has ended, whatever it made of them: that a user is
another run's is known from what that run has stored (see `precedence`).

Costs: for each batch two writes and a list, and to read the claim of each other run's worker that is under way (20 at
most share the slots). For one that names the same users also its batch's outcomes: a list, and a read for each worker it had.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.errors import RunFolderError
from cognito_import.records import STRICT, Record
from cognito_import.run.checkpoints import Progress
from cognito_import.run.folder import CALLING, RunFolder
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cognito_import.request.model import UserRow

CODE: Final = "InAnotherRun"
"""Why users are left for later."""
OBSOLETE_SECONDS: Final = 86_400.0
"""Longer than any worker works: an older claim is not even read."""

log = logging.getLogger(__name__)


def folded(address: str) -> str:
    """Return the address as it is compared: a user pool may ignore case."""
    return address.lower()


def reason(count: int) -> str:
    """Return why so many users are left for later, in a sentence."""
    return f"Another run is at work on {count:,} of these users."


@dataclass(frozen=True, slots=True, config=STRICT)
class StoredClaim(Record):
    """The `users`, folded addresses, that a worker may call for until it has stored nothing for its `busy_seconds`."""

    busy_seconds: float
    users: list[str]


class Claim:
    """One worker's claim on the users of its batch."""

    def __init__(self, folder: RunFolder, batch: int, token: str, rows: Iterable[UserRow], busy_seconds: float) -> None:
        """Write nothing yet. `busy_seconds` is how long the worker may call after it last stored something."""
        self._folder = folder
        self._claims = _claims(folder)
        self._batch = f"{folder.run}/{batch:05d}-"
        self._name = self._batch + token
        self._users = {folded(row.useremail) for row in rows}
        self._busy_seconds = busy_seconds

    def write(self) -> None:
        """Write the claim. Raises RunFolderError."""
        self._claims.write(self._name, StoredClaim(self._busy_seconds, sorted(self._users)).to_json())

    def stake(self, ended_before: datetime | None = None) -> set[str]:
        """Write the claim, and return those of its addresses that other runs' workers may be calling for.

        The claims of the batch's earlier workers, written before `ended_before`, are deleted: those have ended. Raises
        RunFolderError.
        """
        self.write()
        others = []
        for name, written, age in self._claims.listed():
            if not name.startswith(f"{self._folder.run}/"):
                others.append((name, age))
            elif ended_before and written < ended_before and name.startswith(self._batch):
                self._claims.delete(name)
        return _held(self._folder, self._users, others)

    def withdraw(self) -> None:
        """Delete the claim. If that fails, it lapses by itself."""
        try:
            self._claims.delete(self._name)
        except RunFolderError as error:
            log.warning("A claim stays until it lapses: %s", error)


def contested(folder: RunFolder, users: set[str]) -> set[str]:
    """Return those of `users`, folded addresses, whom workers of other runs may be calling for. Raises RunFolderError."""
    listed = _claims(folder).listed()
    return _held(folder, users, [(name, age) for name, _, age in listed if not name.startswith(f"{folder.run}/")])


def _held(folder: RunFolder, users: set[str], others: list[tuple[str, float]]) -> set[str]:
    """Return those of `users` whom the `others` hold: claims of other runs by name, each with its age in seconds."""
    claims, found = _claims(folder), set[str]()
    for name, age in others:
        text = claims.read(name) if age < OBSOLETE_SECONDS else None
        if text is None:  # or it was withdrawn meanwhile
            continue
        claim = StoredClaim.from_json(text, CALLING + name)
        shared = users & set(claim.users) - found
        if shared:
            run, _, worker = name.partition("/")
            other = RunFolder(folder.s3, folder.bucket, run)
            found |= _held_by(other, int(worker.partition("-")[0]), shared, age, claim.busy_seconds)
    return found


def _held_by(other: RunFolder, batch: int, users: set[str], age: float, busy_seconds: float) -> set[str]:
    """Return those of `users` whom the other run's batch still holds; the claim on them was written `age` seconds ago."""
    progress, busy = Progress(), age < busy_seconds
    for checkpoint, checkpoint_age in other.checkpoints(batch):
        progress.add(checkpoint)
        busy = busy or (not checkpoint.closed and checkpoint_age < checkpoint.busy_seconds)
    return users - {folded(outcome.useremail) for outcome in progress.outcomes.values()} if busy else set()


def _claims(folder: RunFolder) -> SharedObjects:
    return SharedObjects(folder.s3, folder.bucket, CALLING)
