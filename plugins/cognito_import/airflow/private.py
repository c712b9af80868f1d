"""What Airflow keeps to itself and this package uses all the same: nothing else here imports it.

Private is what Airflow's page "Public Interface of Airflow" does not list: its tables, how a task talks to its supervisor, whom
the API server lets in. A release may move it, so `tests/private_names.py` tries each function on every version that the package
runs on, and says what is gone.

Imports stand in the functions: DAG files, tasks, scheduler and API server need a part each, and none the others'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.models.dagrun import DagRun
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

TASK_MODULES: Final = (
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.sdk.api.client",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.request_handlers",
    "airflow.sdk.execution_time.schema.migrator",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
)
"""What Airflow imports in the process of each task."""

# DAG files


def name_task(task: Any, name: str, text: str) -> None:
    """Name and describe a task that exists; Airflow takes names and docs only when it makes one."""
    if task.is_mapped:
        task.partial_kwargs.update(task_display_name=name, doc_md=text)
    else:
        task._task_display_name, task.doc_md = name, text


# Tasks


def start_run(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
    """Start a run from inside a task, at once. Raises AirflowException."""
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

    order = TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf, logical_date=None)
    response = task_runner.SUPERVISOR_COMMS.send(order)
    if isinstance(response, ErrorResponse):
        message = f"Airflow did not start the run {run_id}: {response.error.value}."
        raise AirflowException(message)


# Processes that fork tasks


def is_job(component: object) -> bool:
    """Return whether a component that starts is one of Airflow's own, such as the scheduler, and not the process of a task."""
    return type(component).__module__ == "airflow.jobs.job"


def share_certificates() -> None:
    """Read the machine's certificates, as the first client of the API server does, for those that follow."""
    from airflow.sdk.api.client import Client

    Client(base_url="http://127.0.0.1", token="").close()


# The scheduler


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


# The API server: who asks


def signed_in() -> Any:
    """Return the FastAPI dependency on somebody who is signed in: the user, or 401."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends

    return Depends(get_user)


def may(method: Any, dag_id: str) -> Any:
    """Return the FastAPI dependency on somebody who may do that to the DAG's runs; others get 401 or 403."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends

    return Depends(requires_access_dag(method, DagAccessEntity.RUN, dag_id))


def is_allowed(user: Any, method: Any, entity: str, dag_id: str) -> bool:
    """Return whether the user may do that to the DAG's runs (`RUN`), questions (`HITL_DETAIL`) and so on."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    details = DagDetails(id=dag_id)
    return bool(
        get_auth_manager().is_authorized_dag(
            method=method, access_entity=DagAccessEntity[entity], details=details, user=user
        )
    )


# The API server: the database


def database() -> Any:
    """Return the FastAPI dependency on a session of the database."""
    from airflow.api_fastapi.common.db.common import SessionDep

    return get_args(SessionDep)[1]


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
    session: Session, dag_id: str, *, state: str, among: Collection[str] | None, text: str, offset: int, limit: int
) -> tuple[int, Sequence[Row[Any]]]:
    """Return how many runs there are and a page of them as in :func:`find_run`, the latest first.

    They are in the state, unless it is empty, and among these ids, unless that is None, and have the text in their id or in the
    name of their user.
    """
    from airflow.models.dagrun import DagRun
    from sqlalchemy import func, or_, select

    runs = _runs(dag_id)
    if state:
        runs = runs.where(DagRun.state == state)
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
