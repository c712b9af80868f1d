"""From a run folder to a report in the administrator's mailbox."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic.dataclasses import dataclass

from cognito_import.engine import breaker
from cognito_import.engine.batches import fence
from cognito_import.errors import ReportError, RequestError
from cognito_import.records import STRICT, Record
from cognito_import.report import another_day, link, mail, mail_claim, results, sent
from cognito_import.report.again import request_again, request_undo
from cognito_import.report.another_day import Waiting
from cognito_import.report.expected import expected
from cognito_import.report.pace_kept import pace_kept
from cognito_import.report.reasons import Reasons, Way
from cognito_import.report.rows import all_outcomes, unfinished_batches
from cognito_import.request.model import administrator
from cognito_import.run import approval, stopping
from cognito_import.scratch import room_for

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_ses.client import SESClient

    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


AGAIN: Final = timedelta(minutes=10)
"""How soon a link that may have ended unnoticed is mailed anew: a retry comes earlier, a person who misses it later."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Delivery:
    """A report that went out: its counts, the CSV's key, when its link ends (ISO 8601), and SES's id of the mail.

    `may_expire_earlier` is the link's (see `link.Link`), `mailed` is when the mail went out, ISO 8601, `pace` says how fast
    the run was, and `then` what to do about unfinished users.
    """

    counts: dict[str, Any]
    unfinished: int
    csv_key: str
    link_expires_at: str
    message_id: str
    may_expire_earlier: bool = False
    mailed: str = ""
    dry_run: bool = False
    pace: str = ""
    then: str = Waiting().then(1)

    def note(self, folder: RunFolder) -> str:
        """Return the counts, the run's name and the CSV's place in one line, for the list of runs: no address, no link."""
        counts = results.told(self.counts, dry_run=self.dry_run)
        return (
            f"{counts}{'; ' * bool(self.pace)}{self.pace}; run {folder.run}; report s3://{folder.bucket}/{self.csv_key}"
        )

    def is_fresh(self, now: datetime) -> bool:
        """Return whether there is no reason yet to mail another link: this one has surely not ended, or was mailed just now."""
        if datetime.fromisoformat(self.link_expires_at) <= now:
            return False
        return not self.may_expire_earlier or now - datetime.fromisoformat(self.mailed) < AGAIN


@dataclass(frozen=True, slots=True, config=STRICT)
class Reported(Record):
    """What is stored of a report that went out; the `digest` shows whether the next one would say anything new.

    It told of so many `finished` users of the file of `rows`.
    """

    digest: str
    delivery: Delivery
    rows: str = ""
    finished: int = 0


