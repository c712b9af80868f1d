"""
### Import users into an Amazon Cognito user pool, or delete them

Creates each user and adds it to its groups, or deletes it, and mails the administrator a link to a CSV that says for every
address what happened and why. All runs together make at most 20 calls a second in each of Cognito's quota categories.

**Start it** on the page *Cognito*, with *Trigger* and the form, with `airflow dags trigger cognito_import --conf '…'`, or by
`POST /api/v2/dags/cognito_import/dagRuns`. Put a `.csv`, `.json` or `.jsonl` file into S3; a conf to paste:

```json
{"source": "s3://my-bucket/users.csv", "adminemail": "admin@example.com"}
```

To delete users, use the same list with `"jobtype": "delete"`; `attributes` and `groups` are ignored:

```json
{"jobtype": "delete", "source": "s3://my-bucket/leavers.csv", "adminemail": "admin@example.com"}
```

`"jobtype": "disable"` keeps users from signing in, until `"jobtype": "enable"` lets them again.

To undo an import, name its run: the users whom it created are deleted, once that is approved, except those who were changed since.

```json
{"undo": "run-20261124T100000Z-1a2b3c", "adminemail": "admin@example.com"}
```

To import a list again until it is true, add `"existing_users": "complete"`: users who exist join the groups that they lack and
get the attributes that their rows name. With `"dry_run": true` nothing is changed and nobody is asked: each user is looked up, and
the report says what would become of it, and how long the real run takes. Its CSV is a list for the real run.

With `"invite": true` new users are mailed an invitation, and with `"resend_invitation": true` beside it also users who exist and have not
signed in yet. Cognito's own sender mails 50 a day: users beyond them are `NotAttempted`; clear the run the next day to invite more.

For a handful of users, or a test, paste addresses or cells of a spreadsheet into the form's field *Users*, or write them into the
conf: as `lines`, a text with an address in each line, or as `data`. Airflow shows the whole conf in its list of runs and its
audit log, to everybody who may see those; of a `source` it shows only the file's name.

```json
{
  "data": [
    {"useremail": "user01@example.com"},
    {"useremail": "user02@example.com", "attributes": {"given_name": "Hanako"}, "groups": ["BASIC", "STAFF"]}
  ],
  "adminemail": "admin@example.com"
}
```

| task | does | when it fails |
| --- | --- | --- |
| `read_request` | checks the request, stores its users in the report bucket | the message names the key; no user was touched; correct the setting or the file and clear it with *Downstream*, or trigger a run with a corrected conf |
| `preflight` | checks user pool, groups, bucket, sender, credentials and quota; its log says when the run will be over | fix what it lists, then clear `read_request` with *Downstream* |
| `choose_engine` | continues with `process_users` or `start_execution`; with `approve` if the run needs approval | |
| `approve` | asks, and waits for the answer (*Required Actions*) | rejected, or no answer in time: nobody is deleted; clear it with *Downstream* to ask again |
| `process_users` | one task for each batch of users, in the pool `cognito_api` | retries by itself for about 45 minutes, and resumes after the last finished user |
| `start_execution` | starts the state machine's execution, named after the run | its log says why; fix that, then clear it with *Downstream* |
| `await_execution` | holds all slots of the pool, which lets the execution begin, and waits for its end | its log has the execution's error and cause; fix it, then clear it: another execution continues |
| `report` | stores the CSV and mails its link, or mails why the request was rejected | retries; touches no user |
| `finish` | sets the run's state; reports again if outcomes have changed since | names the cause first |

**A retry or a clear** never calls Cognito for a finished user again. An error that every user would meet (no permission, a
missing group, Cognito's daily mail limit) stops the calls: fix the cause, then clear the failed tasks with *Downstream*.
`report` and `finish` run again whatever is cleared, and read the stored outcomes: a new report is mailed if anything has
changed.

**A wrong setting or file** can be corrected until the run's first call for one of its users: correct it, then clear
`read_request` with *Downstream*. The request is read again, and a deletion has to be approved again. From the first call on
the run keeps what it read: its users, their groups, the user pool and whether users are invited.

**When the first 50 users all fail alike** (all users of a run that has 10 to 49), for a reason that is not their own, the calls
stop and the run fails with that reason. To go on regardless, clear its failed tasks: it does not stop for this again.

**To stop an import**, mark its run as failed. Running tasks end, an execution is stopped, and `report` and `finish` still
run: the mail says what is known of every user. To continue, clear `read_request` with *Downstream*. A paused DAG starts no
task, not even the report, even if the run is marked as failed: unpause it.

**Success** means that the report went out and every user was attempted. Users who failed for their own reasons, such as an
address that exists already, are results: the run's note counts them, the CSV names them.

**A deletion** deletes nobody before somebody has approved it on the page *Required Actions* (or by
`PATCH …/taskInstances/approve/-1/hitlDetails` with `{"chosen_options": ["Approve"]}`). The question shows how many
users, the first five of them, their status and groups (of a sample of 100), who asked, and the user pool; the setting's `approvers` get a mail. Whoever asked for the deletion may
reject but not approve it, unless the setting `approve_own` allows that. After a day without an answer (setting
`approval_seconds`), or a rejection, nobody is deleted, the report says why, and the run fails. With the setting
`approve_deletions` off nobody is asked; with `approve_disabling` on, a run that disables users asks in the same way. A user who does not exist is a failure, `UserNotFoundException`; one whom
a worker deleted as it died is a success.

**Side by side**: runs share the pool's slots. An execution takes all of them and calls nobody before it has them; mapped
tasks wait, without calling, while an execution that an application started is under way. No two runs call for one address at
the same time: a task leaves out users whom another run is processing, fails with `InAnotherRun`, and its retry processes them.
A deletion leaves alone users in an import that was requested later (`ImportedSince`), and users who were created since it was
requested (`CreatedSince`).

**Settings** come from the Variable `cognito_import`; `docs/operator.md` of the project describes them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TriggerRule, cross_downstream, task

from cognito_import.airflow import steps
from cognito_import.airflow.approval import ApproveRun
from cognito_import.airflow.context import POOL, POOL_SLOTS
from cognito_import.airflow.executions import AwaitExecution, StartExecution
from cognito_import.airflow.labels import localize
from cognito_import.airflow.params import request_params
from cognito_import.airflow.run_names import NamedRuns

RETRIES = 3
# About 45 minutes in all, longer than most outages of AWS. A task that waits for its retry holds no slot.
PATIENT: dict[str, Any] = {
    "retries": 12,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
}
ENGINE_TASKS = {"mapped": "process_users", "step_functions": "start_execution"}


@task(retries=RETRIES, execution_timeout=timedelta(minutes=30), multiple_outputs=False)
def read_request() -> dict[str, Any]:
    """Check the request, store its users and return their counts."""
    return steps.read_request()


@task(retries=RETRIES, execution_timeout=timedelta(minutes=10), show_return_value_in_logs=False)
def preflight() -> list[dict[str, Any]]:
    """Check that AWS is ready, and return the batches to process."""
    return steps.preflight()


@task.branch(retries=RETRIES, execution_timeout=timedelta(minutes=5))
def choose_engine() -> str:
    """Continue with the run's engine, or with the question if a deletion needs approval."""
    return steps.next_task(ENGINE_TASKS)


