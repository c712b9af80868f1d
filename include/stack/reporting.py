"""What is reported of an execution: at its end, or when it has ended badly."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cognito_import import addresses
from cognito_import.engine import breaker
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from stack import environment

JSON = dict[str, Any]


def report(event: JSON) -> JSON:
    """Report a run, or leave that to the caller, and say how many users are not finished.

    `kind` and `detail` say what went wrong with the engine, if anything (see `mail.engine_note`). Raises ReportError and
    RunFolderError; a retry touches no user.
    """
    folder = environment.folder(event["run"])
    breaker.tell(folder)
    what, detail = event["kind"], addresses.hidden(_message(event["detail"]))
    if event["send"]:
        reported = _deliver(folder, what, detail)
    else:
        manifest = folder.required_manifest()
        reported = {"unfinished": manifest.users - len(folder.progress().outcomes)}
    why = {  # an `asked` run says it itself
        "stopped": "Every further user would meet this error too: ",
        "unfinished": "Not every user could be finished. ",
    }
    cause = (
        f"{why.get(what, '')}{detail or 'Users are left.'} Run {folder.run} can be continued: start an execution with "
        f'{{"run": "{folder.run}"}}; finished users are not called again.'
    )
    return {"run": folder.run, "cause": cause, **reported}


def ended(event: JSON) -> None:
    """Report what is known of a run whose execution was aborted, timed out or failed, unless its caller does.

    Raises ReportError and RunFolderError; Lambda then tries again.
    """
    from cognito_import.report.rejection import mail_rejection

    described = environment.client("stepfunctions").describe_execution(executionArn=event["execution"])
    request = json.loads(described["input"])
    own = request if isinstance(request, dict) else {}
    if own.get("report") is False:
        return
    name = run_name(described["name"], described["stateMachineArn"].rpartition(":")[2])
    folder = environment.folder(own["run"] if isinstance(own.get("run"), str) else name)
    error, cause = described.get("error") or event["status"], _message(described.get("cause") or "")
    rejected = error in ("PreflightError", "RequestError", "SourceError")
    if folder.manifest() is not None and (not rejected or (error == "PreflightError" and "run" in own)):
        _deliver(folder, "failed", f"{error}: {cause}")
    elif "run" not in own:  # it ended before its users were read, or because of what was asked
        if folder.read_rejection() is None:
            folder.write_rejection(cause if rejected else f"{error}: {cause}")
        source, now = own.get("source") or "", datetime.now(UTC)
        to = own.get("adminemail")
        mail_rejection(
            folder, environment.settings(), environment.client("ses"), to=to, source=source, now=now, way="execution"
        )


def _deliver(folder: RunFolder, what: str, detail: str) -> JSON:
    # pandas and the mail's templates would double the time that a child waits for a cold function.
    from cognito_import.report import mail
    from cognito_import.report.delivery import deliver

    note = mail.engine_note(what, detail, environment.settings().locale) if what else ""
    delivery = deliver(
        folder,
        environment.settings(),
        environment.client("s3"),
        environment.client("ses"),
        credentials_expire_at=None,  # a user's key has none, and those of a function's session are unknown; the mail says so
        now=datetime.now(UTC),
        note=note,
        way="execution",
        signer=environment.link_signer(),
    )
    return asdict(delivery)


def _message(text: str) -> str:
    """Return the message of a function's error, which Step Functions passes as JSON; any other text as it is."""
    head, brace, rest = text.partition("{")
    with suppress(ValueError, KeyError, TypeError):
        return head + str(json.loads(brace + rest)["errorMessage"]) if brace else text
    return text
