"""The users of a run whose invitations have to wait for another day, as a file that a later run reads."""

from __future__ import annotations

from io import BytesIO
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from cognito_import.outcomes import INTERRUPTED, NOT_ATTEMPTED
from cognito_import.report.results import write_csv
from cognito_import.report.rows import all_outcomes
from cognito_import.run import daily_limit

if TYPE_CHECKING:
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest


class Rest(NamedTuple):
    """A report's CSV of those users alone, and their rows; `is_all` says that nobody else of the run is left."""

    content: bytes
    rows: list[int]
    is_all: bool


def rest_of(folder: RunFolder, manifest: Manifest) -> Rest | None:
    """Return whom the daily limit of Cognito's own sender kept from being invited, None if nobody. Raises RunFolderError.

    Users whom Cognito itself has kept from it are among them only if the run has to be continued for nobody else.
    """
    waits = daily_limit.waiting(folder, manifest)
    cells = folder.cells() if manifest.columns else repeat({})
    left = [
        (outcome, beside)
        for outcome, beside in zip(all_outcomes(folder, manifest), cells, strict=False)
        if outcome.code in (NOT_ATTEMPTED, INTERRUPTED)
    ]
    is_all = all(daily_limit.is_met(outcome) for outcome, _ in left)
    waiting = [one for one in left if is_all or waits(one[0].row)]
    if not waiting:
        return None
    content = BytesIO()
    write_csv((outcome for outcome, _ in waiting), content, manifest.columns, [beside for _, beside in waiting])
    return Rest(content.getvalue(), [outcome.row for outcome, _ in waiting], is_all)
