"""How a run ends: its calls have stopped, and its administrator learns what became of each user.

What is said is read from the run folder, never taken from an earlier task, so it is true whatever was cleared, marked or
stopped before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cognito_import import addresses
from cognito_import.engine import breaker, executions
from cognito_import.errors import READ_ANEW, IncompleteRunError
from cognito_import.report.complete import raise_if_incomplete
from cognito_import.report.delivery import Delivery, deliver
from cognito_import.report.reasons import lines
from cognito_import.report.rejection import mail_rejection
from cognito_import.run import approval, stopping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_ses.client import SESClient
    from mypy_boto3_stepfunctions.client import SFNClient

    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

_STOPPED: Final = "Its run in Airflow has ended, so nobody holds the slots for it any more."
UNREAD: Final = (
    "The run ended before its users were read, so no user was touched: look at the log of the task 'read_request'."
)

_MAX_REASON_LENGTH: Final = 600
"""Characters of a reason in a run's note: it has room for 1,000, and a person may have written some of them."""
_INBOX_AGAIN: Final = "Fix it, then put the file into the inbox again."


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run ended with: the `delivery` of its report, if there is one, and the `reason` if the run is no success.

    `then` is what to do about the reason of a run without a report.
    """

    delivery: Delivery | None
    reason: str = ""
    then: str = ""

    def note(self, folder: RunFolder, locale: str) -> str:
        """Return what the list of runs says: the report's counts, or why no user was touched. No address, no link."""
        if self.delivery is not None:
            return self.delivery.note(folder)
        reason = addresses.hidden(" ".join(lines(self.reason, locale)))[:_MAX_REASON_LENGTH]
        return f"{reason}; run {folder.run}"

    def raise_if_incomplete(self) -> None:
        """Raise IncompleteRunError, with the cause first, unless the report went out and the run is a success."""
        if self.delivery is None:
            message = f"{self.reason} {self.then}"
            raise IncompleteRunError(message)
        try:
            raise_if_incomplete(self.delivery)
        except IncompleteRunError as incomplete:
            message = f"{self.reason} {incomplete}" if self.reason else str(incomplete)
            raise IncompleteRunError(message) from None
        if self.reason:
            raise IncompleteRunError(self.reason)


def conclude(  # noqa: PLR0913 - all that a report depends on
    folder: RunFolder,
    settings: Settings,
    ses: SESClient,
    sfn: SFNClient,
    *,
    request: Mapping[str, object],
    from_inbox: bool,
    signer: S3Client | None,
    credentials_expire_at: datetime | None,
    now: datetime,
    page: str = "",
) -> Ending:
    """Report the run as it stands, or mail its administrator why it was rejected. Mails only what was not mailed before.

    An execution of the run that nobody watches any more is stopped first. `request` is the run's conf, `from_inbox` says
    that the nightly run started it; `signer`, `credentials_expire_at` and `page` are as for :func:`~.delivery.deliver`.
    Raises ReportError, RunFolderError and ExecutionError; touches no user.
    """
    manifest = folder.manifest()
    then = _INBOX_AGAIN if from_inbox else READ_ANEW
    if rejection := folder.rejected():
        to = manifest.adminemail if manifest else request.get("adminemail")
        source = str(request.get("source") or "")
        way: Literal["inbox", "airflow"] = "inbox" if from_inbox else "airflow"
        mail_rejection(folder, settings, ses, to=to, source=source, now=now, way=way, page=page)
        return Ending(None, rejection.reason, then)
    if manifest is None:
        return Ending(None, UNREAD, then)
    if manifest.engine == "step_functions" and settings.state_machine_arn:
        executions.stop_all(sfn, settings.state_machine_arn, folder.run, _STOPPED)
    delivery = deliver(
        folder, settings, folder.s3, ses, credentials_expire_at=credentials_expire_at, now=now, signer=signer, page=page
    )
    question = breaker.unanswered(folder)
    if question:
        return Ending(delivery, str(question.error()))
    return Ending(delivery, _cause(folder, settings) if delivery.unfinished else "")


def _cause(folder: RunFolder, settings: Settings) -> str:
    """Return why users were left, as far as it is known."""
    if denial := approval.denied(folder):
        return denial.reason(settings.time_zone)
    if rejection := folder.read_rejection():
        return rejection.reason
    progress = folder.progress()
    if stopped := stopping.read(folder, progress.work):
        return f"The run was stopped by {stopped.told(settings.time_zone)}."
    return next(iter(progress.stopped.values()), "")
