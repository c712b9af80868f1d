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

import logging
import time
from typing import TYPE_CHECKING, Final

from pydantic.dataclasses import dataclass

from cognito_import.engine import executions
from cognito_import.records import STRICT, Record
from cognito_import.run.folder import LOCK
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_stepfunctions.client import SFNClient

    from cognito_import.run.folder import RunFolder

GRANT_SECONDS: Final = 60.0
"""Shorter than the time after which Airflow takes a silent worker for dead and gives its slots to others."""

_POLL_SECONDS: Final = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, config=STRICT)
class Holder(Record):
    """The ARN of the execution that holds the lock, or was the last to hold it."""

    execution: str


def acquire(s3: S3Client, sfn: SFNClient, bucket: str, execution_arn: str, *, granted_by: RunFolder | None) -> bool:
    """Take the lock for the execution; return whether it has it.

    `granted_by` is the folder of the run whose sensor has to hold the slots, None for an execution that nobody in Airflow
    watches. Raises RunFolderError if S3 fails, and ExecutionError if Step Functions does not say whether the last holder
    runs.
    """
    holder, version = _holder(s3, bucket)
    if holder == execution_arn:
        return True
    if granted_by is not None and granted_by.slots_granted_ago() > GRANT_SECONDS:
        return False
    if holder and executions.is_running(sfn, holder):
        return False
    return _objects(s3, bucket).replace(LOCK, Holder(execution_arn).to_json(), version)


def holds(s3: S3Client, bucket: str, execution_arn: str) -> bool:
    """Return whether the execution is still the one that may call. Raises RunFolderError."""
    return _holder(s3, bucket)[0] == execution_arn


def running_holder(s3: S3Client, sfn: SFNClient, bucket: str) -> str | None:
    """Return the execution that holds the lock and is under way, or None. Asks Step Functions only if there is a holder.

    Raises RunFolderError and ExecutionError.
    """
    holder, _ = _holder(s3, bucket)
    return holder if holder and executions.is_running(sfn, holder) else None


def is_free(s3: S3Client, sfn: SFNClient, bucket: str) -> bool:
    """Return whether no execution may be calling. Raises RunFolderError and ExecutionError."""
    return running_holder(s3, sfn, bucket) is None


def wait_for_executions(
    s3: S3Client, sfn: SFNClient, bucket: str, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return once no execution may be calling. Raises RunFolderError and ExecutionError."""
    while holder := running_holder(s3, sfn, bucket):
        log.info("Waiting, without calling for anybody, until the execution %s has ended.", holder.rpartition(":")[2])
        sleep(_POLL_SECONDS)


def _holder(s3: S3Client, bucket: str) -> tuple[str, str | None]:
    """Return the execution that the lock names, empty if there is none yet, and the lock's version."""
    found = _objects(s3, bucket).stored(LOCK)
    return (Holder.from_json(found[0], LOCK).execution, found[1]) if found else ("", None)


def _objects(s3: S3Client, bucket: str) -> SharedObjects:
    return SharedObjects(s3, bucket, "")
