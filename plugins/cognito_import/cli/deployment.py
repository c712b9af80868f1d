"""What a command works with: the settings, and clients of AWS's services with the credentials of the terminal."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.errors import NotReadyError, SettingsError
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from cognito_import.undo import pasted_run

if TYPE_CHECKING:
    from datetime import datetime

    from boto3.session import Session

VARIABLES: Final = ("COGNITO_IMPORT", "AIRFLOW_VAR_COGNITO_IMPORT")
"""The environment variables that hold the settings; the first one that is set counts."""


class Deployment:
    """The settings, and one session of boto3 for all clients."""

    def __init__(self, settings: str | None, profile: str | None, region: str | None) -> None:
        """Take the file of the settings, and what boto3 is to use instead of its defaults. Raises SettingsError."""
        self._given = _settings_text(settings)
        self._profile, self._region = profile, region

    @cached_property
    def settings(self) -> Settings:
        """The settings, whose engine is this process."""
        return Settings.parse(self._given, engine="mapped")

    def client(self, service: str) -> Any:
        """Return the client of a service. Raises NotReadyError."""
        return _client(self._session, service)

    @cached_property
    def s3(self) -> Any:
        """The client of `s3`."""
        return self.client("s3")

    @cached_property
    def cognito(self) -> Any:
        """The client of `cognito-idp`."""
        return self.client("cognito-idp")

    def signer(self, profile: str | None) -> tuple[Any, datetime | None]:
        """Return the client that signs links, None for that of all calls, and when its credentials end."""
        from cognito_import.report.link import credentials_expire_at

        if profile is None:
            return None, credentials_expire_at(self._session.get_credentials())
        session = _session(profile, self._region)
        return _client(session, "s3"), credentials_expire_at(session.get_credentials())

    @cached_property
    def caller(self) -> str:
        """Who runs the command, as AWS names the user or role. Raises NotReadyError."""
        try:
            return str(self.client("sts").get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError) as error:
            raise aws.failure(NotReadyError, error, "asked for", "Your identity in AWS") from error

    def folder(self, run: str) -> RunFolder:
        """Return the folder of a run, by its name or whatever `pasted_run` takes."""
        return RunFolder(self.s3, self.settings.report_bucket, pasted_run(run))

    @cached_property
    def _session(self) -> Session:
        return _session(self._profile, self._region)


def _session(profile: str | None, region: str | None) -> Session:
    import boto3

    try:
        return boto3.session.Session(profile_name=profile, region_name=region)
    except BotoCoreError as error:
        message = f"The AWS profile cannot be used: {error}."
        raise NotReadyError(message) from error


def _client(session: Session, service: str) -> Any:
    try:
        return session.client(service, config=aws.CONFIGS[service])  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        message = (
            f"AWS cannot be called: {error}; name a Region with --region or AWS_REGION, and a profile with --profile."
        )
        raise NotReadyError(message) from error


def _settings_text(path: str | None) -> str:
    if path is not None:
        try:
            return Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            message = f"The file of the settings, {path}, cannot be read: {error}."
            raise SettingsError(message) from error
    for name in VARIABLES:
        if text := os.environ.get(name):
            return text
    message = (
        f"There are no settings: name their file with --settings, or put their JSON into the environment variable "
        f"{VARIABLES[0]}; at least user_pool_id, report_bucket and mail_from."
    )
    raise SettingsError(message)
