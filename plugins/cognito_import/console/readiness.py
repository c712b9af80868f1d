"""What preflight finds for an import that nobody has started yet; it touches nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cognito_import.console.estimate import pace
from cognito_import.errors import NotReadyError, PreflightError
from cognito_import.preflight import Clients, check
from cognito_import.report.reasons import translated
from cognito_import.run.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.console.deployment import Deployment
    from cognito_import.request.model import ImportRequest
    from cognito_import.settings import Locale, Settings

Found = dict[str, list[str]]


def look(deployed: Deployment, manifest: Manifest, slots: int | None, lang: Locale, *, recipient: bool = True) -> Found:
    """Return problems, warnings and what could not be seen. Without `recipient` nobody asks SES about the administrator."""
    settings, aws = deployed.settings, deployed.aws
    clients = Clients(deployed.cognito, deployed.s3, aws.ses, aws.step_functions, aws.sesv2 if recipient else None)
    found: Found = {"problems": [], "warnings": [], "unseen": []}
    try:
        expire = aws.signer.credentials_expire_at()
        known = pace(deployed, manifest.jobtype, dry_run=manifest.dry_run)
        found["warnings"] = check(manifest, settings, clients, expire, pool_slots=slots, known=known)
    except PreflightError as error:
        found["problems"] = error.problems
    except NotReadyError as error:
        found["unseen"] = str(error).splitlines()
    return {name: [translated(one, lang) for one in sentences] for name, sentences in found.items()}


def imagined(request: ImportRequest, settings: Settings, users: int, groups: Iterable[str]) -> Manifest:
    """Return the manifest of a run that is not there, whose users join `groups`; nobody creates a group for it."""
    return Manifest(
        jobtype=request.jobtype,
        engine=request.engine,
        adminemail=request.adminemail,
        users=users,
        rejected_rows=0,
        began=datetime.now(UTC).isoformat(),
        groups=[] if request.create_groups else list(groups),
        batches=[],
        digest="",
        rows="",
        rows_etag="",
        rejected="",
        cells="",
        columns=[],
        user_pool_id=settings.user_pool_id,
        invite=request.invite,
        approve=False,
        begun=False,
        dry_run=request.dry_run,
        existing_users=request.existing_users,
        create_groups=request.create_groups,
        resend_invitation=request.resend_invitation,
    )
