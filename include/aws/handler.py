"""The Lambda function of the state machine: the steps around the import, done by the same code as Airflow's.

    {"action": "take_in", "input": INPUT, "execution": NAME, "state_machine": NAME}  ->  what the import needs to know
    {"action": "take_turn", "execution": ARN}                                        ->  whether it has its turn
    {"action": "report", "run": NAME, "kind": WORD, "detail": TEXT}                  ->  what was reported

INPUT is the execution's input: a request as in a DAG run's conf, or `{"run": NAME}` for a run folder that is filled
already; `"report": false` beside either leaves the report to the caller. The settings come from the environment
variable COGNITO_IMPORT, the same JSON as the Airflow Variable. Errors leave the function as they are: their class
becomes the state machine's error name, their text its cause.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3  # noqa: TID253 - the function's own module, never imported by a DAG

from cognito_import import approval, aws, batches, mail, turns
from cognito_import.delivery import deliver
from cognito_import.errors import RequestError
from cognito_import.intake import take_in as take_in_users
from cognito_import.pacing import longest_turn
from cognito_import.run_folder import TURN, Manifest, RunFolder, run_name
from cognito_import.settings import Settings
from cognito_import.values import kind

JSON = dict[str, Any]

ENGINE = "step_functions"
OWN_KEYS = ("run", "report")
LONGEST_GRACE = 120
"""Seconds. A child waits for no earlier worker longer than this: it has five minutes in all."""

logging.getLogger("cognito_import").setLevel(logging.INFO)


@cache
def settings() -> Settings:
    """Return the deployment's settings, for which this engine is the default one."""
    return replace(Settings.parse(os.environ["COGNITO_IMPORT"]), engine=ENGINE)


@cache
def s3() -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """Return the S3 client, which also signs the report's link."""
    return boto3.client("s3", config=aws.S3)


@cache
def ses() -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """Return the SES client."""
    return boto3.client("ses", config=aws.SES)


@cache
def step_functions() -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """Return the Step Functions client."""
    return boto3.client("stepfunctions", config=aws.STEP_FUNCTIONS)


def handler(event: JSON, context: object = None) -> Any:  # noqa: ANN401, ARG001 - an action's result; Lambda passes a context
    """Do the event's action."""
    return _ACTIONS[event["action"]](event)


def take_in(event: JSON) -> JSON:
    """Fill the run folder, or find it filled, and return what the import needs (see `_plan`).

    The folder's name derives from the execution's, so a redriven execution finds its own. Raises RequestError for an
    input that cannot be run; no user has been touched then.
    """
    request = event["input"]
    wants_report = True
    if isinstance(request, dict):
        wants_report = request.get("report", True)
        if not isinstance(wants_report, bool):
            message = f"'report' is {kind(wants_report)}; expected true or false."
            raise RequestError(message)
        if "run" in request:
            return _plan(*_existing(request), report=wants_report)
        request = {key: value for key, value in request.items() if key != "report"}
        if request.get("engine") not in (None, ENGINE):
            message = f"'engine' is not this one; expected {ENGINE!r} or nothing."
            raise RequestError(message)
    folder = _folder(run_name(event["state_machine"], event["execution"]))
    return _plan(folder, take_in_users(request, settings(), s3(), folder), report=wants_report)


def _existing(request: JSON) -> tuple[RunFolder, Manifest]:
    strange = sorted(set(request) - set(OWN_KEYS))
    if strange:
        message = f"{strange[0]!r} is given beside 'run'; expected nothing but 'report', since the run has its request."
        raise RequestError(message)
    if not isinstance(request["run"], str) or not request["run"]:
        message = f"'run' is {kind(request['run'])}; expected the name of a run."
        raise RequestError(message)
    folder = _folder(request["run"])
    manifest = folder.manifest()
    if manifest is None:
        message = f"'run' names no run: s3://{folder.bucket}/{folder.prefix} has no manifest."
        raise RequestError(message)
    asked = approval.read(folder) if manifest.jobtype == "delete" else None
    if asked and asked.answer != approval.APPROVED:
        message = f"'run' names a deletion whose approval stands at {asked.answer!r}; nobody is deleted without a yes."
        raise RequestError(message)
    return folder, manifest


def _plan(folder: RunFolder, manifest: Manifest, *, report: bool) -> JSON:
    """Return what the state machine works with: milliseconds since the epoch for moments, whole seconds for the rest.

    `pause` is the pace: Step Functions waits whole seconds only, so a fraction is rounded up. After `grace` a worker
    that has stored nothing is taken for gone. `seconds` after its turn has come an execution begins no further round:
    three times what the users take at the pace, and half an hour.
    """
    chosen = settings()
    pause = max(1, math.ceil(chosen.pacing_seconds))
    grace = batches.GRACE + longest_turn(1 + len(manifest.groups), chosen.pacing_seconds)
    seconds = 1_800 + 3 * manifest.users * pause / chosen.slots
    return {
        "run": folder.run,
        "jobtype": manifest.jobtype,
        "bucket": folder.bucket,
        "prefix": folder.prefix,
        "report": report,
        "users": manifest.users,
        "batches": len(manifest.batches),
        "user_pool_id": chosen.user_pool_id,
        "invite": chosen.invite,
        "slots": chosen.slots,
        "pause": pause,
        "grace": min(LONGEST_GRACE, math.ceil(grace)),
        "began": int(manifest.began_at.timestamp() * 1000),
        "seconds": math.ceil(seconds),
        "turn": TURN,
        "interrupted": batches.INTERRUPTED_MESSAGE,
    }


def take_turn(event: JSON) -> bool:
    """Take the turn to make calls; see `cognito_import.turns`. Raises RunFolderError and ExecutionError."""
    return turns.take(s3(), step_functions(), settings().report_bucket, event["execution"])


def send_report(event: JSON) -> JSON:
    """Make and mail the report of a run. Raises ReportError and RunFolderError; a retry touches no user.

    `kind` and `detail` say what befell the import, if anything did (see `mail.engine_note`).
    """
    what, detail = event.get("kind", ""), event.get("detail", "")
    delivery = deliver(
        _folder(event["run"]),
        settings(),
        s3(),
        ses(),
        credentials_end=None,  # a function's credentials do not tell; the mail says so
        now=datetime.now(UTC),
        note=mail.engine_note(what, detail, settings().locale) if what else "",
    )
    return {"run": event["run"], **asdict(delivery)}


def _folder(run: str) -> RunFolder:
    return RunFolder(s3(), settings().report_bucket, run)


_ACTIONS: dict[str, Callable[[JSON], Any]] = {"take_in": take_in, "take_turn": take_turn, "report": send_report}
