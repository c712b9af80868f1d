"""A DAG to try the local Airflow with: mapped tasks that fail, leave state behind and wait as the conf asks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task


@task
def numbers() -> list[int]:
    """As many numbers as the conf's `count`."""
    return list(range(get_current_context()["params"]["count"]))


@task(pool="cognito_api")
def double(number: int) -> int:
    """Twice a number; fails for the conf's `fails`, and waits while the conf's file `until` is missing."""
    context: Any = get_current_context()
    context["task_state_store"].set("number", {"is": number})
    params = context["params"]
    while params["until"] and not Path(params["until"]).exists():
        time.sleep(0.1)
    if number == params["fails"]:
        message = f"{number} was to fail"
        raise ValueError(message)
    return 2 * number


with DAG("tried_out", schedule=None, params={"count": 3, "fails": -1, "until": ""}):
    double.expand(number=numbers())
