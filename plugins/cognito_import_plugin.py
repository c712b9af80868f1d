"""The Airflow plugin: sees to it that the pool of the imports exists, and that their tasks start quickly."""

from __future__ import annotations

import gc
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Final

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from cognito_import_airflow import POOL, POOL_SLOTS

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

DAGS: Final = frozenset({"cognito_import"})

FORKED_WITH: Final = (
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.standard.decorators.branch_python",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.api.client",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.request_handlers",
    "airflow.sdk.execution_time.schema.migrator",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "cognito_import.approval",
    "cognito_import.batches",
    "cognito_import.delivery",
    "cognito_import.intake",
    "cognito_import.preflight",
    "cognito_import.user_pool",
    "cognito_import_airflow",
    "cognito_import_approval",
    "cognito_import_execution",
    "boto3.s3.inject",
    "encodings.idna",
    "jinja2.ext",
    "pandas",
)
"""What a task of an import needs before its first call: about two seconds of a core if each has to import it."""

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: object) -> None:
    """Import what tasks need before LocalExecutor forks its workers, so that twenty tasks need not each do it."""
    from airflow.configuration import conf

    # Each task process starts as a component, too, with the command line of the scheduler that it was forked from.
    is_job = type(component).__module__ == "airflow.jobs.job"
    if is_job and "scheduler" in sys.argv and "LocalExecutor" in conf.get("core", "executor"):
        import_ahead()


def import_ahead(**_: object) -> None:
    """Import what tasks need, in a process that is about to fork them. Never fails."""
    for module in FORKED_WITH:
        try:
            importlib.import_module(module)
        except ImportError:  # no task is worse off than without
            log.warning("%s cannot be imported ahead of the tasks.", module, exc_info=True)
    from airflow.sdk.api.client import Client

    from cognito_import_airflow import read_ahead

    # The first client reads the machine's certificates, and those that follow share them.
    Client(base_url="http://127.0.0.1", token="").close()
    read_ahead()
    # What is here already is nothing for the forked processes to clean up, so they leave its memory shared.
    gc.freeze()
    log.info("Imported ahead what the tasks of an import need.")


if "celery" in sys.argv and "worker" in sys.argv:
    # No component starts in a Celery worker. Where its configuration names this module among its `imports` (airflow.env does),
    # the worker imports it, and sends this signal, before it forks; elsewhere the line does nothing.
    from celery.signals import worker_init

    worker_init.connect(import_ahead, weak=False)


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - the hook's signature
    """Make the pool if it is missing, and say so, or that it is too small: Airflow would leave tasks waiting for ever.

    Runs in the scheduler, the one place of a running import that may read the pools.
    """
    if dag_run.dag_id not in DAGS:
        return
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        pool = Pool.get_pool(POOL, session=session)
        if pool is None:
            Pool.create_or_update_pool(
                POOL,
                slots=POOL_SLOTS,
                description="Calls to Amazon Cognito: one slot makes one call a second in each quota category.",
                include_deferred=True,
                session=session,
            )
            log.warning(
                "The pool %r was missing, so the import would have waited for ever; made it with %d slots.",
                POOL,
                POOL_SLOTS,
            )
        elif 0 <= pool.slots < POOL_SLOTS:
            log.error(
                "The pool %r has %d slots, and an execution of the state machine waits for ever for %d: set the environment "
                "variable COGNITO_IMPORT_POOL_SLOTS to %d for all components, or give the pool more slots.",
                POOL,
                pool.slots,
                POOL_SLOTS,
                pool.slots,
            )


class CognitoImportPlugin(AirflowPlugin):
    """Registers the listener above."""

    name = "cognito_import"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - as the base class declares it
