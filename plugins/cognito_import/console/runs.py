"""Endpoints of one run: what became of it, its outcomes, its CSV and its mail. Addresses are for those who may start runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter, HTTPException, Query, status
from fastapi.responses import HTMLResponse, StreamingResponse

from cognito_import.airflow import private
from cognito_import.airflow.context import APPROVAL, ASKING
from cognito_import.console import deployment
from cognito_import.console.access import DAG, Database, Starter, User, may_stop
from cognito_import.console.airflow_runs import ENDED, find, told, view_of
from cognito_import.console.paging import Limit, Offset
from cognito_import.report import sent
from cognito_import.report.again import request_again
from cognito_import.run import stopping
from cognito_import.settings import Locale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognito_import.report.sent import SentMail

_FRAMED: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
_STILL: Final = "<style>a { pointer-events: none; }</style>"

router = APIRouter()


@router.get("/run")
def one_run(session: Database, starter: Starter, run: str, lang: Locale = "en") -> dict[str, Any]:
    """Return one run with its counts, failures by reason, pace and answer."""
    deployed, row = deployment.current(), find(session, run)
    view = view_of(deployed, row)
    asking = private.task_state(session, DAG, run, APPROVAL) in ASKING
    session.commit()
    seen = deployed.shows_addresses(starter=starter)
    return {**told(row), "asking": asking, "addresses": seen, **view.details(lang, addresses=seen)}


@router.get("/run/outcomes")
def outcomes(  # noqa: PLR0913, PLR0917 - the query of an endpoint
    session: Database,
    starter: Starter,
    run: str,
    q: str = "",
    kind: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    offset: Offset = 0,
    limit: Limit = 50,
    lang: Locale = "en",
) -> dict[str, Any]:
    """Return a page of the run's outcomes."""
    deployed = deployment.current_with_addresses(starter=starter)
    view = view_of(deployed, find(session, run))
    session.commit()
    return view.outcomes(lang, q, kind, offset, limit)


@router.get("/run/report.csv")
def report(session: Database, starter: Starter, run: str) -> StreamingResponse:
    """Stream the run's CSV out of S3."""
    deployed = deployment.current_with_addresses(starter=starter)
    key = view_of(deployed, find(session, run)).report_key()
    session.commit()
    if key is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The run has no report yet.")
    try:
        stored = deployed.s3.get_object(Bucket=deployed.settings.report_bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        raise HTTPException(
            status.HTTP_404_NOT_FOUND, "The report cannot be read from S3; it may be too old."
        ) from error

    def chunks() -> Iterator[bytes]:
        yield from stored["Body"].iter_chunks(64 * 1024)

    name = key.rpartition("/")[2]
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(stored["ContentLength"])}
    return StreamingResponse(chunks(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/run/mail")
def mail(session: Database, starter: Starter, run: str) -> dict[str, str]:
    """Return to whom the report was mailed, and the mail's subject."""
    kept = _mail(session, run, starter=starter)
    return {"to": kept.to, "subject": kept.subject}


@router.get("/run/mail.html")
def mail_body(session: Database, starter: Starter, run: str) -> HTMLResponse:
    """Return the mail's HTML part, to be shown in a frame: it runs no script, fetches nothing, and its links lead nowhere."""
    return HTMLResponse(
        _mail(session, run, starter=starter).html + _STILL, headers={"Content-Security-Policy": _FRAMED}
    )


def _mail(session: Database, run: str, *, starter: bool) -> SentMail:
    view = view_of(deployment.current_with_addresses(starter=starter), find(session, run))
    session.commit()
    delivery = view.delivery()
    mail = sent.read(view.folder, delivery.message_id) if delivery else None
    if mail is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The mail was not kept.")
    return mail


@router.post("/run/stop", dependencies=[may_stop])
def stop(session: Database, user: User, run: str) -> None:
    """Store who is about to stop the run, which Airflow itself does: for the report."""
    row = find(session, run)
    if str(row.state) in ENDED:
        raise HTTPException(status.HTTP_409_CONFLICT, "The run has ended already.")
    folder = deployment.current().folder(run)
    session.commit()
    stopping.note(folder, user.get_name())


@router.get("/run/again")
def again(session: Database, starter: Starter, run: str) -> dict[str, Any]:
    """Return the request that runs the failed rows again."""
    deployed = deployment.current_with_addresses(starter=starter)
    view = view_of(deployed, find(session, run))
    session.commit()
    manifest, key = view.folder.manifest(), view.report_key()
    if manifest is None or key is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The run has no report yet.")
    location = f"s3://{view.folder.bucket}/{key}"
    request: dict[str, Any] = json.loads(request_again(manifest, view.all_outcomes(), location, manifest.adminemail))
    return request
