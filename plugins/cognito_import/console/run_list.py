"""The endpoint of the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, HTTPException, Query, status

from cognito_import.airflow import private
from cognito_import.airflow.context import APPROVAL, ASKING
from cognito_import.console import deployment
from cognito_import.console.access import DAG, NIGHTLY, Database, User
from cognito_import.console.airflow_runs import told, view_of
from cognito_import.console.inbox import files_of
from cognito_import.console.paging import Offset
from cognito_import.errors import CognitoImportError

if TYPE_CHECKING:
    from sqlalchemy import Row

    from cognito_import.console.deployment import Deployment

router = APIRouter()


@router.get("/runs")
def list_runs(  # noqa: PLR0913, PLR0917 - the query of an endpoint
    session: Database,
    user: User,
    state: str = "",
    job: str = "",
    night: str = "",
    q: str = "",
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> dict[str, Any]:
    """Return runs, the latest first, with their counts: those in a state, of a job, of a night, or in whose names `q` stands."""
    deployed = deployment.current()
    waiting = private.waiting_runs(session, DAG, APPROVAL, ASKING)
    among = waiting if state == "asking" else None
    if night:
        if not private.is_allowed(user, "GET", "RUN", NIGHTLY):
            raise HTTPException(status.HTTP_403_FORBIDDEN, "You may not read the runs of the nightly import.")
        started = {run for _, run in files_of(session, [night])[night]}
        among = started if among is None else among & started
    total, found = private.find_runs(
        session,
        DAG,
        state="" if state == "asking" else state,
        job=job,
        among=among,
        text=q.strip(),
        offset=offset,
        limit=limit,
    )
    session.commit()  # S3 is read without holding a connection of the database
    return {"total": total, "runs": [_listed(deployed, row, waiting) for row in found]}


def _listed(deployed: Deployment, row: Row[Any], waiting: set[str]) -> dict[str, Any]:
    shown = {**told(row), "asking": row.run_id in waiting}
    try:
        return {**shown, **view_of(deployed, row).summary()}
    except CognitoImportError:  # one folder that cannot be read hides no other run
        return {**shown, "read": False, "unreadable": True}
