"""From a request to a complete run folder: the users checked and stored, and the batches planned."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cognito_import.batches import plan
from cognito_import.request import ImportRequest, check_users
from cognito_import.run_folder import Manifest
from cognito_import.sources import Users

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from cognito_import.run_folder import RunFolder
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


def take_in(conf: object, settings: Settings, s3: S3Client, folder: RunFolder) -> Manifest:
    """Read and check the request's users once, and store them.

    A run that has been read keeps what it read: running this again returns the manifest that is there, so that a
    retry or a cleared task goes on with the same users even if the source has changed since. Raises RequestError
    (SourceError) and RunFolderError; no user is touched.
    """
    request = ImportRequest.parse(conf, settings)
    manifest = folder.manifest()
    if manifest is not None:
        log.info("The run has its users already (%d); going on with them.", manifest.users)
        return manifest
    users = Users(request, s3)
    rows = folder.write_rows(check_users(users, settings.default_groups, request.jobtype))
    manifest = Manifest(
        jobtype=request.jobtype,
        engine=request.engine,
        adminemail=request.adminemail,
        users=len(rows) + rows.refused,
        refused=rows.refused,
        began=(rows.written or datetime.now(UTC)).isoformat(),
        groups=sorted(rows.groups),
        batches=plan(rows, settings.slots, request.engine),
        source_etag=users.etag,
    )
    folder.write_manifest(manifest)
    log.info("%d users: %d to process, %d refused.", manifest.users, len(rows), rows.refused)
    return manifest