@task(
    pool=POOL,
    # `approve` is skipped for an import, and fails unless the deletion is approved.
    trigger_rule=TriggerRule.NONE_FAILED,
    execution_timeout=timedelta(hours=6),
    multiple_outputs=False,  # one XCom instead of one for each count
    map_index_template="{{ task.op_kwargs['batch']['label'] }}",
    **PATIENT,
)
def process_users(batch: dict[str, Any]) -> dict[str, int]:
    """Process the users of one batch who are not finished yet, and return counts."""
    return steps.process_users(batch)


@task(retries=RETRIES, execution_timeout=timedelta(minutes=30), multiple_outputs=False)
def report() -> dict[str, Any]:
    """Mail the administrator what became of every user, or why nobody was touched. Return counts and the CSV's key."""
    return steps.report()


@task(retries=RETRIES, execution_timeout=timedelta(minutes=30))
def finish() -> None:
    """Fail the run unless the report went out and every user was attempted. Report again what has changed since."""
    steps.finish()


with DAG(
    dag_id="cognito_import",
    description="Import users into an Amazon Cognito user pool, or delete them, and mail a report of every one",
    doc_md=__doc__,
    schedule=NamedRuns(),  # none; it names the runs that are triggered
    catchup=False,
    is_paused_upon_creation=False,  # Airflow's default: a run that somebody triggers would stay queued for ever
    tags=["cognito"],
    default_args={"owner": "cognito-import", "retry_delay": timedelta(seconds=20)},
    # Airflow's default of 16 would leave slots of the pool idle, and several runs may share them.
    max_active_tasks=64,
    # Runs that wait for the approval of a deletion count, and must not keep imports from starting.
    max_active_runs=1_000,
    dagrun_timeout=timedelta(days=9),  # seven of them for the answer to a deletion
    render_template_as_native_obj=False,
    params=request_params(),
):
    # Airflow runs teardowns even if somebody marks the run as failed, and clears them with every other task. `report` and
    # `finish` are teardowns for that reason, and a teardown needs a setup: `begin` does nothing else.
    begin = EmptyOperator(
        task_id="begin", doc="Marks where the run begins.", execution_timeout=timedelta(minutes=1)
    ).as_setup()  # type: ignore[no-untyped-call]
    batches, chosen = preflight(), choose_engine()
    approved = ApproveRun(
        task_id="approve",
        engine_tasks=ENGINE_TASKS,
        retries=RETRIES,
        execution_timeout=timedelta(minutes=10),
    )
    mapped = process_users.expand(batch=batches)
    started = StartExecution(
        task_id="start_execution",
        trigger_rule=TriggerRule.NONE_FAILED,  # as of `process_users`
        execution_timeout=timedelta(minutes=10),
        **PATIENT,
    )
    awaited = AwaitExecution(
        task_id="await_execution",
        execution_arn=started.output,
        pool=POOL,
        # It takes all slots, so that an execution never calls beside mapped tasks or another execution. Its priority is above
        # theirs, because it would otherwise wait until none of them is left.
        pool_slots=POOL_SLOTS,
        priority_weight=1000,
        poke_interval=2,
        timeout=timedelta(days=1).total_seconds(),
        execution_timeout=timedelta(hours=8),  # of one worker; the task moves to another one before
        **PATIENT,
    )
    reported = report().as_teardown(setups=begin, on_failure_fail_dagrun=True)
    finished = finish().as_teardown(setups=begin, on_failure_fail_dagrun=True)

    begin >> read_request() >> [batches, chosen] >> approved >> [mapped, started]
    cross_downstream([batches, chosen], [mapped, started])  # an import is not asked about
    [mapped, awaited] >> reported >> finished
    localize(begin.dag)
