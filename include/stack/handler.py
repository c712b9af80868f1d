"""The Lambda function of the state machine: all that is decided or stored, done by the same code as Airflow's.

    {"action": "ingest", "input": INPUT, "execution": NAME, "state_machine": NAME}  ->  what the execution works with
    {"action": "acquire_lock", "run": NAME, "wait_for_slots": FLAG, "execution": ARN}   ->  whether it holds the lock
    {"action": "settle", "run": NAME, "execution": ARN, "before": TOLD}              ->  what it does next (next_step.Next)
    {"action": "begin_batch", "run", "round", "batch", "execution": ARN}             ->  the users that a child may call for
    {"action": "store_batch", "place": {"run", "round", "batch"}, "results", "closed", "gave_up", "slowed",
     "throttles", "slow_seconds"}                                                     ->  who is finished
    {"action": "report", "run": NAME, "send": FLAG, "kind": WORD, "detail": TEXT}    ->  what was reported
    {"action": "ended", "execution": ARN, "status": WORD}                            from EventBridge: it ended badly

INPUT is the execution's input: a request as in a DAG run's conf, or `{"run": NAME}` for a run folder that is filled
already, with `"adminemail": ADDRESS` beside it if its mails are to go elsewhere. `"report": false` beside either leaves
the report to the caller, and `"wait_for_slots": true` beside `run` waits for the sensor in Airflow that holds the pool's
slots. The settings come from the environment variable COGNITO_IMPORT, the same JSON as the Airflow Variable. Errors leave
the function as they are: their class becomes the state machine's error name, their text its cause. COGNITO_IMPORT_SECRET
names the secret with the temporary password, and COGNITO_IMPORT_LINK_SECRET the one with the key that signs links.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cognito_import import addresses
from cognito_import.engine import children, execution_lock, rounds
from cognito_import.engine.next_step import Next
from stack import environment, execution_input, reporting

JSON = dict[str, Any]

SETTLE_SECONDS = 600.0
"""For how long one call settles users; the function may take 890 s in all."""

logging.getLogger("cognito_import").setLevel(logging.INFO)


def handler(event: JSON, context: object = None) -> Any:  # noqa: ARG001 - Lambda passes a context
    """Do the event's action. No error leaves with an address in it: its text goes to a log and to a history."""
    shown: tuple[str, ...] = ()
    try:
        shown = (environment.settings().mail_from,)
        return _ACTIONS[event["action"]](event)
    except Exception as error:
        addresses.hide_in(error, shown)
        raise


def acquire_lock(event: JSON) -> bool:
    """Acquire the lock to make calls: see `execution_lock.acquire`. Raises RunFolderError and ExecutionError."""
    granted_by = environment.folder(event["run"]) if event["wait_for_slots"] else None
    bucket = environment.settings().report_bucket
    return execution_lock.acquire(
        environment.client("s3"), environment.client("stepfunctions"), bucket, event["execution"], granted_by=granted_by
    )


def settle(event: JSON) -> JSON:
    """Settle whom earlier calls may have reached, and say what the execution does next. Raises RunFolderError."""
    before = Next.from_dict(event["before"] or {})
    if not _has_lock(event["execution"]):  # redriven, and overtaken meanwhile
        return replace(before, step="lock").to_dict()
    told = rounds.settle(
        environment.folder(event["run"]),
        environment.settings(),
        environment.client("cognito-idp"),
        before,
        seconds=SETTLE_SECONDS,
    )
    # What a service said stays in the execution's history.
    return replace(told, detail=addresses.hidden(told.detail)).to_dict()


def begin_batch(event: JSON) -> JSON:
    """Return what a child works with; nobody if its execution no longer holds the lock. Raises RunFolderError."""
    nobody = not _has_lock(event["execution"])
    folder, settings = environment.folder(event["run"]), environment.settings()
    return children.begin_batch(folder, settings, event["batch"], event["round"], nobody=nobody)


def _has_lock(execution: str) -> bool:
    return execution_lock.holds(environment.client("s3"), environment.settings().report_bucket, execution)


def store_batch(event: JSON) -> list[int]:
    """Store what a child has done, and return the rows that it is not to call for any more. Raises RunFolderError."""
    place = event["place"]
    return children.store_batch(
        environment.folder(place["run"]),
        place["batch"],
        place["round"],
        event["results"],
        closed=event["closed"],
        gave_up=event["gave_up"],
        slowed=event["slowed"],
        throttles=event.get("throttles", 0),
        slow_seconds=event.get("slow_seconds", 0),
    )


_ACTIONS: dict[str, Callable[[JSON], Any]] = {
    "ingest": execution_input.ingest,
    "acquire_lock": acquire_lock,
    "settle": settle,
    "begin_batch": begin_batch,
    "store_batch": store_batch,
    "report": reporting.report,
    "ended": reporting.ended,
}
