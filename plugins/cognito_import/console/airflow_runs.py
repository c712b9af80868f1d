"""The runs of the DAG as Airflow has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException, status

from cognito_import.airflow import private
from cognito_import.console.access import DAG
from cognito_import.console.views import RunView

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from cognito_import.console.deployment import Deployment

ENDED: Final = frozenset({"success", "failed"})
_SETTLED: Final = timedelta(minutes=15)


def told(row: Row[Any]) -> dict[str, Any]:
    """Return what Airflow says of a run."""
    moments = {name: getattr(row, name) for name in ("run_after", "start_date", "end_date")}
    shown = {name: moment.isoformat() if moment else None for name, moment in moments.items()}
    return {"run": row.run_id, "state": str(row.state), "started_by": row.triggering_user_name, **shown}


def find(session: Session, run: str) -> Row[Any]:
    """Return a run of the DAG. Raises HTTPException."""
    row = private.find_run(session, DAG, run)
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such run.")
    return row


def view_of(deployed: Deployment, row: Row[Any]) -> RunView:
    """Return the view of a run's folder."""
    ended = row.end_date if str(row.state) in ENDED else None
    settled = ended is not None and datetime.now(UTC) - ended > _SETTLED
    return RunView(deployed.folder(row.run_id), str(row.state), ended.isoformat() if ended else "", settled)
