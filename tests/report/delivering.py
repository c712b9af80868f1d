"""A run whose outcomes are stored, and its report."""

from datetime import UTC, datetime

from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report.delivery import deliver
from cognito_import.run.checkpoints import Checkpoint

NOW = datetime.now(UTC)


def finish(folder, *, but=()):
    """Store an outcome for every user but some."""
    for batch in folder.required_manifest().batches:
        if batch.first not in but:
            (row,) = folder.rows(batch)
            outcome = Outcome(row.row, row.useremail, SUCCEEDED, username=f"sub-{row.row}")
            folder.write_checkpoint(batch.number, "worker", Checkpoint([outcome], closed=True))


def report(resources, settings, folder, *, end=None, now=NOW, **options):
    """Deliver the report of `folder`."""
    return deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=end, now=now, **options)
