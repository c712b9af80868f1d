"""
### Import the files of the S3 inbox

Takes every file that upstream systems have put into the inbox (the setting `inbox`, an `s3://bucket/prefix/`), and starts
one run of `cognito_import` for it: imports one after another in the order of their arrival, then deletions, each of which
waits for its approval. Runs at 02:00 in Asia/Tokyo; the environment variables `COGNITO_IMPORT_NIGHTLY_CRON` and
`COGNITO_IMPORT_NIGHTLY_TIME_ZONE` name another time. *Trigger* runs it now; it takes no conf:

```json
{}
```

**A file** is a `.csv`, `.json` or `.jsonl` file as in the key `source` of a request. Who gets its report and what is done
with its users is said by the setting `inbox_rules`, by the beginning of its key below the inbox; the longest that fits holds:

```json
{"": {"adminemail": "admin@example.com"},
 "leavers/": {"adminemail": "hr@example.com", "jobtype": "delete"}}
```

| task | does | when it fails |
| --- | --- | --- |
| `list_inbox` | lists the files that have not changed for a minute | says what S3 said; the next night does the same |
| `file.import_file` | starts the file's run, or finds it, and awaits an import's end | retries; the same run is found again |
| `file.file_away` | moves the file when its run has ended, and mails the administrator why if it was refused | retries; the file stays until then |
| `finish` | gives the run its state | says how many files went to `failed/` |

**When its run has ended** a file goes to `processed/` if every user was attempted and reported, else to `failed/` with a text
beside it that says why; never before, and it never disappears. Users who failed for their own reasons do not fail a file.

**Exactly once**: the run's id is made from the file's key and version, so a file is imported once whatever is retried,
cleared or run twice. To import a file again put it into the inbox again. A run that failed half-way can be cleared in
`cognito_import` as its manual says; it goes on behind its last finished user, wherever the file lies meanwhile.

**Left alone** are hidden files and names such as `*.part` and `*.tmp`, which tools give to a file while they write it.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, PokeReturnValue, XComArg, get_current_context, task, task_group

from cognito_import_airflow import Aws, load_settings
from cognito_import_inbox import DAG as IMPORT
from cognito_import_inbox import ENDED, ImportFile

CRON = os.environ.get("COGNITO_IMPORT_NIGHTLY_CRON", "0 2 * * *")
TIME_ZONE = os.environ.get("COGNITO_IMPORT_NIGHTLY_TIME_ZONE", "Asia/Tokyo")
RETRIES = 3

log = logging.getLogger(__name__)


@task(retries=RETRIES, execution_timeout=timedelta(minutes=30))
def list_inbox() -> list[dict[str, str]]:
    """List the files to import, once those that have only just arrived are at rest."""
    from cognito_import.inbox import Inbox, wait_for_rest

    settings = load_settings()
    if settings.inbox is None:
        log.info("The setting 'inbox' names no inbox, so there is nothing to do.")
        return []
    return [file.as_dict() for file in wait_for_rest(Inbox(Aws(settings).s3, settings))]


@task.sensor(
    mode="reschedule",  # holds no worker while a deletion waits for its approval
    poke_interval=30,
    timeout=timedelta(hours=20).total_seconds(),
    soft_fail=True,  # what has not ended by then is the next night's
    execution_timeout=timedelta(minutes=30),
    retries=RETRIES,
)
def file_away(file: dict[str, str]) -> PokeReturnValue:
    """Move the file when its run has ended. Gives its new key and whether it failed."""
    from cognito_import.delivery import shortfall, tell_refusal
    from cognito_import.inbox import Inbox, InboxFile
    from cognito_import.run_folder import RunFolder, run_name

    found = InboxFile(**file)
    state = get_current_context()["ti"].get_dagrun_state(IMPORT, found.run_id)
    if state not in ENDED:
        return PokeReturnValue(is_done=False)
    settings = load_settings()
    aws = Aws(settings)
    inbox = Inbox(aws.s3, settings)
    folder = RunFolder(aws.s3, settings.report_bucket, run_name(IMPORT, found.run_id))
    reason = shortfall(folder, state)
    if reason is not None:
        tell_refusal(
            folder, settings, aws.ses, to=inbox.rule(found).adminemail, source=found.key, now=datetime.now(UTC)
        )
        reason = f"{reason}\n\nRun: {found.run_id}"
    manifest = folder.manifest()
    key = inbox.file_away(found, etag=manifest and manifest.source_etag, reason=reason)
    return PokeReturnValue(is_done=True, xcom_value={"key": key, "failed": reason is not None})


@task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
def finish(listed: list[dict[str, str]] | None, filed: list[dict[str, Any]] | None) -> None:
    """Fail the run if the inbox was not listed, or a file went to failed/ or stayed where it was."""
    from cognito_import.inbox import verdict

    verdict(None if listed is None else len(listed), list(filed or ()))


with DAG(
    dag_id="cognito_import_nightly",
    description="Import every file of the S3 inbox, each by a run of its own",
    doc_md=__doc__,
    # A new installation begins with the coming night.
    schedule=CronTriggerTimetable(CRON, timezone=TIME_ZONE, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["cognito"],
    default_args={"owner": "cognito-import", "retry_delay": timedelta(seconds=20)},
    dagrun_timeout=timedelta(hours=23),  # the next night waits for this one
):

    @task_group(group_id="file")
    def one_file(file: dict[str, str]) -> XComArg:
        """Import one file, then file it away."""
        imported = ImportFile(
            task_id="import_file",
            file=file,
            map_index_template="{{ task.file['key'] }}",
            # One after another: two files may name one address, which must never be in two tasks at once, and a later
            # file has to find what an earlier one did.
            max_active_tis_per_dagrun=1,
            retries=RETRIES,
            execution_timeout=timedelta(hours=20),
        )
        filed = file_away(file)
        imported >> filed
        return filed

    listed = list_inbox()
    finish(listed, one_file.expand(file=listed))
