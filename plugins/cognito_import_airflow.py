"""What the DAGs need of Airflow: the settings from the Variable, and boto3 clients from the connection.

Imported whenever a DAG file is parsed, so nothing heavy stands at its top and nothing is looked up before a task runs.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.config import Config
    from botocore.loaders import Loader

    from cognito_import.run_folder import RunFolder
    from cognito_import.settings import Settings

POOL: Final = "cognito_api"
POOL_SLOTS: Final = int(os.environ.get("COGNITO_IMPORT_POOL_SLOTS", "20"))
"""As many as the pool has: a task says when it is parsed how many it takes, and no task may read the pool."""

log = logging.getLogger(__name__)


def load_settings() -> Settings:
    """The deployment's settings, their secret masked in all logs. Raises SettingsError."""
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
    if settings.temporary_password:
        mask_secret(settings.temporary_password)
    return settings


@contextmanager
def refusing(folder: RunFolder) -> Iterator[None]:
    """Fail the task for good where the run is refused, and leave the reason in its folder for the nightly run."""
    from airflow.sdk.exceptions import AirflowFailException

    from cognito_import.errors import PreflightError, RequestError, RunFolderError

    try:
        yield
    except (RequestError, PreflightError) as error:
        try:
            folder.write_refusal(str(error))
        except RunFolderError as failure:  # the bucket may be the very thing that is not ready
            log.warning("The reason could not be left in the run folder: %s", failure)
        raise AirflowFailException(str(error)) from error


@cache
def service_descriptions() -> Loader:
    """What botocore knows of AWS's services, megabytes of JSON: read once and shared by all sessions of a process.

    A process that forks tasks can read it for them (see :func:`read_ahead`).
    """
    from botocore.loaders import create_loader

    return create_loader()


def read_ahead() -> None:
    """Read the descriptions of the services that an import's tasks use. Calls nobody."""
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", service_descriptions())
    for service in ("cognito-idp", "s3", "ses", "stepfunctions"):
        session.create_client(service, "us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")  # noqa: S106


class Aws:
    """boto3 clients of the settings' connection, each configured by :mod:`cognito_import.aws`.

    They share one session, so that the connection is looked up, and a role assumed, once for each task.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings that name the connection; nothing is looked up yet."""
        self._conn_id = settings.aws_conn_id

    @property
    def cognito(self) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        """A client of `cognito-idp`."""
        from cognito_import import aws

        return self._client("cognito-idp", aws.COGNITO)

    @property
    def s3(self) -> Any:  # noqa: ANN401 - see above
        """A client of `s3` that signs links with SigV4."""
        from cognito_import import aws

        return self._client("s3", aws.S3)

    @property
    def ses(self) -> Any:  # noqa: ANN401 - see above
        """A client of `ses`."""
        from cognito_import import aws

        return self._client("ses", aws.SES)

    @property
    def step_functions(self) -> Any:  # noqa: ANN401 - see above
        """A client of `stepfunctions`."""
        from cognito_import import aws

        return self._client("stepfunctions", aws.STEP_FUNCTIONS)

    def credentials_end(self) -> datetime | None:
        """When the connection's credentials end, or None if never or unknown. Raises ReportError."""
        from cognito_import.link import credentials_end

        return credentials_end(self._session.get_credentials())

    @cached_property
    def _hook(self) -> AwsBaseHook:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        return AwsBaseHook(aws_conn_id=self._conn_id, client_type="s3")

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3-stubs know a service by its literal name alone
        session = self._hook.get_session()
        # The botocore session inside: boto3 has no public way to give it a loader.
        session._session.register_component("data_loader", service_descriptions())  # noqa: SLF001
        return session

    def _client(self, service: str, config: Config) -> Any:  # noqa: ANN401 - see above
        connection = self._hook.conn_config
        if connection.botocore_config is not None:  # a proxy, say
            config = connection.botocore_config.merge(config)
        endpoint = connection.get_service_endpoint_url(service_name=service)
        return self._session.client(service, endpoint_url=endpoint, config=config, verify=self._hook.verify)
