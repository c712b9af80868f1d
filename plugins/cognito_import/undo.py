"""What a request that undoes an import asks for: to delete the users whom the import created."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cognito_import.errors import RequestError
from cognito_import.request.model import UserRow
from cognito_import.run import daily_limit
from cognito_import.run.manifest import run_name

if TYPE_CHECKING:
    from cognito_import.run.checkpoints import Progress
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest


_PLACE: Final = re.compile(r"(?:^|/)runs/([^/]+)|_result_\d{14}_([^/]+)\.csv$")


def pasted_run(text: str) -> str:
    """Return a run's name out of what people paste: the name, a DAG run's id or page, the run's folder in S3, its CSV."""
    path = unquote(text.partition("?")[0]).strip().rstrip("/")
    found = _PLACE.search(path)
    return run_name(found[1] or found[2] if found else path)


def created_users(folder: RunFolder, user_pool_id: str) -> list[UserRow]:
    """Return the users whom the run of `folder` created, each with its name and when the run had finished with it.

    Raises RequestError for a run that cannot be undone, and RunFolderError.
    """
    manifest = folder.manifest()
    if manifest is None:
        where = f"s3://{folder.bucket}/{folder.prefix}"
        message = (
            f"'undo' names the run {folder.run}, which has no files in {where}; expected the name of a finished import."
        )
        raise RequestError(message)
    progress = folder.progress()
    if why := _why_not(folder, manifest, progress, user_pool_id):
        message = f"'undo' names the run {folder.run}, which {why}; expected a finished import that created users."
        raise RequestError(message)
    finished = folder.finished_at()
    given = {row.row: row.enabled for row in folder.all_rows()}
    created = [outcome for _, outcome in sorted(progress.outcomes.items()) if outcome.created]
    return [
        UserRow(
            number,
            outcome.useremail,
            enabled=given[outcome.row],
            username=outcome.username,
            until=finished[outcome.row].isoformat(),
        )
        for number, outcome in enumerate(created, start=1)
    ]


def _why_not(folder: RunFolder, manifest: Manifest, progress: Progress, user_pool_id: str) -> str:
    """Say why the run cannot be undone, or nothing. Users who wait for another day's invitations are no reason."""
    if manifest.dry_run:
        return "was a dry run"
    if manifest.jobtype != "import":
        return f"is of the jobtype {manifest.jobtype!r}"
    if manifest.user_pool_id != user_pool_id:
        return f"is of the user pool {manifest.user_pool_id}"
    waits = daily_limit.waiting(folder, manifest)
    if left := sum(row.row not in progress.outcomes and not waits(row.row) for row in folder.all_rows()):
        return f"is not finished ({left:,} of {manifest.users:,} users are left, so continue it first)"
    return "" if any(outcome.created for outcome in progress.outcomes.values()) else "created nobody"
