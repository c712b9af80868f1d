"""Registers with Airflow what `cognito_import.airflow` holds."""

from __future__ import annotations

import sys

from airflow.plugins_manager import AirflowPlugin

from cognito_import.airflow import listener
from cognito_import.airflow.import_ahead import import_ahead
from cognito_import.airflow.run_names import NamedRuns
from cognito_import.console.mount import APP, VIEWS

if "celery" in sys.argv and "worker" in sys.argv:
    # No component starts in a Celery worker. Where its configuration names this module among its `imports` (airflow.env does),
    # the worker imports it, and sends this signal, before it forks; elsewhere the line does nothing.
    from celery.signals import worker_init

    worker_init.connect(import_ahead, weak=False)


class CognitoImportPlugin(AirflowPlugin):
    """Names runs, makes the imports' pool, notes on each run what became of its users, speeds up tasks, and adds the page."""

    name = "cognito_import"
    timetables = [NamedRuns]  # noqa: RUF012 - as the base class declares it
    listeners = [listener]  # noqa: RUF012 - as the base class declares it
    fastapi_apps = [APP]  # noqa: RUF012 - as above
    external_views = VIEWS
