"""Whose turn it is: executions of one state machine make their calls one after another, whoever started them.

An object beside the runs names the execution that may call, or was the last that might. Another one takes the turn over
when that one has ended, however it ended; S3 lets only one of several do so. So nothing has to be renewed or given
back, no clock is asked, and an execution that was aborted holds nobody up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import executions
from cognito_import.aws import explain
from cognito_import.errors import RunFolderError
from cognito_import.run_folder import TURN

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_stepfunctions.client import SFNClient

_OVERTAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""Another execution has written the object since it was read ("Conditional writes", Amazon S3 User Guide)."""


def take(s3: S3Client, sfn: SFNClient, bucket: str, execution_arn: str) -> bool:
    """Take the turn for the execution; tell whether it has it.

    Raises RunFolderError where S3 fails, and ExecutionError where Step Functions would not tell whether the last holder runs.
    """
    holder, etag = _holder(s3, bucket)
    if holder == execution_arn:
        return True
    if holder and executions.is_running(sfn, holder):
        return False
    condition: Any = {"IfMatch": etag} if holder else {"IfNoneMatch": "*"}
    try:
        s3.put_object(Bucket=bucket, Key=TURN, Body=json.dumps({"execution": execution_arn}).encode(), **condition)
    except ClientError as error:
        if explain(error)[0] in _OVERTAKEN:
            return False
        raise _failure("written", bucket, error) from error
    except BotoCoreError as error:
        raise _failure("written", bucket, error) from error
    return True


def _holder(s3: S3Client, bucket: str) -> tuple[str, str]:
    """The execution that the object names, and the object's ETag; nothing if there is none yet."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=TURN)
        return str(json.loads(answer["Body"].read())["execution"]), answer["ETag"]
    except ClientError as error:
        if explain(error)[0] == "NoSuchKey":
            return "", ""
        raise _failure("read", bucket, error) from error
    except BotoCoreError as error:
        raise _failure("read", bucket, error) from error


def _failure(step: str, bucket: str, error: ClientError | BotoCoreError) -> RunFolderError:
    code, text = explain(error)
    return RunFolderError(f"s3://{bucket}/{TURN} cannot be {step}: {code} ({text}).")
