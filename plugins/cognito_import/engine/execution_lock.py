"""Serializes the calls of executions: one execution at a time holds the lock, whoever started it.

::

    runs/lock               names the execution that may call, or was the last that might
    runs/{run}/slots        written while a sensor of Airflow holds the pool's slots for the run's execution

Another execution takes the lock when its holder has ended, however it ended; S3 lets only one of several do so. So nothing
has to be renewed or given back, and an execution that was aborted holds nobody up. An execution that Airflow started also
needs a grant, not older than GRANT_SECONDS by S3's own clock: its sensor writes one at each poke, so the execution calls
nobody before Airflow has kept the slots free of mapped tasks. Those in turn wait while the lock's holder runs.

An execution that an application started knows of no slots, so mapped tasks may be under way when it takes the lock. They have
claimed their users (see `claims`) before they looked at the lock, and the execution reads the claims after it took the lock:
so either the task sees the execution and calls nobody, or the execution sees the claim and waits.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.aws import error_details, server_time
from cognito_import.engine import executions
from cognito_import.errors import RunFolderError
from cognito_import.run.folder import LOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_stepfunctions.client import SFNClient

    from cognito_import.run.folder import RunFolder

GRANT_SECONDS: Final = 60.0
"""Shorter than the time after which Airflow takes a silent worker for dead and gives its slots to others."""

_POLL_SECONDS: Final = 10.0

_OVERTAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""Another execution has written the object since it was read ("Conditional writes", Amazon S3 User Guide)."""

log = logging.getLogger(__name__)


def acquire(s3: S3Client, sfn: SFNClient, bucket: str, execution_arn: str, *, granted_by: RunFolder | None) -> bool:
    """Take the lock for the execution; tell whether it has it.

    `granted_by` is the folder of the run whose sensor has to hold the slots, None for an execution that nobody in Airflow
    watches. Raises RunFolderError if S3 fails, and ExecutionError if Step Functions does not tell whether the last holder
    runs.
    """
    holder, etag = _holder(s3, bucket)
    if holder == execution_arn:
        return True
    if granted_by is not None and not _is_granted(granted_by):
        return False
    if holder and executions.is_running(sfn, holder):
        return False
    condition: Any = {"IfMatch": etag} if holder else {"IfNoneMatch": "*"}
    try:
        s3.put_object(Bucket=bucket, Key=LOCK, Body=json.dumps({"execution": execution_arn}).encode(), **condition)
    except ClientError as error:
        if error_details(error)[0] in _OVERTAKEN:
            return False
        raise _failure("written", bucket, LOCK, error) from error
    except BotoCoreError as error:
        raise _failure("written", bucket, LOCK, error) from error
    return True


def grant(folder: RunFolder) -> None:
    """Let the run's execution take the lock within the next GRANT_SECONDS. Raises RunFolderError."""
    key = _grant_key(folder)
    try:
        folder.s3.put_object(Bucket=folder.bucket, Key=key, Body=b"")
    except (ClientError, BotoCoreError) as error:
        raise _failure("written", folder.bucket, key, error) from error


def holds(s3: S3Client, bucket: str, execution_arn: str) -> bool:
    """Tell whether the execution is still the one that may call. Raises RunFolderError."""
    return _holder(s3, bucket)[0] == execution_arn


def running_holder(s3: S3Client, sfn: SFNClient, bucket: str) -> str | None:
    """Return the execution that holds the lock and is under way, or None. Asks Step Functions only if there is a holder.

    Raises RunFolderError and ExecutionError.
    """
    holder, _ = _holder(s3, bucket)
    return holder if holder and executions.is_running(sfn, holder) else None


def is_free(s3: S3Client, sfn: SFNClient, bucket: str) -> bool:
    """Tell whether no execution may be calling. Raises RunFolderError and ExecutionError."""
    return running_holder(s3, sfn, bucket) is None


def wait_for_executions(
    s3: S3Client, sfn: SFNClient, bucket: str, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return once no execution may be calling. Raises RunFolderError and ExecutionError."""
    while holder := running_holder(s3, sfn, bucket):
        log.info("Waiting, without calling for anybody, until the execution %s has ended.", holder.rpartition(":")[2])
        sleep(_POLL_SECONDS)


def _grant_key(folder: RunFolder) -> str:
    return f"{folder.prefix}slots"


def _is_granted(folder: RunFolder) -> bool:
    key = _grant_key(folder)
    try:
        response = folder.s3.head_object(Bucket=folder.bucket, Key=key)
    except ClientError as error:
        if error_details(error)[0] in {"NoSuchKey", "404"}:
            return False
        raise _failure("read", folder.bucket, key, error) from error
    except BotoCoreError as error:
        raise _failure("read", folder.bucket, key, error) from error
    return (server_time(response) - response["LastModified"]).total_seconds() <= GRANT_SECONDS


def _holder(s3: S3Client, bucket: str) -> tuple[str, str]:
    """Return the execution that the object names, and the object's ETag; empty texts if there is none yet."""
    try:
        response = s3.get_object(Bucket=bucket, Key=LOCK)
        return str(json.loads(response["Body"].read())["execution"]), response["ETag"]
    except ClientError as error:
        if error_details(error)[0] == "NoSuchKey":
            return "", ""
        raise _failure("read", bucket, LOCK, error) from error
    except BotoCoreError as error:
        raise _failure("read", bucket, LOCK, error) from error


def _failure(doing: str, bucket: str, key: str, error: ClientError | BotoCoreError) -> RunFolderError:
    allow = f"s3:{'PutObject' if doing == 'written' else 'GetObject'} and s3:ListBucket"
    return aws.failure(RunFolderError, error, doing, f"s3://{bucket}/{key}", allow=allow, then="try again")
