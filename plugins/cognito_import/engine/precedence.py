"""What runs have to know of each other's users: whom a run may not delete or disable, and whom another has created.

::

    runs/imported/{moment}_{run}    one for each run that imports or enables users: when it was read, and which run it is

**Of two requests that name one address the later one holds.** Imports of a night go first and a deletion may wait for days,
so the order of the calls says nothing. What is said of deletions here holds for disabling users, too.

What counts is `Manifest.asked_at`: of a file of the inbox when it arrived there, of
another request when it was read. A deletion leaves alone

* whom an import names that was asked for later, or in the same second (`ImportedSince`): in doubt nobody is deleted. An
  import that was rejected counts once it is cleared and goes on;
* whom a run enables that was asked for later (`EnabledSince`), likewise;
* who was created after the deletion was asked for (`CreatedSince`), unless by an import that was asked for before it.
  Services give moments in whole seconds. Who was created within the very second of the request counts as there before:
  programs create a user and have it deleted at once, while between a list and an import of this product lie its checks.

An import is entered before its manifest is written, and a deletion looks after it has claimed its users (see `claims`). So
an import that the deletion does not find has called for none of them yet, and finds them claimed.

**A user is of the run that says that it created it.** An import whose answer was lost takes a user for its own who was
created since; that may be the work of another run that ran in between, and has stored so by then.

Costs: for each batch of a deletion (in the state machine for each ten of its users) one list, and of each import that was
read since the deletion was asked for the manifest and the rows. Only for a user who was created since also the outcomes of the
imports asked for before it, as far as they were read within MAX_IMPORT_AGE before or since. An import reads the same only for
a user whose answer was lost.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cognito_import.engine.claims import folded
from cognito_import.run.folder import IMPORTED, RunFolder
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow
    from cognito_import.run.manifest import Manifest

IMPORTED_SINCE: Final = "ImportedSince"
ENABLED_SINCE: Final = "EnabledSince"
_WANTED_SINCE: Final = {"import": IMPORTED_SINCE, "enable": ENABLED_SINCE}
CREATED_SINCE: Final = "CreatedSince"
MAX_IMPORT_AGE: Final = timedelta(days=1)
"""By how much earlier an import may have been read that still creates users when a deletion is asked for."""
_SECOND: Final = timedelta(seconds=1)
_MOMENT: Final = "%Y%m%dT%H%M%SZ"


def enter(folder: RunFolder, jobtype: str, read_at: datetime) -> None:
    """Enter a run that was read then, if its users are wanted from then on. Raises RunFolderError."""
    if jobtype in _WANTED_SINCE:
        _entries(folder).write(f"{read_at.astimezone(UTC):{_MOMENT}}_{folder.run}", b"")


class Precedence:
    """What other runs of the user pool say of a batch's users. Raises RunFolderError."""

    def __init__(self, folder: RunFolder, rows: Iterable[UserRow]) -> None:
        """Read nothing yet."""
        self._folder = folder
        self._entries = _entries(folder)
        manifest = folder.required_manifest()
        self._ours = {folder.run, manifest.undo}  # the import that a run undoes says nothing against it
        self._user_pool_id, self._asked, self._began = manifest.user_pool_id, manifest.asked_at, manifest.began_at
        self._users = {folded(row.useremail) for row in rows}

    def objection(self, useremail: str, username: str, created: datetime) -> tuple[str, str] | None:
        """Return the code and the reason why a user, as it was looked up, may not be changed; None if it may."""
        later = self._later.get(folded(useremail))
        if later is not None:
            run, jobtype = later
            reason = f"The run {run} was asked for after this one and names this user, so nothing was done to it."
            return _WANTED_SINCE[jobtype], reason
        if created < self._asked + _SECOND or self._made_by_earlier.get(folded(useremail)) == username:
            return None
        asked, at = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for moment in (self._asked, created))
        reason = f"The user was created on {at}, after this run was asked for on {asked}, so nothing was done to it."
        return CREATED_SINCE, reason

    def made_elsewhere(self, useremail: str, username: str) -> bool:
        """Return whether another import says that it created this user."""
        made = (
            outcome
            for other, manifest in self._entered(self._began - MAX_IMPORT_AGE)
            if manifest.jobtype == "import"
            for outcome in _made(other, {folded(useremail)})
        )
        return any(outcome.username == username for outcome in made)

    @cached_property
    def _later(self) -> dict[str, tuple[str, str]]:
        """Of the batch's users those whom a later run wants: its name and job type by folded address."""
        return {
            address: (other.run, manifest.jobtype)
            for other, manifest in self._entered(self._asked)
            if manifest.asked_at >= self._asked and (shared := _shared(other, self._users)) and other.rejected() is None
            for address in shared
        }

    @cached_property
    def _made_by_earlier(self) -> dict[str, str]:
        """Of the batch's users those whom an earlier import has created: Cognito's username by folded address."""
        return {
            folded(outcome.useremail): outcome.username
            for other, manifest in self._entered(self._asked - MAX_IMPORT_AGE)
            if manifest.jobtype == "import" and manifest.asked_at < self._asked
            for outcome in _made(other, self._users)
        }

    def _entered(self, read_since: datetime) -> Iterator[tuple[RunFolder, Manifest]]:
        for name, _, _ in self._entries.listed(after=f"{read_since.astimezone(UTC):{_MOMENT}}"):
            other = RunFolder(self._folder.s3, self._folder.bucket, name.partition("_")[2])
            manifest = other.manifest() if other.run not in self._ours else None
            # Without a manifest it has called for nobody yet.
            if manifest is not None and manifest.user_pool_id == self._user_pool_id:
                yield other, manifest


def _shared(other: RunFolder, users: set[str]) -> set[str]:
    return users & {folded(row.useremail) for row in other.all_rows()}


def _made(other: RunFolder, users: set[str]) -> list[Outcome]:
    """Return the outcomes of those users whom the import has created."""
    shared = _shared(other, users)
    found = other.progress().outcomes.values() if shared else ()
    return [outcome for outcome in found if outcome.created and folded(outcome.useremail) in shared]


def _entries(folder: RunFolder) -> SharedObjects:
    return SharedObjects(folder.s3, folder.bucket, IMPORTED)
