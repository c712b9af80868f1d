"""Parse a folder of DAG files as the DAG processor does, and print as JSON what the policy tests look at."""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag

before = set(sys.modules)
bag = DagBag(sys.argv[1])


def field(task: Any, name: str) -> Any:
    """A task's field, wherever a mapped task keeps it."""
    return task.partial_kwargs.get(name) if task.is_mapped else getattr(task, name)


def describe(task: Any) -> dict[str, Any]:
    """What the policy says of a task."""
    return {
        "owner": task.owner,
        "retries": field(task, "retries"),
        "timeout": field(task, "execution_timeout") is not None,
        "pool": task.pool,
        "upstream": sorted(task.upstream_task_ids),
        "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "doc": bool(task.doc_md or getattr(task, "python_callable", task).__doc__),
    }


dags = {
    dag.dag_id: {
        "file": dag.fileloc.rpartition("/")[2],
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "timeout": dag.dagrun_timeout is not None,
        "active": dag.max_active_tasks,
        "params": {
            name: {"schema": dag.params.get_param(name).schema, "text": dag.params.get_param(name).description}
            for name in dag.params
        },
        "tasks": {task.task_id: describe(task) for task in dag.tasks},
    }
    for dag in bag.dags.values()
}
heavy = sorted({"pandas", "boto3", "botocore"} & (set(sys.modules) - before))
print("PARSED" + json.dumps({"errors": bag.import_errors, "heavy": heavy, "dags": dags}, default=str))
