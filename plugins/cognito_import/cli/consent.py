"""Who may have users deleted or disabled from a terminal, and how it is asked.

The rule is Airflow's. Where the settings have a run approved, a person types the number of users, and that person is not
the one who asked, unless `approve_own` allows it. AWS says who runs a command. Elsewhere a deletion is asked
about all the same, and `--yes` answers for a script.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from cognito_import.cli.terminal import confirm, note
from cognito_import.errors import NotApprovedError
from cognito_import.report.question import SAMPLE
from cognito_import.run import approval

if TYPE_CHECKING:
    from cognito_import.cli.deployment import Deployment
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest


def require_consent(folder: RunFolder, deployment: Deployment, *, yes: bool) -> None:
    """Return if the run's users may be called for. Raises NotApprovedError; nobody was touched."""
    manifest = folder.required_manifest()
    if manifest.dry_run or manifest.users == manifest.rejected_rows:
        return
    if _is_approved(folder, manifest):
        return
    if not manifest.approve:
        if manifest.jobtype == "delete" and not yes:
            _ask(folder, manifest)
        return
    by = _approver(folder, manifest, deployment, yes=yes)
    _ask(folder, manifest)
    now, seconds = datetime.now(UTC).isoformat(), deployment.settings.approval_seconds
    approval.write(folder, approval.Approval("approved", now, seconds, by, rows=manifest.approved))


def _is_approved(folder: RunFolder, manifest: Manifest) -> bool:
    """Return whether the run was approved, or begun without an approval, before."""
    if not manifest.approve:
        return manifest.begun
    try:
        approval.require(folder)
    except NotApprovedError:
        return False
    return True


def _approver(folder: RunFolder, manifest: Manifest, deployment: Deployment, *, yes: bool) -> str:
    """Return who is about to approve, if that is allowed."""
    settings, run = deployment.settings, folder.run
    if yes:
        message = (
            "The settings have a person approve this run, so --yes does not; leave it out and answer the question."
        )
        raise NotApprovedError(message)
    if not manifest.asked_by.startswith("arn:"):
        message = f"The run {run} was asked for in Airflow, so it is approved there, on the page Required Actions."
        raise NotApprovedError(message)
    by = deployment.caller
    again = f"somebody else has to approve it, with 'python -m cognito_import run --name {run}'"
    if not approval.may_answer(manifest, settings, by):
        message = f"{by} asked for this run, so {again}. The setting 'approve_own' would allow it. Nobody was touched."
        raise NotApprovedError(message)
    if settings.approver_ids and by not in settings.approver_ids:
        message = f"{by} is none of the setting 'approver_ids', so {again}. Nobody was touched."
        raise NotApprovedError(message)
    return by


def _ask(folder: RunFolder, manifest: Manifest) -> None:
    users = manifest.users - manifest.rejected_rows
    if not sys.stdin.isatty():
        message = f"Nobody is there to answer for the run {folder.run}: run this at a terminal. Nobody was touched."
        raise NotApprovedError(message)
    shown = ", ".join(row.useremail for row in islice(folder.all_rows(), SAMPLE))
    note(
        f"Job: {manifest.jobtype} {users:,} user{'s' * (users != 1)} of the user pool {manifest.user_pool_id}\n"
        f"Run: {folder.run}{f', asked for by {manifest.asked_by}' if manifest.asked_by else ''}\n"
        f"The report goes to: {manifest.adminemail}\n"
        f"The first of them: {shown}"
    )
    if not confirm(users):
        message = f"The run {folder.run} was not approved. Nobody was touched."
        raise NotApprovedError(message)
