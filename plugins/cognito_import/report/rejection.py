"""The mail that says why a request was rejected before any user was touched."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from cognito_import.errors import RequestError
from cognito_import.report import mail
from cognito_import.request.model import administrator

if TYPE_CHECKING:
    from mypy_boto3_ses.client import SESClient

    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


def mail_rejection(  # noqa: PLR0913 - all that the mail depends on
    folder: RunFolder,
    settings: Settings,
    ses: SESClient,
    *,
    to: object,
    source: str,
    now: datetime,
    way: Literal["inbox", "airflow", "execution"] = "inbox",
    page: str = "",
) -> None:
    """Mail the administrator `to`, once, why the run that was to read `source` was rejected; nothing for other runs.

    `to` is what the request names; nobody is mailed if no report may go there. `way` is how the request came, which
    decides how to hand it in again, and `page` the run's address in Airflow, if that is known. Raises ReportError and
    RunFolderError.
    """
    rejection = folder.read_rejection()
    if rejection is None or rejection.message_id or folder.is_reported():
        return
    try:
        address = administrator(to, settings)
    except RequestError as error:
        log.warning("Nobody is mailed why the request was rejected: %s", error)
        return
    composed = mail.compose_rejection(
        rejection.reason,
        source=source,
        run=folder.run,
        locale=settings.locale,
        time_zone=settings.time_zone,
        now=now,
        way=way,
        inbox=settings.inbox or "",
        page=page,
    )
    folder.write_rejection(rejection.reason, mail.send(ses, composed, settings.mail_from, address))
