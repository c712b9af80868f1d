"""Is AWS ready for this run? Looks at everything, touches no user, and says all that is wrong at once."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cognito_import import forecast, invitations, mail_ready, pool_fit, pool_groups
from cognito_import.engine.pace import run_pace
from cognito_import.engine.pacing import MAX_SLOT_RATE
from cognito_import.engine.shared_rate import LEAST
from cognito_import.engine.user_pool import JOBS
from cognito_import.findings import Findings
from cognito_import.run import pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_ses.client import SESClient
    from mypy_boto3_stepfunctions.client import SFNClient

    from cognito_import.forecast import Use
    from cognito_import.request.model import UserRow
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest
    from cognito_import.run.pace import RunPace
    from cognito_import.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clients:
    """The boto3 clients that the check uses, configured by `aws`.

    `step_functions` is None within the state machine itself; without `sesv2` the recipient is not looked up, and without
    `cloudwatch` it is not foreseen how much of the quotas is free.
    """

    cognito: CognitoIdentityProviderClient
    s3: S3Client
    ses: SESClient
    step_functions: SFNClient | None
    sesv2: Any = None
    cloudwatch: Any = None


def check(  # noqa: PLR0913 - what readiness depends on
    manifest: Manifest,
    settings: Settings,
    clients: Clients,
    credentials_expire_at: datetime | None,
    *,
    rows: Iterable[UserRow] = (),
    pool_slots: int | None = None,
    folder: RunFolder | None = None,
    known: RunPace | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Check all that the run needs, and create its groups if it is to. Returns warnings: what the run can live with.

    `credentials_expire_at` is when the credentials that sign the link end, or None if they do not or nobody knows; `rows` are
    the users to process; `pool_slots` is how many slots Airflow's pool has, negative for an endless one, or None outside
    Airflow; in the run's `folder` it is stored how fast the run may go, as the quotas say now unless that is `known`. Raises
    PreflightError for all problems found, NotReadyError where AWS could not be asked, RunFolderError where `rows` or `folder` do.
    """
    findings = Findings(sleep)
    found: list[RunPace] = []
    use: dict[str, Use] = {}
    pool: dict[str, Any] = {}
    job = JOBS[manifest.jobtype]
    calls: Counter[str] = Counter()
    counted = (calls.update(job.calls_needed(row)) or row for row in rows)
    checks: list[Callable[[], None]] = [
        lambda: pool.update(_check_user_pool(manifest, settings, clients, counted, findings)),
        lambda: _check_bucket(settings, clients.s3, findings),
        lambda: _check_mail(manifest, settings, clients, findings),
        lambda: found.append(known or run_pace(clients.cognito, settings, job.categories, dry_run=manifest.dry_run)),
        lambda: use.update(forecast.recent_use(clients.cloudwatch, job.categories)),
        lambda: _check_link(manifest, settings, credentials_expire_at, findings),
        lambda: _check_slots(manifest, settings, pool_slots, findings),
    ]
    if manifest.engine == "step_functions" and clients.step_functions is not None:
        checks.append(partial(_check_state_machine, settings, clients.step_functions, findings))
    with ThreadPoolExecutor(len(checks)) as threads:  # each waits for another service
        for done in [threads.submit(one) for one in checks]:
            done.result()
    _check_pace(manifest, settings, found[0], findings)
    for warning in findings.warnings:
        log.warning("%s", warning)
    findings.raise_if_any()
    if manifest.create_groups and manifest.jobtype == "import":  # now that nothing else keeps the run from beginning
        pool_groups.create(manifest, clients.cognito, findings)
        findings.raise_if_any()
    if folder is not None:
        invitations.share_out(manifest, settings, folder, clients.cognito)
        pool_groups.list_members(manifest, settings, folder, clients.cognito, pool)
        pace.write(folder, replace(found[0], start=forecast.start(found[0], use, settings.reserve)))
    users = manifest.users - manifest.rejected_rows
    deque(counted, maxlen=0)  # those that no check has looked at
    for sentence in (
        () if manifest.dry_run else forecast.foreseen(found[0], use, calls, users=users, time_zone=settings.time_zone)
    ):
        log.info("%s", sentence)
    return findings.warnings


