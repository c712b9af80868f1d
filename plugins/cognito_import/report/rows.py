"""One outcome for every user of a run, whatever its workers have stored."""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING

from cognito_import.engine import breaker
from cognito_import.outcomes import Outcome
from cognito_import.run import daily_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognito_import.run.checkpoints import Progress
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Batch, Manifest


def all_outcomes(
    folder: RunFolder, manifest: Manifest, blocked: str | None = None, progress: Progress | None = None
) -> Iterator[Outcome]:
    """One outcome for every user of the request, in its order; untouched users are `NotAttempted`, with the reason if any.

    `blocked` is why nobody may be called for, if that is so; `progress` is what the workers have stored, if it was read.
    The messages are as they were stored: :class:`~cognito_import.report.reasons.Reasons` rewords them for people.
    """
    progress = progress or folder.progress()
    starts = [batch.first for batch in manifest.batches]
    question = breaker.unanswered(folder)
    held = str(question.error()) if question else ""

    waits = daily_limit.waiting(folder, manifest)

    def missing(row: int, useremail: str) -> Outcome:
        if row in progress.unsettled:
            return progress.unsettled[row].outcome()
        if waits(row) and not blocked:
            return Outcome.not_attempted(row, useremail, daily_limit.REASON)
        reason = progress.stopped.get(manifest.batches[bisect(starts, row) - 1].number)
        if manifest.engine == "step_functions":  # a stop in one batch keeps all others from beginning
            reason = reason or next(iter(progress.stopped.values()), None)
        return Outcome.not_attempted(row, useremail, blocked or reason or held)

    rows = folder.all_rows()
    upcoming = next(rows, None)
    for number in range(1, manifest.users + 1):
        if upcoming is not None and upcoming.row == number:
            yield progress.outcomes.get(number) or missing(number, upcoming.useremail)
            upcoming = next(rows, None)
        else:
            yield progress.outcomes[number]


def unfinished_batches(folder: RunFolder, manifest: Manifest, progress: Progress) -> list[Batch]:
    """Return the batches with a user who has no outcome."""
    if len(progress.outcomes) == manifest.users:
        return []
    starts = [batch.first for batch in manifest.batches]
    numbers = {bisect(starts, row.row) for row in folder.all_rows() if row.row not in progress.outcomes}
    return [batch for batch in manifest.batches if batch.number in numbers]
