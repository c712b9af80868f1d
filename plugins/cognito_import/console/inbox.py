"""Endpoints of the inbox: what waits, what was processed or failed and why, and which runs came of which night.

Counts are for everybody who may read runs, the names of files for those who may see addresses.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query

from cognito_import.airflow import private
from cognito_import.airflow.context import APPROVAL, ASKING
from cognito_import.console import deployment
from cognito_import.console.access import DAG, NIGHTLY, Database, Starter, User, allowed, may_read_nights
from cognito_import.console.airflow_runs import told
from cognito_import.console.inbox_view import InboxView, Kind
from cognito_import.console.paging import Limit, Offset
from cognito_import.settings import Locale

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NIGHTS: Final = 10

_FILE_TASK: Final = "file.import_file"
_RUN_KEY: Final = "trigger_run_id"
"""Where the operator of the task leaves the id of the run that it has started."""

router = APIRouter(prefix="/inbox")


@router.get("")
def overview(user: User, starter: Starter) -> dict[str, Any]:
    """Return where the inbox is, how many files lie in it, and what the user may do with it."""
    deployed = deployment.current()
    settings = deployed.settings
    return {
        "inbox": settings.inbox,
        "quiet_seconds": settings.inbox_quiet_seconds,
        "addresses": deployed.shows_addresses(starter=starter),
        "may_import": allowed(user, "POST", dag=NIGHTLY),
        "counts": InboxView(deployed.s3, settings).counts() if settings.inbox else None,
    }


@router.get("/files")
def files(  # noqa: PLR0913, PLR0917 - the query of an endpoint
    session: Database,
    starter: Starter,
    kind: Kind,
    q: str = "",
    offset: Offset = 0,
    limit: Limit = 20,
    lang: Locale = "en",
) -> dict[str, Any]:
    """Return a page of the files of a kind in whose names `q` stands, each with its run."""
    deployed = deployment.current_with_addresses(starter=starter)
    view = InboxView(deployed.s3, deployed.settings)
    total, found = view.page(kind, q, offset, limit)
    runs = _runs(session, [file.run_id or "" for file in found])
    session.commit()  # S3 is read without holding a connection of the database
    return {"total": total, "rows": [{**view.told(file, lang), "run": runs.get(file.run_id or "")} for file in found]}


@router.get("/nights", dependencies=[may_read_nights])
def nights(
    session: Database, offset: Offset = 0, limit: Annotated[int, Query(ge=1, le=MAX_NIGHTS)] = MAX_NIGHTS
) -> dict[str, Any]:
    """Return nights, the latest first, with what became of the runs of their files; and when the next one is."""
    total, rows = private.find_runs(session, NIGHTLY, state="", among=None, text="", offset=offset, limit=limit)
    files = files_of(session, [row.run_id for row in rows])
    runs = _runs(session, [run for files in files.values() for _, run in files])
    paused, begins = private.schedule(session, NIGHTLY) or (None, None)
    return {
        "total": total,
        "nights": [
            {**told(row), "runs": Counter(_state(runs.get(run)) for _, run in files[row.run_id])} for row in rows
        ],
        "paused": paused,
        "next": begins.isoformat() if begins else None,
    }


@router.get("/night", dependencies=[may_read_nights])
def night(session: Database, starter: Starter, run: str, offset: Offset = 0, limit: Limit = 20) -> dict[str, Any]:
    """Return a page of one night's files in their order, each with its run."""
    settings = deployment.current_with_addresses(starter=starter).settings
    found = files_of(session, [run])[run]
    page = found[offset : offset + limit]
    runs = _runs(session, [one for _, one in page])
    prefix = (settings.inbox or "").removeprefix("s3://").partition("/")[2]
    rows = [{"name": (key or "").removeprefix(prefix), "run": runs.get(one)} for key, one in page]
    return {"total": len(found), "rows": rows}


def files_of(session: Database, nights: Sequence[str]) -> dict[str, list[tuple[str | None, str]]]:
    """Return the files of each night: their keys, and the ids of the runs that were started, empty before that."""
    pushed = private.pushed_by_each(session, NIGHTLY, nights, _FILE_TASK, _RUN_KEY)
    return {
        night: [(key, run if isinstance(run, str) else "") for key, run in files] for night, files in pushed.items()
    }


def _runs(session: Database, runs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return of each of the runs that there are its state, by its id."""
    if not any(runs):
        return {}
    asking = private.waiting_runs(session, DAG, APPROVAL, ASKING)
    _, found = private.find_runs(session, DAG, state="", among=runs, text="", offset=0, limit=len(runs))
    return {row.run_id: {"run": row.run_id, "state": str(row.state), "asking": row.run_id in asking} for row in found}


def _state(run: dict[str, Any] | None) -> str:
    """Return the state of a run as it is counted, `none` for a file that has none yet."""
    return "none" if run is None else "asking" if run["asking"] else run["state"]