def _check_slots(manifest: Manifest, settings: Settings, pool_slots: int | None, findings: Findings) -> None:
    """Make sure that `slots` is a cap: a larger pool lets more tasks call at once than the pace counts with."""
    if pool_slots in (None, settings.slots):
        return
    if manifest.engine == "mapped" and 1 <= pool_slots < settings.slots:
        return  # fewer tasks at once: the import is slower, no more
    has = "is endless" if pool_slots < 1 else f"has {pool_slots} slots"
    effect = (
        f"more than {settings.slots} users would be called for at once"
        if manifest.engine == "mapped"
        else "an execution would wait for ever, or call beside other runs"
    )
    findings.problems.append(
        f"The pool 'cognito_api' {has} and the setting 'slots' is {settings.slots}, so {effect}: make both the same, and set "
        f"the environment variable COGNITO_IMPORT_POOL_SLOTS to {settings.slots} for all of Airflow's components."
    )


def _check_bucket(settings: Settings, s3: S3Client, findings: Findings) -> None:
    findings.ask(
        f"The report bucket {settings.report_bucket!r}",
        s3.head_bucket,
        allow="s3:ListBucket on it",
        missing="create it or correct the setting 'report_bucket'",
        Bucket=settings.report_bucket,
    )


def _check_user_pool(
    manifest: Manifest,
    settings: Settings,
    clients: Clients,
    rows: Iterable[UserRow],
    findings: Findings,
) -> Mapping[str, Any]:
    pool = pool_fit.look_up(clients.cognito, manifest.user_pool_id, findings)
    if not pool:
        return pool
    pool_fit.check_usernames(pool, manifest.jobtype, findings)
    if manifest.jobtype != "import":
        return pool
    pool_fit.check_password(pool, settings.temporary_password, findings)
    pool_fit.check_attributes(pool, rows, findings)
    mail_ready.check_invitations(manifest, pool, clients.sesv2, findings)
    if not manifest.create_groups:
        pool_groups.check(manifest, clients.cognito, findings)
    return pool


def _check_state_machine(settings: Settings, step_functions: SFNClient, findings: Findings) -> None:
    if settings.state_machine_arn is None:
        findings.problems.append(
            "The setting 'state_machine_arn' is missing: deploy the stack and set it, or choose the engine 'mapped'."
        )
        return
    findings.ask(
        f"The state machine {settings.state_machine_arn}",
        step_functions.describe_state_machine,
        allow="states:DescribeStateMachine on it",
        missing="deploy the stack, or correct the setting 'state_machine_arn'",
        stateMachineArn=settings.state_machine_arn,
    )


def _check_mail(manifest: Manifest, settings: Settings, clients: Clients, findings: Findings) -> None:
    mail_ready.check_sender(settings.mail_from, clients.ses, findings)
    if clients.sesv2 is not None:
        mail_ready.check_recipient(manifest.adminemail, clients.ses, clients.sesv2, findings)


def _check_pace(manifest: Manifest, settings: Settings, found: RunPace, findings: Findings) -> None:
    if settings.pace == "all" and manifest.engine == "mapped" and found.limit > settings.slots * MAX_SLOT_RATE:
        findings.warnings.append(
            f"Cognito's quotas leave {found.limit:g} calls a second, and {settings.slots} slots make {MAX_SLOT_RATE} each at "
            f"most: to use all, raise the setting 'slots', the pool 'cognito_api' and the environment variable "
            f"COGNITO_IMPORT_POOL_SLOTS to {math.ceil(found.limit / MAX_SLOT_RATE)} or more."
        )
    if settings.pace == "all" and found.limit < settings.users_per_second * LEAST:
        findings.problems.append(
            f"The setting 'reserve' leaves {max(0.0, found.limit):g} of Cognito's {found.quotas[found.scarcest]:g} calls a "
            f"second for {found.scarcest}, too few for {settings.slots} slots: lower 'reserve', or 'slots' and the pool "
            "'cognito_api'."
        )
    for category, quota in found.quotas.items():
        if settings.pace == "steady" and settings.users_per_second > quota:
            findings.problems.append(
                f"{settings.slots} slots at one call in {settings.pacing_seconds:g} s make {settings.users_per_second:g} "
                f"calls a second, above Cognito's {quota:g} a second for {category}: lower 'slots' and the pool "
                "'cognito_api', raise 'pacing_seconds', or have the quota raised."
            )


def _check_link(
    manifest: Manifest, settings: Settings, credentials_expire_at: datetime | None, findings: Findings
) -> None:
    if credentials_expire_at is None:
        return
    seconds = (credentials_expire_at - manifest.began_at).total_seconds()
    if seconds < settings.link_seconds:
        findings.warnings.append(
            f"The credentials end at {credentials_expire_at:%Y-%m-%d %H:%M %Z}, before the "
            f"{settings.link_seconds / 3600:g} hours of the report's link are over; the link ends with them, and the mail will "
            "say so. To keep it longer, name a "
            "connection with an IAM user's key in the setting 'link_conn_id'."
        )
