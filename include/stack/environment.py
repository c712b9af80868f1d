"""What the function runs in: its settings, the clients of AWS's services, and the run folders of its bucket."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import boto3  # noqa: TID253 - the function's own module, never imported by a DAG
from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.errors import ReportError
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from cognito_import.settings import Settings

ENGINE = "step_functions"


@cache
def settings() -> Settings:
    """Return the deployment's settings, for which this engine is the default one."""
    secret = os.environ.get("COGNITO_IMPORT_SECRET")
    password = client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] if secret else None
    return Settings.parse(os.environ["COGNITO_IMPORT"], engine=ENGINE, temporary_password=password)


@cache
def client(service: str) -> Any:  # boto3 makes its classes at run time
    """Return the client of a service."""
    return boto3.client(service, config=aws.CONFIGS[service])  # type: ignore[call-overload]


def link_signer() -> Any:
    """Return a client of S3 with the key of the stack's user who may read reports, or None if the stack has none.

    The secret is read anew for each report, so that a new key counts at once. Raises ReportError.
    """
    secret = os.environ.get("COGNITO_IMPORT_LINK_SECRET")
    if not secret:
        return None
    try:
        connection = json.loads(client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise aws.failure(
            ReportError,
            error,
            "read",
            f"The secret {secret} with the key that signs links",
            allow="secretsmanager:GetSecretValue on it",
            then="run the report again",
        ) from error
    return boto3.client(
        "s3",
        aws_access_key_id=connection["login"],
        aws_secret_access_key=connection["password"],
        config=aws.S3,
    )


def folder(run: str) -> RunFolder:
    """Return the folder of a run by its name, or by its id in Airflow."""
    return RunFolder(client("s3"), settings().report_bucket, run_name(run))
