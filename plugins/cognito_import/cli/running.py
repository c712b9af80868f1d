"""One run on the spot: read, checked, consented to, processed in threads, and reported."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cognito_import import preflight
from cognito_import.cli.consent import require_consent
from cognito_import.cli.terminal import Progress, interruptible, note, say
from cognito_import.engine import claims, execution_lock
from cognito_import.engine.breaker import GO_ON
from cognito_import.engine.patience import MAX_IDLE_SECONDS, wait_seconds
from cognito_import.engine.threads import run_batches
from cognito_import.errors import (
    CallsStoppedError,
    IncompleteRunError,
    LeaseLostError,
    PreflightError,
    RequestError,
    RunFolderError,
    SettingsError,
)
from cognito_import.ingest import ingest_request
from cognito_import.report.delivery import Delivery, deliver
from cognito_import.report.rows import unfinished_batches

if TYPE_CHECKING:
    from threading import Event

    from cognito_import.cli.deployment import Deployment
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Batch, Manifest

Stop = CallsStoppedError | LeaseLostError | None


def run(
    request: dict[str, Any] | None, folder: RunFolder, deployment: Deployment, *, yes: bool, link_profile: str | None
) -> bool:
    """Process the request, or go on with the run that the folder holds, and report it. Return whether it is complete.

    Raises CognitoImportError.
    """
    if request is not None:
        read(request, folder, deployment)
    elif folder.manifest() is None:
        message = f"There is no run {folder.run} in s3://{folder.bucket}; expected the name of one, or users."
        raise RequestError(message)
    make_ready(folder, deployment)
    require_consent(folder, deployment, yes=yes)
    with interruptible() as interrupted:
        note(f"Run {folder.run}")
        try:
            stop = _process(folder, deployment, interrupted)
            if not isinstance(stop, LeaseLostError):
                return report(folder, deployment, link_profile, stop=stop)
        except RunFolderError as error:  # from here on users may have been called for
            message = f"{error} {_to_go_on(folder)}"
            raise IncompleteRunError(message) from error
        message = f"Another process has taken over the run {folder.run}, and reports it; this one has ended."
        raise LeaseLostError(message)


def read(request: dict[str, Any], folder: RunFolder, deployment: Deployment) -> Manifest:
    """Fill the run folder, or find it filled. Raises RequestError and what else `ingest_request` does."""
    jobtype = "delete" if request.get("undo") else str(request.get("jobtype"))
    asked_by = deployment.caller if deployment.settings.asks_before(jobtype) else ""
    return ingest_request(
        request, deployment.settings, folder.s3, folder, cognito=deployment.cognito, asked_by=asked_by
    )


def make_ready(folder: RunFolder, deployment: Deployment) -> None:
    """Check that AWS is ready. Raises PreflightError, NotReadyError and SettingsError."""
    manifest = folder.required_manifest()
    clients = preflight.Clients(
        deployment.cognito,
        folder.s3,
        deployment.client("ses"),
        step_functions=None,
        sesv2=deployment.client("sesv2"),
        cloudwatch=deployment.client("cloudwatch"),
    )
    _, expire_at = deployment.signer(None)
    try:
        manifest.raise_if_differs(deployment.settings)
        preflight.check(manifest, deployment.settings, clients, expire_at, rows=folder.all_rows(), folder=folder)
    except (PreflightError, SettingsError) as error:
        folder.reject(str(error))  # so that the run keeps no user from a deletion
        raise
    folder.withdraw_rejection()


def report(
    folder: RunFolder, deployment: Deployment, link_profile: str | None, *, stop: Stop = None, anew: bool = False
) -> bool:
    """Store the report and mail its link. Return whether the run is complete. Raises ReportError and RunFolderError."""
    signer, expire_at = deployment.signer(link_profile)
    delivery = deliver(
        folder,
        deployment.settings,
        folder.s3,
        deployment.client("ses"),
        credentials_expire_at=expire_at,
        now=datetime.now(UTC),
        way="command_line",
        signer=signer,
        anew=anew,
    )
    say(delivery.note(folder))
    if delivery.unfinished:
        note(_what_is_left(folder, delivery, stop))
    return not delivery.unfinished


def _what_is_left(folder: RunFolder, delivery: Delivery, stop: Stop) -> str:
    cause = f" {str(stop).removesuffix(GO_ON)}" if stop else ""
    return (
        f"{delivery.unfinished:,} of {delivery.counts['total']:,} users were not finished.{cause} {_to_go_on(folder)}"
    )


def _to_go_on(folder: RunFolder) -> str:
    return f"To go on, run: python -m cognito_import run --name {folder.run}"


def _process(folder: RunFolder, deployment: Deployment, interrupted: Event) -> Stop:
    """Process who is not finished yet, until all are, something stops the calls for good, or somebody interrupts."""
    manifest = folder.required_manifest()
    progress = Progress(manifest.users, len(folder.progress().outcomes))
    idle, finished = 0, progress.finished
    with progress.shown():
        while not interrupted.is_set():
            left = unfinished_batches(folder, manifest, folder.progress())
            stop = _attempt(folder, deployment, left, interrupted, progress) if left else None
            if not isinstance(stop, CallsStoppedError) or not stop.temporary:
                return stop
            idle, finished = (idle if progress.finished == finished else 0), progress.finished
            if idle >= MAX_IDLE_SECONDS or interrupted.is_set():
                return stop
            wait = wait_seconds(idle)
            note(f"\nWaiting {wait} s: {stop}")
            interrupted.wait(wait)
            idle += wait
    return None


def _attempt(
    folder: RunFolder, deployment: Deployment, left: list[Batch], interrupted: Event, progress: Progress
) -> Stop:
    alone = partial(execution_lock.is_free, folder.s3, deployment.client("stepfunctions"), folder.bucket)
    if not alone():
        return CallsStoppedError(claims.CODE, "An execution of the state machine is under way.", temporary=True)
    return run_batches(
        folder,
        deployment.settings,
        deployment.cognito,
        left,
        halted=interrupted.is_set,
        alone=alone,
        told=progress.add,
    )
