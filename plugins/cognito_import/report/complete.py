"""Whether a run that has ended is complete, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognito_import.engine import breaker
from cognito_import.errors import IncompleteRunError
from cognito_import.report.delivery import Delivery, Reported

if TYPE_CHECKING:
    from cognito_import.run.folder import RunFolder


def failure_reason(folder: RunFolder, state: str) -> str | None:
    """Return why a run that has ended in `state` is no success, in words for the file that it was about; None if it is one."""
    if state == "success":
        return None
    reported = folder.read_report(Reported)
    if reported is not None:
        delivery = reported.delivery
        question = breaker.unanswered(folder)
        why = question.reason if question else ""
        try:
            raise_if_incomplete(delivery)
        except IncompleteRunError as incomplete:
            why = f"{why} {incomplete}".strip()
        why = why or f"The run {state} although its report went out; look at its tasks in Airflow."
        return f"{why} The report is at s3://{folder.bucket}/{delivery.csv_key}."
    rejection = folder.read_rejection()
    if rejection is not None:
        return rejection.reason
    if folder.manifest() is None:
        return "The run failed before its users were read; look at the log of its task 'read_request'. No user was touched."
    return "The report did not go out: look at the run's task 'report' in Airflow, then clear it. No user is touched again."


def raise_if_incomplete(delivery: Delivery | None) -> None:
    """Raise IncompleteRunError unless the report went out and every user was attempted."""
    if delivery is None:
        message = "The report did not go out: look at the task 'report', then clear it. No user is touched again."
        raise IncompleteRunError(message)
    if delivery.unfinished:
        message = (
            f"{delivery.unfinished:,} of {delivery.counts['total']:,} users were not finished; the report says why. "
            f"{delivery.then}"
        )
        raise IncompleteRunError(message)
