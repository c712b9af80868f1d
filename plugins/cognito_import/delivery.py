"""From a run folder to a report in the administrator's mailbox, and the verdict on the run."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from bisect import bisect
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cognito_import import approval, link, mail, report
from cognito_import.errors import IncompleteRunError
from cognito_import.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_ses.client import SESClient

    from cognito_import.run_folder import Manifest, RunFolder
    from cognito_import.settings import Settings

_ENDED_EARLY: Final = {
    "import": "The engine ended before this user's turn. Import the address again.",
    "delete": "The engine ended before this user's turn, and the user is left as it was. Delete the address again.",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A report that went out: its counts, the CSV's key, when its link ends (ISO 8601), and SES's id of the mail."""

    counts: dict[str, Any]
    unfinished: int
    csv_key: str
    link_ends: str
    message_id: str


def all_outcomes(folder: RunFolder, manifest: Manifest, refusal: str | None = None) -> Iterator[Outcome]:
    """One outcome for every user of the request, in its order; what no worker told is `NotAttempted`, with the reason.

    `refusal` is why a deletion was not approved, if it was not.
    """
    known = folder.known()
    starts = [batch.first for batch in manifest.batches]

    def missing(row: int, useremail: str) -> Outcome:
        if row in known.pending:
            return known.pending[row]
        if starts:
            reason = known.stopped.get(manifest.batches[bisect(starts, row) - 1].number)
        else:
            reason = next(iter(known.stopped.values()), None)
        return Outcome.not_attempted(row, useremail, refusal or reason or _ENDED_EARLY[manifest.jobtype])

    rows = folder.all_rows()
    upcoming = next(rows, None)
    for number in range(1, manifest.users + 1):
        if upcoming is not None and upcoming.row == number:
            yield known.outcomes.get(number) or missing(number, upcoming.useremail)
            upcoming = next(rows, None)
        else:
            yield known.outcomes[number]


def deliver(  # noqa: PLR0913 - all that a report depends on
    folder: RunFolder,
    settings: Settings,
    s3: S3Client,
    ses: SESClient,
    *,
    credentials_end: datetime | None,
    now: datetime,
    note: str = "",
) -> Delivery:
    """Write the CSV, store and sign it, and mail the link.

    A run whose outcomes have been reported is not reported twice: running this again mails only what is new, other
    outcomes or a link in place of one that has ended. `now` has a time zone; `note` says what befell the engine.
    Raises ReportError and RunFolderError; touches no user.
    """
    manifest = folder.required_manifest()
    asked = approval.read(folder) if manifest.jobtype == "delete" else None
    refused = asked if asked and asked.answer != approval.APPROVED else None
    outcomes = list(all_outcomes(folder, manifest, refused.reason(settings.time_zone) if refused else None))
    summary = report.summarise(outcomes)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "report.csv"
        report.write_csv(outcomes, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        before = folder.read_report()
        if before and before["digest"] == digest and datetime.fromisoformat(before["delivery"]["link_ends"]) > now:
            log.info("These outcomes are reported already, and their link has not ended; mailing nothing.")
            return Delivery(**before["delivery"])
        key = report.report_key(manifest.jobtype, folder.run, now, settings.time_zone)
        link.store(s3, folder.bucket, key, path)
    signed = link.sign(
        s3, folder.bucket, key, link_seconds=settings.link_seconds, now=now, credentials_end=credentials_end
    )
    composed = mail.compose(
        summary,
        signed,
        jobtype=manifest.jobtype,
        locale=settings.locale,
        time_zone=settings.time_zone,
        now=now,
        run=folder.run,
        engine_note=note,
        refused=refused.answer if refused else "",
    )
    message_id = mail.send(ses, composed, settings.mail_from, manifest.adminemail)
    delivery = Delivery(summary.as_dict(), summary.unfinished, key, signed.ends.isoformat(), message_id)
    folder.write_report({"digest": digest, "delivery": asdict(delivery)})
    log.info("Reported %d users: %s.", summary.total, summary.as_dict())
    return delivery


def shortfall(folder: RunFolder, state: str) -> str | None:
    """Why a run that has ended in `state` is no success, in words for the file that it was about; None if it is one."""
    if state == "success":
        return None
    reported = folder.read_report()
    if reported is not None:
        delivery = Delivery(**reported["delivery"])
        try:
            verdict(delivery)
        except IncompleteRunError as incomplete:
            return f"{incomplete} The report is at s3://{folder.bucket}/{delivery.csv_key}."
        return f"The run {state} although its report went out; look at its tasks in Airflow."
    refusal = folder.read_refusal()
    if refusal is not None:
        return refusal["reason"]
    if folder.manifest() is None:
        return "The run failed before its users were read; look at the log of its task 'read_request'. No user was touched."
    return "The report did not go out: look at the run's task 'report' in Airflow, then clear it. No user is touched again."


def tell_refusal(  # noqa: PLR0913 - all that the mail depends on
    folder: RunFolder, settings: Settings, ses: SESClient, *, to: str, source: str, now: datetime
) -> None:
    """Mail the administrator `to`, once, why the run that was to read `source` was refused; nothing for other runs.

    Raises ReportError and RunFolderError.
    """
    refusal = folder.read_refusal()
    if refusal is None or refusal["message_id"] or folder.read_report() is not None:
        return
    composed = mail.compose_refusal(
        refusal["reason"], source=source, run=folder.run, locale=settings.locale, time_zone=settings.time_zone, now=now
    )
    folder.write_refusal(refusal["reason"], mail.send(ses, composed, settings.mail_from, to))


def verdict(delivery: Delivery | None) -> None:
    """Raise IncompleteRunError unless the report went out and every user was attempted."""
    if delivery is None:
        message = "The report did not go out: look at the task 'report', then clear it. No user is touched again."
        raise IncompleteRunError(message)
    if delivery.unfinished:
        message = (
            f"{delivery.unfinished:,} of {delivery.counts['total']:,} users were not finished; the report says why. Mend "
            "the cause, then clear the failed tasks with all behind them: finished users are not called again."
        )
        raise IncompleteRunError(message)
