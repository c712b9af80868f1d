"""Reacts to Airflow's events: creates the imports' pool, and writes what became of the users into each run's note."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Final

from airflow.listeners import hookimpl

from cognito_import.airflow.context import NOTE, POOL, POOL_SLOTS
from cognito_import.airflow.import_ahead import import_ahead
from cognito_import.airflow.private import is_job, pushed_by, set_note, slots_or_new_pool

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun  # noqa: TID251 - the type of what the hooks get

DAGS: Final = frozenset({"cognito_import"})

_MAX_NOTE_LENGTH: Final = 1_000
"""Characters, the size of the column."""
_OURS: Final = re.compile(r"^.*; run \S+(?:; report s3://\S+)?$", re.MULTILINE)
"""What an earlier end of the run has noted."""

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: object) -> None:
    """Import what tasks need before LocalExecutor forks its workers, so that twenty tasks need not each do it."""
    from airflow.sdk import conf

    # Each task process starts as a component, too, with the command line of the scheduler that it was forked from.
    if is_job(component) and "scheduler" in sys.argv and "LocalExecutor" in conf.get("core", "executor"):
        import_ahead()


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - the hook's signature
    """Make the pool if it is missing, and say so, or that its slots are not as many as expected.

    Runs in the scheduler, the one place of a running import that may read the pools.
    """
    if dag_run.dag_id not in DAGS:
        return
    slots = slots_or_new_pool(
        POOL, POOL_SLOTS, "Calls to Amazon Cognito: one slot makes one call a second in each quota category."
    )
    if slots is None:
        log.warning(
            "The pool %r was missing, so the import would have waited for ever; made it with %d slots.",
            POOL,
            POOL_SLOTS,
        )
    elif slots != POOL_SLOTS:
        log.error(
            "The pool %r %s where %d are expected, so %s: give it %d, or set the environment variable "
            "COGNITO_IMPORT_POOL_SLOTS and the setting 'slots' to what it has.",
            POOL,
            "is endless" if slots < 0 else f"has {slots} slots",
            POOL_SLOTS,
            "an execution of the state machine waits for ever"
            if 0 <= slots < POOL_SLOTS
            else "more calls are made than the pace counts with",
            POOL_SLOTS,
        )


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - the hook's signature
    """Show in the list of runs what became of the users: a run is a success although some failed."""
    _note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - the hook's signature
    """Show in the list of runs what became of the users, if they were reported."""
    _note(dag_run)


def _note(dag_run: DagRun) -> None:
    """Note what `report`, or after it `finish`, has reported. What a person wrote stays, ahead of it."""
    if dag_run.dag_id not in DAGS:
        return
    reported = pushed_by(dag_run, ("report", "finish"), NOTE)
    line = reported.get("finish") or reported.get("report")
    if not isinstance(line, str):  # nothing was reported, or a backend of its own stores the XComs
        return
    written = _OURS.sub("", dag_run.note or "").rstrip()
    note = f"{written}\n\n{line}" if written else line
    if len(note) <= _MAX_NOTE_LENGTH and note != dag_run.note:
        set_note(dag_run, note)
