"""What Airflow's tables hold: pools, runs, tasks, and what these have pushed. For scheduler and API server, never for a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from airflow.models.dagrun import DagRun
    from sqlalchemy import Row
    from sqlalchemy.orm import Session


def slots_or_new_pool(name: str, slots: int, description: str) -> int | None:
    """Return how many slots the pool has, below 0 if it is endless, or make it and return None."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        found = pool_slots(session, name)
        if found is None:
            Pool.create_or_update_pool(
                name, slots=slots, description=description, include_deferred=True, session=session
            )
    return found


def pushed_by(dag_run: DagRun, tasks: Collection[str], key: str) -> dict[str, Any]:
    """Return by task what tasks of the run have pushed under `key`.

    Read in the session that holds the run: the scheduler has its row locked, so another session would wait for ever.
    """
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return {}
    wanted = select(XComModel.task_id, XComModel.value).where(
        XComModel.dag_id == dag_run.dag_id,
        XComModel.run_id == dag_run.run_id,
        XComModel.key == key,
        XComModel.task_id.in_(tasks),
    )
    return {row.task_id: XComModel.deserialize_value(row) for row in session.execute(wanted)}


def set_note(dag_run: DagRun, note: str) -> None:
    """Give the run a note, in its own session; its author stays who it is."""
    if dag_run.dag_run_note is None:
        dag_run.note = note
    else:
        dag_run.dag_run_note.content = note


def pool_slots(session: Session, name: str) -> int | None:
    """Return how many slots the pool has, below 0 if it is endless, or None if there is no such pool."""
    from airflow.models.pool import Pool

    pool = Pool.get_pool(name, session=session)
    return pool.slots if pool else None


def waiting_runs(session: Session, dag_id: str, task_id: str, states: Collection[str]) -> set[str]:
    """Return the ids of the runs whose task is in one of the states."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    wanted = (TaskInstance.dag_id == dag_id, TaskInstance.task_id == task_id, TaskInstance.state.in_(states))
    return set(session.scalars(select(TaskInstance.run_id).where(*wanted)))


def task_state(session: Session, dag_id: str, run_id: str, task_id: str) -> str | None:
    """Return the state of a run's task, or None if it has none."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    wanted = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
    return session.scalar(select(TaskInstance.state).where(*wanted))


def find_run(session: Session, dag_id: str, run_id: str) -> Row[Any] | None:
    """Return one run: `run_id`, `state`, `triggering_user_name`, `run_after`, `start_date` and `end_date`."""
    from airflow.models.dagrun import DagRun

    return session.execute(_runs(dag_id).where(DagRun.run_id == run_id)).one_or_none()


def find_runs(  # noqa: PLR0913 - what a list of runs can be asked for
    session: Session,
    dag_id: str,
    *,
    state: str,
    among: Collection[str] | None,
    text: str,
    offset: int,
    limit: int,
    job: str = "",
) -> tuple[int, Sequence[Row[Any]]]:
    """Return how many runs there are and a page of them as in :func:`find_run`, the latest first.

    They are in the state, unless it is empty, were asked for the job (its type or `undo`), unless it is empty, are among these
    ids, unless that is None, and have the text in their id or in the name of their user.
    """
    from airflow.models.dagrun import DagRun
    from sqlalchemy import func, or_, select

    runs = _runs(dag_id)
    if state:
        runs = runs.where(DagRun.state == state)
    if job:
        conf: Any = DagRun.conf  # the database looks into it, nobody else
        asked = func.coalesce(conf["jobtype"].as_string(), "import")
        undone = conf["undo"].as_string().is_not(None)
        runs = runs.where(undone if job == "undo" else (asked == job) & ~undone)
    if among is not None:
        runs = runs.where(DagRun.run_id.in_(among))
    if text:
        columns = (DagRun.run_id, DagRun.triggering_user_name)
        runs = runs.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    total = session.scalar(select(func.count()).select_from(runs.subquery()))
    return total or 0, session.execute(runs.order_by(DagRun.id.desc()).offset(offset).limit(limit)).all()


def _runs(dag_id: str) -> Any:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select

    return select(  # never `conf`: it may hold a list of users
        DagRun.run_id,
        DagRun.state,
        DagRun.triggering_user_name,
        DagRun.run_after,
        DagRun.start_date,
        DagRun.end_date,
    ).where(DagRun.dag_id == dag_id)


def schedule(session: Session, dag_id: str) -> tuple[bool, datetime | None] | None:
    """Return whether the DAG is paused, and when its next run begins; None if there is no such DAG."""
    from airflow.models.dag import DagModel
    from sqlalchemy import select

    wanted = select(DagModel.is_paused, DagModel.next_dagrun_create_after).where(DagModel.dag_id == dag_id)
    row = session.execute(wanted).one_or_none()
    return None if row is None else (row.is_paused, row.next_dagrun_create_after)


def pushed_by_each(
    session: Session, dag_id: str, runs: Sequence[str], task_id: str, key: str
) -> dict[str, list[tuple[str | None, Any]]]:
    """Return, by run, each instance of a mapped task in its order: its name, and what it has pushed under `key`, or None."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from sqlalchemy import and_, select

    columns: Any = (TaskInstance.run_id, TaskInstance.rendered_map_index, XComModel.value)
    names = ("dag_id", "task_id", "run_id", "map_index")
    same = (getattr(XComModel, name) == getattr(TaskInstance, name) for name in names)
    wanted = (
        select(*columns)
        .outerjoin(XComModel, and_(*same, XComModel.key == key))
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.task_id == task_id,
            TaskInstance.map_index >= 0,
            TaskInstance.run_id.in_(runs),
        )
        .order_by(TaskInstance.map_index)
    )
    found: dict[str, list[tuple[str | None, Any]]] = {run: [] for run in runs}
    for row in session.execute(wanted):
        found[row.run_id].append((row.rendered_map_index, XComModel.deserialize_value(row)))
    return found