def deliver(  # noqa: PLR0913 - all that a report depends on
    folder: RunFolder,
    settings: Settings,
    s3: S3Client,
    ses: SESClient,
    *,
    credentials_expire_at: datetime | None,
    now: datetime,
    note: str = "",
    way: Way = "airflow",
    signer: S3Client | None = None,
    page: str = "",
    anew: bool = False,
) -> Delivery:
    """Write the CSV, store and sign it, and mail the link.

    A run whose outcomes have been reported is not reported twice: running this again mails only what is new, other
    outcomes, a link in place of one that has ended or may have (with its key, too), or the report to a corrected address. `now`
    has a time zone; `note` says what went wrong with the engine. `way` says how the run is continued. With `anew` a
    new link is mailed in any case. `page` is the run's address in Airflow, if that
    is known. `signer` signs the link in place of `s3`; `credentials_expire_at` is then when
    its credentials end. Raises ReportError and RunFolderError; touches no user.
    """
    manifest = folder.required_manifest()
    rejection = folder.read_rejection()
    if (question := breaker.tell(folder)) and not note:
        note = mail.engine_note("asked", question.reason, settings.locale)
    denial = approval.denied(folder)
    progress = folder.progress()
    stopped = stopping.read(folder, progress.work) if len(progress.outcomes) < manifest.users else None
    if stopped and not note:
        note = mail.engine_note("by", stopped.told(settings.time_zone), settings.locale)
    if manifest.engine == "mapped" and not denial and (unfinished := unfinished_batches(folder, manifest, progress)):
        # A task that was marked as failed by hand may still be at work; what is reported must stay true.
        fence(folder, unfinished)
        progress = folder.progress()
    blocked = denial.reason(settings.time_zone) if denial else (rejection.reason if rejection else None)
    reasons = Reasons(settings.locale, folder.run, way=way)
    digest, stored = hashlib.sha256(manifest.adminemail.encode()), []
    digest.update(link.lasting_key(signer or s3, folder.bucket).encode())
    for outcome in all_outcomes(folder, manifest, blocked, progress):
        digest.update(repr(outcome).encode())  # before it is reworded, so that another locale is nothing new
        stored.append(outcome)
    finished = len(progress.outcomes)
    if not anew and (delivery := _delivered(folder, digest.hexdigest(), now, finished)):
        return delivery
    correctly = _how_to_correct(folder, way)
    try:
        to = administrator(manifest.adminemail, settings)
    except RequestError as error:
        message = f"{error} {correctly}"
        raise ReportError(message) from error
    outcomes, waiting = another_day.told(stored, folder, manifest, reasons)
    summary = results.summarise(stored, reasons.told)
    key = results.report_key(manifest.jobtype, folder.run, now, settings.time_zone, dry_run=manifest.dry_run)
    with room_for("The report", ReportError, "run the report again"), tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "report.csv"
        results.write_csv(outcomes, path, manifest.columns, folder.cells() if manifest.columns else ())
        link.store(s3, folder.bucket, key, path)
    signed = link.sign(
        s3,
        folder.bucket,
        key,
        link_seconds=settings.link_seconds,
        now=now,
        credentials_expire_at=credentials_expire_at,
        signer=signer,
    )
    kept = pace_kept(folder, settings, progress, len(progress.outcomes) - manifest.rejected_rows)
    compose = partial(
        mail.compose,
        summary,
        jobtype=manifest.jobtype,
        locale=settings.locale,
        time_zone=settings.time_zone,
        now=now,
        run=folder.run,
        engine_note=note,
        denial=denial,
        way=way,
        again=request_again(manifest, outcomes, signed.location, to),
        undo=request_undo(manifest, outcomes, folder.run, to),
        undone=manifest.undo,
        page=page,
        invited=manifest.invite if manifest.jobtype == "import" and not manifest.dry_run else None,
        resent=manifest.resend_invitation,
        pace=kept,
        waiting=waiting,
        expected=expected(folder, settings, progress) if manifest.dry_run else None,
    )
    with mail_claim.claimed(folder):
        if not anew and (delivery := _delivered(folder, digest.hexdigest(), now, finished)):
            return delivery
        try:
            message_id = mail.send(ses, compose(signed), settings.mail_from, to)
        except ReportError as error:
            if not error.temporary:
                error.args = (f"{error} If the address is wrong: {correctly}",)
            raise
        delivery = Delivery(
            summary.as_dict(),
            manifest.users - finished,
            key,
            signed.expires_at.isoformat(),
            message_id,
            signed.may_expire_earlier,
            now.isoformat(),
            manifest.dry_run,
            str(kept or ""),
            waiting.then(summary.unfinished),
        )
        mail_claim.remember(folder, Reported(digest.hexdigest(), delivery, manifest.rows, finished))
        sent.keep(folder, message_id, to, compose(replace(signed, url=sent.NO_LINK)))
    log.info("Reported %d users: %s.", summary.total, summary.as_dict())
    return delivery


def _delivered(folder: RunFolder, digest: str, now: datetime, finished: int) -> Delivery | None:
    """Return what was reported before, if there is no reason to mail again."""
    before = folder.read_report(Reported)
    if before and before.rows == folder.required_manifest().rows and before.finished > finished:
        # Whoever makes this report was held up: it was begun before the users were finished who are reported already.
        log.info("A report that knows of more finished users went out already; mailing nothing.")
        return before.delivery
    if before and before.digest == digest and before.delivery.is_fresh(now):
        log.info("These outcomes are reported already, and their link has not ended; mailing nothing.")
        return before.delivery
    return None


def _how_to_correct(folder: RunFolder, way: Way) -> str:
    if way == "airflow":
        place = f"s3://{folder.bucket}/{folder.prefix}adminemail"
        return f"Store the right one, a text of nothing else, as {place}, then clear 'report'."
    if way == "command_line":
        return f"Run 'python -m cognito_import report {folder.run} --admin ADDRESS'."
    return f'Start an execution with {{"run": "{folder.run}", "adminemail": "…"}}.'
