"""What Airflow's tables say of the nights: a part of `private`, as private as all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session


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
