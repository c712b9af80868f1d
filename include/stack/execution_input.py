"""What an execution is given: a request, or the name of a run whose folder is filled already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cognito_import.engine.pace import children
from cognito_import.errors import NotApprovedError, PreflightError, RequestError, SettingsError
from cognito_import.request.model import administrator
from cognito_import.run import approval
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import Manifest, run_name
from cognito_import.values import describe_type
from stack import environment

JSON = dict[str, Any]

OWN_KEYS = ("run", "report", "wait_for_slots")


def ingest(event: JSON) -> JSON:
    """Fill the run folder, or find it filled, check that AWS is ready, and return what the execution works with.

    The folder's name derives from the execution's, so a redriven execution finds its own. Raises RequestError for an
    input that cannot be run, PreflightError, and NotReadyError where AWS could not be asked; no user has been touched then.
    """
    from cognito_import import preflight
    from cognito_import.ingest import ingest_request

    request = event["input"]
    own = {key: request[key] for key in OWN_KEYS if key in request} if isinstance(request, dict) else {}
    for key in OWN_KEYS[1:]:
        if not isinstance(own.get(key, True), bool):
            message = f"{key!r} is {describe_type(own[key])}; expected true or false."
            raise RequestError(message)
    if "run" in own:
        folder, manifest = _existing(request)
    else:
        folder = environment.folder(run_name(event["execution"], event["state_machine"]))
        # Whoever may start executions may delete users: there is nobody to ask.
        unasked = replace(environment.settings(), approve_deletions=False, approve_disabling=False)
        asked = _without_own_keys(request)
        manifest = ingest_request(
            asked, unasked, environment.client("s3"), folder, cognito=environment.client("cognito-idp")
        )
    cognito, s3, ses, sesv2, cloudwatch = map(environment.client, ("cognito-idp", "s3", "ses", "sesv2", "cloudwatch"))
    clients = preflight.Clients(cognito, s3, ses, step_functions=None, sesv2=sesv2, cloudwatch=cloudwatch)
    try:
        manifest.raise_if_differs(environment.settings(), in_function=True)
        preflight.check(manifest, environment.settings(), clients, None, rows=folder.all_rows(), folder=folder)
    except (PreflightError, SettingsError) as error:
        folder.reject(str(error))  # for whoever reports the run
        raise
    folder.withdraw_rejection()
    return {
        "run": folder.run,
        "bucket": folder.bucket,
        "slots": children(environment.settings(), folder),
        "report": own.get("report", True),
        "wait_for_slots": own.get("wait_for_slots", False),
    }


def _without_own_keys(request: object) -> object:
    if not isinstance(request, dict):
        return request
    if request.get("engine") not in (None, environment.ENGINE):
        message = f"'engine' is not this one; expected {environment.ENGINE!r} or nothing."
        raise RequestError(message)
    return {key: value for key, value in request.items() if key not in OWN_KEYS}


def _existing(request: JSON) -> tuple[RunFolder, Manifest]:
    beside = (*OWN_KEYS[1:], "adminemail")
    strange = sorted(set(request) - {"run", *beside})
    if strange:
        message = f"{strange[0]!r} is given beside 'run'; expected only {', '.join(beside)}: the run has its request."
        raise RequestError(message)
    if not isinstance(request["run"], str) or not request["run"]:
        message = f"'run' is {describe_type(request['run'])}; expected the name of a run."
        raise RequestError(message)
    corrected = administrator(request["adminemail"], environment.settings()) if "adminemail" in request else None
    folder = environment.folder(request["run"])
    manifest = folder.manifest()
    if manifest is None:
        message = f"'run' names no run: s3://{folder.bucket}/{folder.prefix} has no manifest."
        raise RequestError(message)
    try:
        approval.require(folder)
    except NotApprovedError as error:
        message = f"'run' names a run that nobody may be called for: {error}"
        raise RequestError(message) from error
    if corrected:
        folder.correct_adminemail(corrected)
    return folder, folder.required_manifest()
