"""The Airflow plugin: sees to it that the pool of the imports exists."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

POOL: Final = "cognito_api"
SLOTS: Final = 20
DAGS: Final = frozenset({"cognito_import"})

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - the hook's signature
    """Make the pool if it is missing, and say so: without it Airflow would leave the import's tasks waiting for ever.

    Runs in the scheduler, the one place of a running import that may read the pools.
    """
    if dag_run.dag_id not in DAGS:
        return
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        if Pool.get_pool(POOL, session=session) is not None:
            return
        Pool.create_or_update_pool(
            POOL,
            slots=SLOTS,
            description="Calls to Amazon Cognito: one slot makes one call a second in each quota category.",
            include_deferred=True,
            session=session,
        )
    log.warning(
        "The pool %r was missing, so the import would have waited for ever; made it with %d slots.", POOL, SLOTS
    )


class CognitoImportPlugin(AirflowPlugin):
    """Registers the listener above."""

    name = "cognito_import"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - as the base class declares it
