"""A run whose outcomes are stored, and its report."""

from datetime import UTC, datetime

from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report.delivery import deliver
from cognito_import.run.checkpoints import Checkpoint

NOW = datetime.now(UTC)


def finish(folder, *, but=()):
    """Store an outcome for every user but those of some rows."""
    for batch in folder.required_manifest().batches:
        outcomes = [
            Outcome(row.row, row.useremail, SUCCEEDED, username=f"sub-{row.row}")
            for row in folder.rows(batch)
            if row.row not in but
        ]
        if outcomes:
            folder.write_checkpoint(batch.number, "worker", Checkpoint(outcomes, closed=True))


def report(resources, settings, folder, *, end=None, now=NOW, **options):
    """Deliver the report of `folder`."""
    return deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=end, now=now, **options)
