"""From a request to a complete run folder: the users checked and stored, and the batches planned."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from cognito_import.engine import precedence
from cognito_import.engine.children import weight
from cognito_import.engine.pace import planned_slots
from cognito_import.engine.plan import plan
from cognito_import.engine.user_pool import JOBS
from cognito_import.errors import RequestError, RunFolderError
from cognito_import.pool_fit import pool_is_case_sensitive
from cognito_import.request.model import ImportRequest
from cognito_import.request.sources import Users
from cognito_import.request.users import check_users
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import Manifest
from cognito_import.scratch import room_for
from cognito_import.undo import created_users, pasted_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_s3.client import S3Client

    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


def ingest_request(  # noqa: PLR0913 - what a run is made of
    conf: object,
    settings: Settings,
    s3: S3Client,
    folder: RunFolder,
    *,
    cognito: CognitoIdentityProviderClient | None = None,
    asked_by: str = "",
    from_inbox: bool = False,
    sharing: int = 1,
) -> Manifest:
    """Read and check the request's users, and store them.

        Running this again reads the request anew, with the settings and the source as they are then, as long as surely
    nobody has been called for. From the first call on a run keeps what it read: the manifest that is there is returned, so
    that a retry or a cleared task goes on with the same users. `asked_by` is who started the run, where that is known; a
    file `from_inbox` was asked for when it arrived there. So many runs are `sharing` the pool. `cognito` shows whether
    addresses that differ by upper and lower case alone are one user of the pool; it is asked only if there are some, and
    without it they are one. Raises RequestError (SourceError), also if the run was read for another request, PreflightError
    if the user pool cannot be looked at, NotReadyError if AWS could not be asked just now, and RunFolderError; no user is
    touched.
    """
    request = ImportRequest.parse(conf, settings)
    named = isinstance(conf, dict) and conf.get("invite") not in (None, "")
    digest = _digest(conf)
    before = folder.reading()
    if before is not None and _same(before.stored, digest, folder).begun:
        return folder.required_manifest()
    settings = replace(settings, invite=request.invite, resend_invitation=request.resend_invitation)
    undone = pasted_run(request.undo) if request.undo else ""
    # No state ever holds the users of a dry run.
    in_states = request.engine == "step_functions" and not request.dry_run
    weigh = partial(weight, settings=settings, jobtype=request.jobtype) if in_states else None
    allowed = settings.groups_allowed(request.source)
    with room_for("The request's users", RunFolderError, "read the request again"), tempfile.TemporaryFile() as cells:
        users = Users(request, s3, cells)
        checked: Iterable[UserRow | Outcome]
        if undone:
            checked = created_users(RunFolder(s3, folder.bucket, undone), settings.user_pool_id)
        else:
            checked = check_users(
                users,
                settings.default_groups,
                request.jobtype,
                allowed_groups=allowed,
                case_sensitive=lambda: cognito is not None and pool_is_case_sensitive(cognito, settings.user_pool_id),
            )
        rows = folder.write_rows(checked, weigh)
        cells.seek(0)
        rows.content.update(hashlib.file_digest(cells, "sha256").digest())
        cells.seek(0)
        cells_name = folder.write_cells(cells)
    slots = planned_slots(cognito, settings, request.engine, JOBS[request.jobtype].categories)
    began = rows.written or datetime.now(UTC)
    if not request.dry_run:
        precedence.enter(folder, request.jobtype, began)  # before the manifest: whoever looks afterwards finds it
    manifest = Manifest(
        jobtype=request.jobtype,
        engine=request.engine,
        adminemail=request.adminemail,
        users=len(rows) + rows.rejected_rows,
        rejected_rows=rows.rejected_rows,
        began=began.isoformat(),
        groups=sorted(rows.groups),
        batches=plan(rows, slots, request.engine, sharing, dry_run=request.dry_run),
        digest=digest,
        rows=rows.name,
        rows_etag=rows.etag,
        rejected=rows.rejected,
        cells=cells_name,
        # A list in the request itself has no rows that somebody could look up.
        columns=[name for name in users.columns if (request.data is None and not undone) or name != "row"],
        user_pool_id=settings.user_pool_id,
        invite=settings.invite,
        invite_named=named,
        approve=settings.asks_before(request.jobtype) and len(rows) > 0 and not request.dry_run,
        begun=False,
        asked_by=asked_by,
        source_etag=users.etag,
        asked=users.written.isoformat() if from_inbox and users.written else "",
        content=rows.content.hexdigest(),
        existing_users=request.existing_users,
        resend_invitation=request.resend_invitation,
        create_groups=request.create_groups,
        dry_run=request.dry_run,
        undo=undone,
    )
    if before is not None and manifest.tells_the_same(before.stored):
        return folder.required_manifest()  # what was planned and approved for it stays good
    log.info("%d users: %d to process, %d rejected.", manifest.users, len(rows), rows.rejected_rows)
    return _same(folder.write_manifest(manifest, before), digest, folder)


def _digest(conf: object) -> str:
    """Return what identifies a request."""
    digest = hashlib.sha256()
    for part in json.JSONEncoder(sort_keys=True).iterencode(conf):
        digest.update(part.encode())
    return digest.hexdigest()


def _same(manifest: Manifest, digest: str, folder: RunFolder) -> Manifest:
    if manifest.digest != digest:
        message = (
            f"s3://{folder.bucket}/{folder.prefix} holds a run of this name with another request ({manifest.users:,} users, "
            f"{manifest.jobtype!r}, read at {manifest.began}); this one touched nobody. Start it under another name."
        )
        raise RequestError(message)
    return manifest
