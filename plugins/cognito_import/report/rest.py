"""The users of a run whose invitations have to wait for another day, as a file that a later run reads."""

from __future__ import annotations

from io import BytesIO
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from cognito_import.outcomes import INTERRUPTED, NOT_ATTEMPTED, POSTPONED
from cognito_import.report.results import write_csv
from cognito_import.report.rows import all_outcomes

if TYPE_CHECKING:
    from cognito_import.outcomes import Outcome
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest

_LIMIT: Final = "LimitExceededException:"


class Rest(NamedTuple):
    """A report's CSV of those users alone; `is_all` says that nobody else of the run is left."""

    content: bytes
    is_all: bool


def rest_of(folder: RunFolder, manifest: Manifest) -> Rest | None:
    """Return whom the daily limit of Cognito's own sender kept from being invited, None if nobody. Raises RunFolderError.

    Users for whom the run itself can be continued are among them only if nothing else has to be done for it.
    """
    cells = folder.cells() if manifest.columns else repeat({})
    left = [
        (outcome, beside)
        for outcome, beside in zip(all_outcomes(folder, manifest), cells, strict=False)
        if outcome.code in (POSTPONED, NOT_ATTEMPTED, INTERRUPTED)
    ]
    is_all = all(map(_waits, (outcome for outcome, _ in left)))
    waiting = [one for one in left if is_all or one[0].code == POSTPONED]
    if not waiting:
        return None
    content = BytesIO()
    write_csv((outcome for outcome, _ in waiting), content, manifest.columns, [beside for _, beside in waiting])
    return Rest(content.getvalue(), is_all)


def _waits(outcome: Outcome) -> bool:
    return outcome.code == POSTPONED or (outcome.code == NOT_ATTEMPTED and outcome.message.startswith(_LIMIT))
