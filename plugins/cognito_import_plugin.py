"""Registers with Airflow what `cognito_import.airflow` holds."""

from __future__ import annotations

import sys

from airflow.plugins_manager import AirflowPlugin

from cognito_import.airflow import listener
from cognito_import.airflow.import_ahead import import_ahead
from cognito_import.airflow.run_names import NamedRuns

if "celery" in sys.argv and "worker" in sys.argv:
    # No component starts in a Celery worker. Where its configuration names this module among its `imports` (airflow.env does),
    # the worker imports it, and sends this signal, before it forks; elsewhere the line does nothing.
    from celery.signals import worker_init

    worker_init.connect(import_ahead, weak=False)


class CognitoImportPlugin(AirflowPlugin):
    """Names runs, makes the imports' pool, notes on each run what became of its users, and has tasks start quickly."""

    name = "cognito_import"
    timetables = [NamedRuns]  # noqa: RUF012 - as the base class declares it
    listeners = [listener]  # noqa: RUF012 - as the base class declares it
