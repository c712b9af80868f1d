"""
### Import the files of the S3 inbox

Starts one run of `cognito_import` for every file that upstream systems have put into the inbox (the setting `inbox`, an
`s3://bucket/prefix/`): imports one after another in the order of their arrival, then deletions, each of which waits for its
approval. Runs at 02:00 in Asia/Tokyo; the environment variables `COGNITO_IMPORT_NIGHTLY_CRON` and
`COGNITO_IMPORT_NIGHTLY_TIME_ZONE` set another time. *Trigger* runs it now; it takes no conf, and whoever triggers it cannot
approve its deletions:

```json
{}
```

**A file** is a `.csv`, `.json` or `.jsonl` file as in the key `source` of a request. The setting `inbox_rules` says who gets its
report and what is done with its users. A rule's key is the beginning of a file's key below the inbox; the longest match applies:

```json
{"": {"adminemail": "admin@example.com"},
 "leavers/": {"adminemail": "hr@example.com", "jobtype": "delete"}}
```

| task | does | when it fails |
| --- | --- | --- |
| `list_inbox` | lists the files that have not changed for a minute | its log has S3's error; the next night tries again |
| `file.import_file` | starts the file's run, or finds it, and waits for an import to end | retries; the same run is found again |
| `file.archive` | moves the file when its run has ended | retries; the file stays until then |
| `finish` | sets the run's state | says how many files went to `failed/` |

**One address in two files**: the file that arrived last wins, although imports run first. A deletion leaves alone users in an
import whose file arrived after its own, even on a later night while it waited for its approval (`ImportedSince` in its report),
and users who were created since its file arrived, but not by an earlier file (`CreatedSince`). Of files that arrive in the same
second the import wins. To delete such a user, put the file of leavers into the inbox again.

**When its run has ended** a file goes to `processed/` if every user was attempted and reported, otherwise to `failed/` with a
text beside it that says why. It is never moved before, and it never disappears. Users who failed for their own reasons do not fail a file.
Users whom Cognito's own sender cannot invite today (it mails 50 a day) are left in the inbox, as `NAME_rest_….csv`: the next night
takes them up. The file itself goes to `processed/`; its run is no success, for it did not attempt them, and need not be cleared.

**Exactly once**: the run's id is made from the file's key and version, so a file is imported once whatever is retried,
cleared or run twice. To import a file again, or a corrected one, put it into the inbox. A run that failed after its first
call can be cleared in `cognito_import` as its manual says; it resumes after its last finished user, wherever the file is
by then.

**Ignored** are hidden files and names such as `*.part` and `*.tmp`, which tools give to a file while they write it.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, PokeReturnValue, TriggerRule, task, task_group

from cognito_import.airflow import inbox
from cognito_import.airflow.inbox import ImportFile
from cognito_import.airflow.labels import localize

CRON = os.environ.get("COGNITO_IMPORT_NIGHTLY_CRON", "0 2 * * *")
TIME_ZONE = os.environ.get("COGNITO_IMPORT_NIGHTLY_TIME_ZONE", "Asia/Tokyo")
RETRIES = 3


@task(retries=RETRIES, execution_timeout=timedelta(minutes=30))
def list_inbox() -> list[dict[str, str]]:
    """List the files to import, after waiting for those that have only just changed."""
    return inbox.list_files()


@task.sensor(
    mode="reschedule",  # holds no worker while a deletion waits for its approval
    poke_interval=30,
    timeout=timedelta(hours=20).total_seconds(),
    soft_fail=True,  # a run that has not ended by then is left to the next night
    execution_timeout=timedelta(minutes=30),
    retries=RETRIES,
)
def archive(file: dict[str, str]) -> PokeReturnValue:
    """Move the file when its run has ended."""
    return inbox.archive_if_ended(file)


# It runs even if a file failed, because it says how many did.
@task(trigger_rule=TriggerRule.ALL_DONE, retries=RETRIES, execution_timeout=timedelta(minutes=30))
def finish(listed: list[dict[str, str]] | None) -> None:
    """Fail the run if the inbox was not listed, or a file went to failed/ or stayed where it was."""
    inbox.raise_if_incomplete(listed)


with DAG(
    dag_id="cognito_import_nightly",
    description="Import every file of the S3 inbox, each by a run of its own",
    doc_md=__doc__,
    # A new installation starts with the coming night.
    schedule=CronTriggerTimetable(CRON, timezone=TIME_ZONE, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=["cognito"],
    default_args={"owner": "cognito-import", "retry_delay": timedelta(seconds=20)},
    dagrun_timeout=timedelta(hours=23),  # the next night waits for this one
):

    @task_group(group_id="file")
    def one_file(file: dict[str, str]) -> None:
        """Import one file, then archive it."""
        imported = ImportFile(
            task_id="import_file",
            file=file,
            map_index_template="{{ task.file['key'] }}",
            # One after another: two files may name one address, which must never be in two tasks at once, and a later
            # file has to find what the earlier one did.
            max_active_tis_per_dagrun=1,
            retries=RETRIES,
            execution_timeout=timedelta(hours=8),  # of one worker; the task moves to another one before
        )
        imported >> archive(file)

    listed = list_inbox()
    one_file.expand(file=listed) >> finish(listed)
    localize(listed.operator.dag)  # type: ignore[attr-defined]
