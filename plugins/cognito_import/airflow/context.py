"""What the DAGs need of Airflow: the settings from the Variable, and boto3 clients from the connection.

Imported whenever a DAG file is parsed, so nothing heavy stands at its top and nothing is looked up before a task runs.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.config import Config

    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

POOL: Final = "cognito_api"
POOL_SLOTS: Final = int(os.environ.get("COGNITO_IMPORT_POOL_SLOTS", "20"))
"""As many as the pool has: a task says when it is parsed how many it takes, and no task may read the pool."""
APPROVAL: Final = "approve"
"""The task that asks whether users may be deleted or disabled."""
ASKING: Final = ("awaiting_input", "deferred")
"""The states of a task that waits for an answer; which one it is depends on the version of Airflow."""
NOTE: Final = "note"
"""The XCom of `report` and of `finish` that becomes the run's note."""

log = logging.getLogger(__name__)
_senders: set[str] = set()
"""The setting `mail_from`, once it was read: the one address that errors may show."""


def load_settings() -> Settings:
    """Return the deployment's settings, their secret masked in all logs. Raises SettingsError."""
    from airflow.sdk import Variable
    from airflow.sdk.log import mask_secret

    from cognito_import.errors import SettingsError
    from cognito_import.settings import VARIABLE, Settings

    value = Variable.get(VARIABLE, default=None)
    if value is None:
        message = (
            f"The Airflow Variable {VARIABLE!r} is missing; create it (Admin > Variables, AIRFLOW_VAR_COGNITO_IMPORT or a "
            "secrets backend) with at least user_pool_id, report_bucket and mail_from."
        )
        raise SettingsError(message)
    settings = Settings.parse(value)
    _senders.add(settings.mail_from)
    if settings.temporary_password:
        mask_secret(settings.temporary_password)
    return settings


def open_run() -> tuple[Settings, Aws, RunFolder]:
    """Return the settings, the clients and the run folder of the DAG run whose task is running. Raises SettingsError.

    The folder is named after the run itself, so no XCom decides which one it is.
    """
    from airflow.sdk import get_current_context

    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import run_name

    dag_run = get_current_context()["dag_run"]
    settings = load_settings()
    aws = Aws(settings)
    return settings, aws, RunFolder(aws.s3, settings.report_bucket, run_name(dag_run.run_id, dag_run.dag_id))


def run_page() -> str:
    """Return the address of the running task's run in Airflow's UI, or nothing if Airflow does not know its own address."""
    from urllib.parse import quote

    from airflow.sdk import conf, get_current_context

    base = conf.get("api", "base_url", fallback=None)
    dag_run = get_current_context()["dag_run"]
    return f"{base.rstrip('/')}/dags/{dag_run.dag_id}/runs/{quote(dag_run.run_id, safe='')}" if base else ""


def runs_sharing() -> int:
    """Return how many runs of the DAG share the pool, the task's own included; one that waits for an approval does not."""
    from airflow.sdk import get_current_context

    ti = get_current_context()["ti"]
    under_way = ti.get_dr_count(ti.dag_id, states=["queued", "running"])
    asked = ti.get_ti_count(ti.dag_id, task_ids=[APPROVAL], states=list(ASKING))
    return max(1, under_way - asked)


@contextmanager
def final_errors(reject: RunFolder | None = None) -> Iterator[None]:
    """Fail the task at once, instead of after its retries, if trying again would change nothing.

    The reason is then left in the run folder `reject`, for the administrator's mail and the nightly run. No error leaves
    with an address in it, whoever made its text: Airflow logs errors with all their causes.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from cognito_import import addresses
    from cognito_import.errors import CognitoImportError, LeaseLostError, ReportError

    try:
        yield
    except CognitoImportError as error:
        reason = str(error)
        addresses.hide_in(error, _senders)
        # A report is tried again whatever it failed for: otherwise nobody would learn of the run.
        if error.temporary or isinstance(error, (LeaseLostError, ReportError)):
            raise
        if reject is not None:
            _leave_reason(reject, reason)
        raise AirflowFailException(f"{error} {error.then}".strip()) from error
    except Exception as error:
        addresses.hide_in(error, _senders)
        raise


def _leave_reason(folder: RunFolder, reason: str) -> None:
    from cognito_import.errors import RunFolderError

    try:
        folder.reject(reason)
    except RunFolderError as failure:  # the bucket may be the very thing that is not ready
        log.warning("The reason could not be left in the run folder: %s", failure)


def read_ahead() -> None:
    """Read the descriptions of the services that an import's tasks use. Calls nobody."""
    from cognito_import.aws_private import read_descriptions

    read_descriptions(("cloudwatch", "cognito-idp", "s3", "ses", "sesv2", "stepfunctions"))


class Aws:
    """boto3 clients of the settings' connection, each configured by :mod:`cognito_import.aws`.

    They share one session, so that the connection is looked up, and a role assumed, once for each task.
    """

    def __init__(self, settings: Settings, conn_id: str | None = None) -> None:
        """Take the settings that name the connection, or another one's id; nothing is looked up yet."""
        self._settings = settings
        self._conn_id = conn_id or settings.aws_conn_id

    @cached_property
    def signer(self) -> Aws:
        """Whose S3 client signs the report's link: that of the connection `link_conn_id`, or without one this."""
        return Aws(self._settings, self._settings.link_conn_id) if self._settings.link_conn_id else self

    @property
    def cognito(self) -> Any:
        """A client of `cognito-idp`."""
        from cognito_import import aws

        return self._client("cognito-idp", aws.COGNITO)

    @property
    def s3(self) -> Any:
        """A client of `s3` that signs links with SigV4."""
        from cognito_import import aws

        return self._client("s3", aws.S3)

    @property
    def ses(self) -> Any:
        """A client of `ses`."""
        from cognito_import import aws

        return self._client("ses", aws.SES)

    @property
    def sesv2(self) -> Any:
        """A client of `sesv2`."""
        from cognito_import import aws

        return self._client("sesv2", aws.SES)

    @property
    def cloudwatch(self) -> Any:
        """A client of `cloudwatch`."""
        from cognito_import import aws

        return self._client("cloudwatch", aws.CLOUDWATCH)

    @property
    def step_functions(self) -> Any:
        """A client of `stepfunctions`."""
        from cognito_import import aws

        return self._client("stepfunctions", aws.STEP_FUNCTIONS)

    def credentials_expire_at(self) -> datetime | None:
        """Return when the connection's credentials end, or None if never or unknown. Raises ReportError."""
        from cognito_import.report.link import credentials_expire_at

        return credentials_expire_at(self._session.get_credentials())

    @cached_property
    def _hook(self) -> AwsBaseHook:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        return AwsBaseHook(aws_conn_id=self._conn_id, client_type="s3")

    @cached_property
    def _session(self) -> Any:  # boto3-stubs know a service by its literal name alone
        from cognito_import.aws_private import share_descriptions

        session = self._hook.get_session()
        share_descriptions(session)
        return session

    def _client(self, service: str, config: Config) -> Any:
        connection = self._hook.conn_config
        if connection.botocore_config is not None:  # a proxy, say
            config = connection.botocore_config.merge(config)
        endpoint = connection.get_service_endpoint_url(service_name=service)
        return self._session.client(service, endpoint_url=endpoint, config=config, verify=self._hook.verify)
