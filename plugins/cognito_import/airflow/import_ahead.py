"""Imports what tasks need in a process that forks them, so that each of twenty tasks starts without doing it."""

from __future__ import annotations

import gc
import importlib
import logging
import multiprocessing
from typing import Final

from cognito_import.airflow.private import TASK_MODULES, share_certificates

FORKED_WITH: Final = (
    *TASK_MODULES,
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.standard.decorators.branch_python",
    "airflow.providers.standard.decorators.python",
    "airflow.timetables.simple",
    "cognito_import.run.approval",
    "cognito_import.engine.batches",
    "cognito_import.report.ending",
    "cognito_import.ingest",
    "cognito_import.preflight",
    "cognito_import.engine.execution_lock",
    "cognito_import.engine.user_pool",
    "cognito_import.airflow.context",
    "cognito_import.airflow.approval",
    "cognito_import.airflow.executions",
    "cognito_import.airflow.steps",
    "boto3.s3.inject",
    "encodings.idna",
    "jinja2.ext",
    "pandas",
)
"""What a task of an import needs before its first call: about two seconds of a core if each has to import it."""

log = logging.getLogger(__name__)


def tasks_are_forked() -> bool:
    """Return whether this process forks its tasks. Otherwise what it imports for them is wasted memory."""
    from airflow.sdk import conf

    return (
        multiprocessing.get_start_method() == "fork"
        and conf.get("celery", "pool", fallback="prefork") == "prefork"
        and not conf.getboolean("core", "execute_tasks_new_python_interpreter")  # as MWAA does
    )


def import_ahead(**_: object) -> None:
    """Import what tasks need, in a process that is about to fork them. Never fails."""
    if not tasks_are_forked():
        return
    for module in FORKED_WITH:
        try:
            importlib.import_module(module)
        except ImportError as error:  # other versions of Airflow lack some; no task is worse off than without
            log.info("%s cannot be imported ahead of the tasks: %s", module, error)
    from cognito_import.airflow.context import read_ahead

    share_certificates()
    read_ahead()
    # What is here already is nothing for the forked processes to clean up, so they leave its memory shared.
    gc.freeze()
    log.info("Imported ahead what the tasks of an import need.")
