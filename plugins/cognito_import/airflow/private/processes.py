"""How DAG files are made, and what runs a task."""

from __future__ import annotations

from typing import Any, Final

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


def name_task(task: Any, name: str, text: str) -> None:
    """Name and describe a task that exists; Airflow takes names and docs only when it makes one."""
    if task.is_mapped:
        task.partial_kwargs.update(task_display_name=name, doc_md=text)
    else:
        task._task_display_name, task.doc_md = name, text


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


def is_job(component: object) -> bool:
    """Return whether a component that starts is one of Airflow's own, such as the scheduler, and not the process of a task."""
    return type(component).__module__ == "airflow.jobs.job"


def share_certificates() -> None:
    """Read the machine's certificates, as the first client of the API server does, for those that follow."""
    from airflow.sdk.api.client import Client

    Client(base_url="http://127.0.0.1", token="").close()
