"""Endpoints of the runs: their list, one run, its outcomes and its CSV. Addresses are for those who may start runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter, HTTPException, Query, status
from fastapi.responses import StreamingResponse

from cognito_import.airflow import private
from cognito_import.airflow.context import APPROVAL, ASKING
from cognito_import.console import deployment
from cognito_import.console.access import DAG, Database, Starter
from cognito_import.console.views import MAX_PAGE, RunView
from cognito_import.errors import CognitoImportError
from cognito_import.report.again import request_again
from cognito_import.settings import Locale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Row

    from cognito_import.console.deployment import Deployment

_SETTLED: Final = timedelta(minutes=15)

router = APIRouter()


def told_of(row: Row[Any]) -> dict[str, Any]:
    """Return what Airflow says of a run."""
    moments = {name: getattr(row, name) for name in ("run_after", "start_date", "end_date")}
    told = {name: moment.isoformat() if moment else None for name, moment in moments.items()}
    return {"run": row.run_id, "state": str(row.state), "started_by": row.triggering_user_name, **told}


@router.get("/runs")
def list_runs(
    session: Database,
    state: str = "",
    q: str = "",
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> dict[str, Any]:
    """Return runs, the latest first, with their counts, and which of all wait for an answer."""
    deployed = deployment.current()
    asking = private.waiting_runs(session, DAG, APPROVAL, ASKING)
    waiting = state == "asking"
    total, found = private.find_runs(
        session,
        DAG,
        state="" if waiting else state,
        among=asking if waiting else None,
        text=q.strip(),
        offset=offset,
        limit=limit,
    )
    session.commit()  # S3 is read without holding a connection of the database
    return {"total": total, "runs": [_listed(deployed, row, asking) for row in found]}


@router.get("/run")
def one_run(session: Database, starter: Starter, run: str, lang: Locale = "en") -> dict[str, Any]:
    """Return one run with its counts, failures by reason, pace and answer."""
    deployed, row = deployment.current(), _row(session, run)
    view = _view(deployed, row)
    asking = private.task_state(session, DAG, run, APPROVAL) in ASKING
    session.commit()
    seen = deployed.shows_addresses(starter=starter)
    return {**told_of(row), "asking": asking, "addresses": seen, **view.details(lang, addresses=seen)}


@router.get("/run/outcomes")
def outcomes(  # noqa: PLR0913, PLR0917 - the query of an endpoint
    session: Database,
    starter: Starter,
    run: str,
    q: str = "",
    kind: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    lang: Locale = "en",
) -> dict[str, Any]:
    """Return a page of the run's outcomes."""
    deployed = deployment.current_with_addresses(starter=starter)
    view = _view(deployed, _row(session, run))
    session.commit()
    return view.outcomes(lang, q, kind, offset, limit)


@router.get("/run/report.csv")
def report(session: Database, starter: Starter, run: str) -> StreamingResponse:
    """Stream the run's CSV out of S3."""
    deployed = deployment.current_with_addresses(starter=starter)
    key = _view(deployed, _row(session, run)).report_key()
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


@router.get("/run/again")
def again(session: Database, starter: Starter, run: str) -> dict[str, Any]:
    """Return the request that runs the failed rows again."""
    deployed = deployment.current_with_addresses(starter=starter)
    view = _view(deployed, _row(session, run))
    session.commit()
    manifest, key = view.folder.manifest(), view.report_key()
    if manifest is None or key is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The run has no report yet.")
    location = f"s3://{view.folder.bucket}/{key}"
    request: dict[str, Any] = json.loads(request_again(manifest, view.all_outcomes(), location, manifest.adminemail))
    return request


def _listed(deployed: Deployment, row: Row[Any], asking: set[str]) -> dict[str, Any]:
    told = {**told_of(row), "asking": row.run_id in asking}
    try:
        return {**told, **_view(deployed, row).summary()}
    except CognitoImportError:  # one folder that cannot be read hides no other run
        return {**told, "read": False, "unreadable": True}


def _row(session: Database, run: str) -> Row[Any]:
    row = private.find_run(session, DAG, run)
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such run.")
    return row


def _view(deployed: Deployment, row: Row[Any]) -> RunView:
    ended = row.end_date if str(row.state) in {"success", "failed"} else None
    settled = ended is not None and datetime.now(UTC) - ended > _SETTLED
    return RunView(deployed.folder(row.run_id), str(row.state), ended.isoformat() if ended else "", settled)
