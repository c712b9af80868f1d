"""What the DAGs need of Airflow: the settings from the Variable, and boto3 clients from the connection.

Imported whenever a DAG file is parsed, so nothing heavy stands at its top and nothing is looked up before a task runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    from cognito_import.settings import Settings


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


class Aws:
    """boto3 clients of the settings' connection, each configured by :mod:`cognito_import.aws`."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings that name the connection; nothing is looked up yet."""
        self._conn_id = settings.aws_conn_id

    @property
    def cognito(self) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        """A client of `cognito-idp`."""
        from cognito_import import aws

        return self._hook("cognito-idp", aws.COGNITO).conn

    @property
    def s3(self) -> Any:  # noqa: ANN401 - see above
        """A client of `s3` that signs links with SigV4."""
        from cognito_import import aws

        return self._hook("s3", aws.S3).conn

    @property
    def ses(self) -> Any:  # noqa: ANN401 - see above
        """A client of `ses`."""
        from cognito_import import aws

        return self._hook("ses", aws.SES).conn

    def credentials_end(self) -> datetime | None:
        """When the connection's credentials end, or None if never or unknown. Raises ReportError."""
        from cognito_import import aws
        from cognito_import.link import credentials_end

        return credentials_end(self._hook("s3", aws.S3).get_session().get_credentials())

    def _hook(self, client_type: str, config: Any) -> AwsBaseHook:  # noqa: ANN401 - botocore's Config
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        return AwsBaseHook(aws_conn_id=self._conn_id, client_type=client_type, config=config)
