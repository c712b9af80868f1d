"""Stops a run whose first users all fail alike, and asks: the cause is then hardly the users' own.

A question stands in the run folder and goes through three states. It is `open` while it stops the run's workers, those
that begin later among them. Whoever reports the run makes it `told`. Nobody begins to work on the run after that unless a
person cleared its tasks or started another execution: this is the answer, the question becomes `answered`, and the run is
not stopped in this way again.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from pydantic.dataclasses import dataclass

from cognito_import.engine.error_policy import OWN
from cognito_import.errors import CallsStoppedError
from cognito_import.outcomes import SUCCEEDED, Outcome, common, plain
from cognito_import.records import STRICT, Record, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.run.checkpoints import Checkpoint
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest

FIRST_USERS: Final = 50
"""How many users have to fail alike, with no other outcome in the run; all users of a run that has fewer."""
MIN_USERS: Final = 10
"""A run with fewer users is never stopped: they may well have one problem."""
MIN_BATCH_USERS: Final = 10
"""A child of the state machine that ends early costs another round, which fewer users of one batch are not worth."""
GO_ON: Final = " To go on all the same, clear the failed tasks or start another execution of the run."

_MAX_TEXT_LENGTH: Final = 300

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, config=STRICT)
class Question(Record):
    """Why the calls of a run were stopped: the `code` that all users failed with, and what to check, a sentence.

    `state` is `open`, `told` or `answered`; see above.
    """

    code: str
    text: Text
    state: Literal["open", "told", "answered"] = "open"

    @property
    def reason(self) -> str:
        """The question without how to go on, for places that say that better."""
        return f"{self.code}: {self.text}"

    def error(self) -> CallsStoppedError:
        """Return the question as the error that stops a worker."""
        return CallsStoppedError(self.code, self.text + GO_ON)


def threshold(manifest: Manifest) -> int | None:
    """Return how many users have to fail alike before the run is stopped; None for a run that is never stopped."""
    users = _users(manifest)
    return min(FIRST_USERS, users) if users >= MIN_USERS else None


def unanswered(folder: RunFolder) -> Question | None:
    """Return the question that stops the run, or None if there is none or a person has answered it. Raises RunFolderError."""
    question = _read(folder)
    return None if question is None or question.state == "answered" else question


def tell(folder: RunFolder) -> Question | None:
    """Return the question that stops the run, which is being reported now. Raises RunFolderError."""
    question = unanswered(folder)
    if question is not None and question.state == "open":
        _write(folder, replace(question, state="told"))
    return question


def begin(folder: RunFolder) -> bool:
    """Return whether a worker that begins now has to watch for users who fail alike.

    Raises CallsStoppedError if the run is stopped and nobody was told of it yet, and RunFolderError.
    """
    question = _read(folder)
    if question is None:
        return threshold(folder.required_manifest()) is not None
    if question.state == "open":
        raise question.error()
    if question.state == "told":
        log.warning("The run was stopped, since all users failed alike, and goes on now: %s", question.reason)
        _write(folder, replace(question, state="answered"))
    return False


def may_be_alike(outcome: Outcome) -> bool:
    """Return whether all users of a run may have this outcome for one reason that is not their own."""
    return outcome.status != SUCCEEDED and outcome.code not in OWN


def judge(folder: RunFolder, outcomes: Iterable[Outcome] | None = None) -> bool:
    """Stop the run if enough users were called for and all failed alike. Returns whether they may still turn out to.

    `outcomes` are those of the run that calls came to, read from the run folder if they are not given. Raises
    CallsStoppedError, and RunFolderError.
    """
    manifest = folder.required_manifest()
    enough = threshold(manifest)
    if enough is None:
        return False
    if outcomes is None:
        outcomes = (outcome for _, checkpoint, _ in folder.all_checkpoints() for outcome in checkpoint.outcomes)
    alike: Outcome | None = None
    rows = set()
    for outcome in outcomes:
        if not may_be_alike(outcome) or (alike and _problem(outcome) != _problem(alike)):
            return False
        alike = outcome
        rows.add(outcome.row)
    if alike is None or len(rows) < enough:
        return True
    question = Question(alike.code, _text(alike, len(rows), _users(manifest)))
    if not folder.write_breaker(question, IfNoneMatch="*"):  # another worker has seen it, too, or it was answered
        stored = _read(folder)
        if stored is None or stored.state != "open":
            return False
        question = stored
    raise question.error()


def share(manifest: Manifest, at_once: int) -> int:
    """Return how many users of each batch have to fail alike, with `at_once` batches at a time, until it is ended and judged.

    More than any batch has for a run that is never stopped.
    """
    enough = threshold(manifest) or _users(manifest) * at_once
    return max(MIN_BATCH_USERS, math.ceil(enough / min(at_once, len(manifest.batches))))


def stop_round_if_alike(folder: RunFolder, round_number: int, checkpoint: Checkpoint) -> None:
    """Have no further batch of the round begin if the run is stopped, which may be if all of `checkpoint` failed alike."""
    if not checkpoint.closed or not checkpoint.outcomes or not all(map(may_be_alike, checkpoint.outcomes)):
        return
    try:
        judge(folder)
    except CallsStoppedError as stop:
        folder.stop_round(round_number, str(stop), temporary=False)


class Watch:
    """Watches the users of one worker, so that the whole run is looked at only while all of them fail alike."""

    def __init__(self, folder: RunFolder, earlier: Iterable[Outcome]) -> None:
        """Take what earlier workers made of the batch. Raises as :func:`begin` does."""
        self._folder = folder
        self._on = begin(folder) and all(may_be_alike(outcome) for outcome in earlier)

    def look(self, outcome: Outcome | None) -> None:
        """Look at the outcome of the worker's latest user, which is stored, if it has one. Raises as :func:`judge` does."""
        if outcome is not None:
            self._on = self._on and may_be_alike(outcome) and judge(self._folder)


def _problem(outcome: Outcome) -> tuple[str, str]:
    return outcome.code, common(plain(outcome.message))


def _users(manifest: Manifest) -> int:
    return sum(batch.size for batch in manifest.batches)


def _text(alike: Outcome, failed: int, users: int) -> str:
    message = _problem(alike)[1][:_MAX_TEXT_LENGTH].rstrip(". ")
    whom = f"All {users:,} users of the run" if failed == users else f"All {failed:,} users called for so far"
    others = "" if failed == users else ", so nobody else was called for"
    check = "Check the list, and the user pool with its triggers."
    return f"{whom} failed with this error ({message}){others}. {check}"


def _read(folder: RunFolder) -> Question | None:
    return folder.read_breaker(Question)


def _write(folder: RunFolder, question: Question) -> None:
    folder.write_breaker(question)
