"""Is AWS ready for this run? Looks at everything, touches no user, and says all that is wrong at once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import explain
from cognito_import.errors import PreflightError
from cognito_import.pacing import DEFAULT_QUOTAS, Category

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_ses.client import SESClient
    from mypy_boto3_stepfunctions.client import SFNClient

    from cognito_import.run_folder import Manifest
    from cognito_import.settings import Settings

_USED: Final = {
    "import": (Category.USER_CREATION, Category.USER_RESOURCE_UPDATE),
    "delete": (Category.USER_UPDATE, Category.USER_READ),
}
_MISSING: Final = {"ResourceNotFoundException", "NoSuchBucket", "StateMachineDoesNotExist", "404", "NotFound"}
_DENIALS: Final = {"AccessDenied", "AccessDeniedException", "NotAuthorizedException", "403", "Forbidden"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clients:
    """The boto3 clients that the check uses, configured by `aws`."""

    cognito: CognitoIdentityProviderClient
    s3: S3Client
    ses: SESClient
    step_functions: SFNClient


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def ask(self, what: str, missing: str, permission: str, call: Callable[..., Any], **arguments: Any) -> Any:  # noqa: ANN401 - any call of boto3
        """Make a call; its failure is a problem, described with what to do. Returns the answer or None."""
        try:
            return call(**arguments)
        except ClientError as error:
            code, text = explain(error)
            if code in _MISSING:
                self.problems.append(f"{what} does not exist: {missing}.")
            elif code in _DENIALS:
                self.problems.append(f"{what} cannot be looked at ({code}): allow {permission} to the worker's role.")
            else:
                self.problems.append(f"{what} cannot be looked at: {code}: {text}")
        except BotoCoreError as error:
            self.problems.append(f"{what} cannot be looked at: {error}")
        return None


def check(
    manifest: Manifest,
    settings: Settings,
    clients: Clients,
    credentials_end: datetime | None,
    *,
    pool_slots: int | None = None,
) -> list[str]:
    """Check all that the run needs. Returns warnings, sentences about what the run can live with.

    `credentials_end` is when the credentials that sign the link end, or None if they do not or nobody knows; `pool_slots`
    how many slots of Airflow's pool an execution of the state machine asks for. Raises PreflightError with every problem
    found.
    """
    findings = _Findings()
    checks: list[Callable[[], None]] = [
        lambda: _check_user_pool(manifest, settings, clients.cognito, findings),
        lambda: _check_bucket(settings, clients.s3, findings),
        lambda: _check_sender(settings, clients.ses, findings),
        lambda: _check_pace(manifest, settings, clients.cognito, findings),
        lambda: _check_link(manifest, settings, credentials_end, findings),
    ]
    if manifest.engine == "step_functions":
        checks.append(lambda: _check_state_machine(settings, clients.step_functions, findings))
        if pool_slots not in (None, settings.slots):
            findings.problems.append(
                f"The setting 'slots' is {settings.slots}, but an execution asks for {pool_slots} slots of the pool "
                "'cognito_api' and would wait for ever, or call beside others: set the environment variable "
                f"COGNITO_IMPORT_POOL_SLOTS to {settings.slots} for all of Airflow's components."
            )
    with ThreadPoolExecutor(len(checks)) as pool:  # each waits for another service
        for done in [pool.submit(one) for one in checks]:
            done.result()
    for warning in findings.warnings:
        log.warning("%s", warning)
    if findings.problems:
        raise PreflightError(findings.problems)
    log.info("Preflight: all is ready for %d users.", manifest.users - manifest.refused)
    return findings.warnings


def _check_bucket(settings: Settings, s3: S3Client, findings: _Findings) -> None:
    findings.ask(
        f"The report bucket {settings.report_bucket!r}",
        "create it or correct the setting 'report_bucket'",
        "s3:ListBucket on it",
        s3.head_bucket,
        Bucket=settings.report_bucket,
    )


def _check_user_pool(
    manifest: Manifest, settings: Settings, cognito: CognitoIdentityProviderClient, findings: _Findings
) -> None:
    answer = findings.ask(
        f"The user pool {settings.user_pool_id!r}",
        "correct the setting 'user_pool_id', or the Region of the connection",
        "cognito-idp:DescribeUserPool on it",
        cognito.describe_user_pool,
        UserPoolId=settings.user_pool_id,
    )
    if answer is None:
        return
    required = [
        attribute["Name"]
        for attribute in answer["UserPool"].get("SchemaAttributes", ())
        if attribute.get("Required") and attribute["Name"] not in {"email", "sub"}
    ]
    if required and manifest.jobtype == "import":
        findings.warnings.append(f"The user pool requires {', '.join(required)}: users without will fail.")
    if manifest.jobtype != "import":
        return
    for group in manifest.groups:
        findings.ask(
            f"The group {group!r}",
            "create it in the user pool, or correct the setting 'default_groups' or the users' groups",
            "cognito-idp:GetGroup on the user pool",
            cognito.get_group,
            UserPoolId=settings.user_pool_id,
            GroupName=group,
        )


def _check_state_machine(settings: Settings, step_functions: SFNClient, findings: _Findings) -> None:
    if settings.state_machine_arn is None:
        findings.problems.append(
            "The setting 'state_machine_arn' is missing: deploy the stack and set it, or choose the engine 'mapped'."
        )
        return
    findings.ask(
        f"The state machine {settings.state_machine_arn}",
        "deploy the stack, or correct the setting 'state_machine_arn'",
        "states:DescribeStateMachine on it",
        step_functions.describe_state_machine,
        stateMachineArn=settings.state_machine_arn,
    )


def _check_sender(settings: Settings, ses: SESClient, findings: _Findings) -> None:
    identities = [settings.mail_from, settings.mail_from.rpartition("@")[2]]
    answer = findings.ask(
        f"The sender {settings.mail_from!r}",
        "verify it in SES",
        "ses:GetIdentityVerificationAttributes",
        ses.get_identity_verification_attributes,
        Identities=identities,
    )
    if answer is None:
        return
    states = {entry["VerificationStatus"] for entry in answer["VerificationAttributes"].values()}
    if "Success" not in states:
        findings.problems.append(
            f"The sender {settings.mail_from!r} is not verified in SES (nor is its domain): verify one of them in this "
            "Region, or correct the setting 'mail_from'."
        )


def _check_pace(
    manifest: Manifest, settings: Settings, cognito: CognitoIdentityProviderClient, findings: _Findings
) -> None:
    for category in _USED[manifest.jobtype]:
        quota = _quota_in_force(cognito, category)
        if settings.users_per_second > quota:
            findings.problems.append(
                f"{settings.slots} slots at one call in {settings.pacing_seconds:g} s make {settings.users_per_second:g} "
                f"calls a second, above Cognito's {quota:g} a second for {category}: lower 'slots' and the pool "
                "'cognito_api', raise 'pacing_seconds', or have the quota raised."
            )


def _quota_in_force(cognito: CognitoIdentityProviderClient, category: Category) -> float:
    """Requests a second. GetProvisionedLimit tells where the role may ask and botocore knows it, else the table."""
    try:
        answer = cognito.get_provisioned_limit(
            LimitDefinition={"LimitClass": "API_CATEGORY", "Attributes": {"Category": str(category)}}
        )
        return float(answer["Limit"]["ProvisionedLimitValue"])
    except (AttributeError, KeyError, ClientError, BotoCoreError) as error:
        log.info("The quota in force for %s is not to be had (%s); taking the default.", category, type(error).__name__)
        return DEFAULT_QUOTAS[category]


def _check_link(manifest: Manifest, settings: Settings, credentials_end: datetime | None, findings: _Findings) -> None:
    if credentials_end is None:
        return
    seconds = (credentials_end - manifest.began_at).total_seconds()
    if seconds < settings.link_seconds:
        findings.warnings.append(
            f"The credentials end at {credentials_end:%Y-%m-%d %H:%M %Z}, before the {settings.link_seconds / 3600:g} hours "
            "of the report's link are over; the link ends with them, and the mail will say so. Sign with long-lived "
            "credentials to keep it longer."
        )
