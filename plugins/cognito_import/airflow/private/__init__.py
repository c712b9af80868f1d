"""What Airflow keeps to itself and this package uses all the same: nothing else here imports it.

Private is what Airflow's page "Public Interface of Airflow" does not list: its tables, how a task talks to its supervisor, whom
the API server lets in. A release may move it, so `tests/private_names.py` tries each function on every version that the package
runs on, and says what is gone.

Imports stand in the functions: DAG files, tasks, scheduler and API server need a part each, and none the others'.
"""

from __future__ import annotations

from cognito_import.airflow.private.processes import TASK_MODULES, is_job, name_task, share_certificates, start_run
from cognito_import.airflow.private.server import database, is_allowed, may, signed_in
from cognito_import.airflow.private.tables import (
    find_run,
    find_runs,
    pool_slots,
    pushed_by,
    pushed_by_each,
    schedule,
    set_note,
    slots_or_new_pool,
    task_state,
    waiting_runs,
)

__all__ = [
    "TASK_MODULES",
    "database",
    "find_run",
    "find_runs",
    "is_allowed",
    "is_job",
    "may",
    "name_task",
    "pool_slots",
    "pushed_by",
    "pushed_by_each",
    "schedule",
    "set_note",
    "share_certificates",
    "signed_in",
    "slots_or_new_pool",
    "start_run",
    "task_state",
    "waiting_runs",
]
