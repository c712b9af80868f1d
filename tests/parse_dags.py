"""Parse a folder of DAG files as the DAG processor does, and print as JSON what the policy tests look at."""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag

before = set(sys.modules)
bag = DagBag(sys.argv[1])


def field(task: Any, name: str) -> Any:
    """Return a task's field, wherever a mapped task keeps it."""
    return task.partial_kwargs.get(name) if task.is_mapped else getattr(task, name)


def retry_seconds(task: Any) -> float:
    """Return how long a task's retries last at least, if each attempt fails at once."""
    delay, most = field(task, "retry_delay"), field(task, "max_retry_delay")
    factor = field(task, "retry_exponential_backoff") or 1
    delays = (delay.total_seconds() * factor**number for number in range(field(task, "retries")))
    return sum(min(one, most.total_seconds()) if most else one for one in delays)


def describe(task: Any) -> dict[str, Any]:
    """Return what the policy says of a task."""
    return {
        "owner": task.owner,
        "retries": field(task, "retries"),
        "timeout": field(task, "execution_timeout") and field(task, "execution_timeout").total_seconds(),
        "pool": task.pool,
        "slots": task.pool_slots,
        "mode": getattr(task, "mode", None),
        "classes": [one.__name__ for one in getattr(task, "operator_class", type(task)).__mro__],
        "links": [link.name for link in task.operator_extra_links],
        "teardown": task.is_teardown,
        "fails_run": task.on_failure_fail_dagrun,
        "seconds_of_retries": retry_seconds(task),
        "upstream": sorted(task.upstream_task_ids),
        "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "name": task.task_display_name,
        "doc": field(task, "doc_md") or getattr(task, "python_callable", task).__doc__,
    }


dags = {
    dag.dag_id: {
        "file": dag.fileloc.rpartition("/")[2],
        "name": dag.dag_display_name,
        "description": dag.description,
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "paused": dag.is_paused_upon_creation,
        "timeout": dag.dagrun_timeout is not None,
        "active": dag.max_active_tasks,
        "active_runs": dag.max_active_runs,
        "params": {
            name: {"schema": dag.params.get_param(name).schema, "text": dag.params.get_param(name).description}
            for name in dag.params
        },
        "tasks": {task.task_id: describe(task) for task in dag.tasks},
    }
    for dag in bag.dags.values()
}
heavy = sorted({"pandas", "boto3", "botocore", "cognito_import.records"} & (set(sys.modules) - before))
print("PARSED" + json.dumps({"errors": bag.import_errors, "heavy": heavy, "dags": dags}, default=str))
