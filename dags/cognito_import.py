"""
### Import users into an Amazon Cognito user pool, or delete them

Creates each user and adds it to its groups, or deletes it, and mails the administrator a link to a CSV that says for every
address what happened and why. All runs together make at most 20 calls a second in each of Cognito's quota categories.

**Start it** with *Trigger* and the form, with `airflow dags trigger cognito_import --conf '…'`, or by
`POST /api/v2/dags/cognito_import/dagRuns`. A conf to paste:

```json
{
  "data": [
    {"useremail": "user01@example.com"},
    {"useremail": "user02@example.com", "attributes": {"given_name": "Hanako"}, "groups": ["BASIC", "STAFF"]}
  ],
  "adminemail": "admin@example.com"
}
```

For more than a few hundred users put a `.csv`, `.json` or `.jsonl` file into S3 and name it instead of `data`:

```json
{"source": "s3://my-bucket/users.csv", "adminemail": "admin@example.com"}
```

To delete users, hand over the same list with `"jobtype": "delete"`; `attributes` and `groups` are then passed over:

```json
{"jobtype": "delete", "data": [{"useremail": "user01@example.com"}], "adminemail": "admin@example.com"}
```

| task | does | when it fails |
| --- | --- | --- |
| `read_request` | checks the request, stores its users in the report bucket | the message names the key; no user was touched; trigger again with a better conf |
| `preflight` | looks at user pool, groups, bucket, sender, credentials and quota | mend what it lists, then clear it |
| `choose_engine` | goes on with `process_users` or `run_state_machine`, a deletion with `approve_deletion` | |
| `approve_deletion` | asks, and waits for the answer (*Required Actions*) | rejected, or no answer in time: nobody is deleted; clear it with *Downstream* to ask again |
| `process_users` | one task for each batch of users, in the pool `cognito_api` | retries by itself and goes on behind the last finished user |
| `run_state_machine` | starts and watches one execution, holding the whole pool | its log has the execution's error and cause; clear it to continue |
| `report` | CSV, link, mail | retries; touches no user |
| `finish` | gives the run its state | says what is missing |

**A retry or a clear** never calls for a finished user again. After an error that would have met every user (no permission, a
missing group, Cognito's daily mail limit) the calls stop: mend the cause, then clear the failed `process_users` tasks with
*Downstream*; a new report is mailed. A changed file needs a new run: a run keeps the users that it read first.

**Success** means that the report went out and every user was attempted. Users who failed for their own reasons, such as an
address that exists already, are results: look at the CSV.

**A deletion** touches nobody before somebody has approved it on the page *Required Actions* (or by
`PATCH …/taskInstances/approve_deletion/-1/hitlDetails` with `{"chosen_options": ["Approve"]}`). The question shows how many
users, some of them, who asked, and the user pool. After a day without an answer (setting `approval_seconds`), or a rejection,
the report says of every user that nobody was deleted and why, and the run fails. With the setting `approve_deletions` off
nobody is asked. A user who does not exist is a failure, `UserNotFoundException`; one whom a worker deleted as it died is a
success.

**Settings** come from the Variable `cognito_import`; see the README.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from cognito_import_airflow import POOL, POOL_SLOTS, Aws, load_settings, refusing
from cognito_import_approval import ApproveDeletion
from cognito_import_execution import RunExecution

RETRIES = 3
LAST_WORD = "all_done"  # report and finish run whatever became of the engine
IF_APPROVED = "none_failed"  # the question is skipped where there is none, and fails without a yes
ENGINE_TASKS = {"mapped": "process_users", "step_functions": "run_state_machine"}


@task(retries=RETRIES, execution_timeout=timedelta(minutes=30), multiple_outputs=False)
def read_request() -> dict[str, Any]:
    """Check the request and store its users. Gives the run's name and its counts."""
    from airflow.sdk.exceptions import AirflowFailException

    from cognito_import.errors import SettingsError
    from cognito_import.intake import take_in
    from cognito_import.run_folder import RunFolder, run_name

    dag_run = get_current_context()["dag_run"]
    try:
        settings = load_settings()
    except SettingsError as error:
        raise AirflowFailException(str(error)) from error
    s3 = Aws(settings).s3
    folder = RunFolder(s3, settings.report_bucket, run_name(dag_run.dag_id, dag_run.run_id))
    with refusing(folder):
        manifest = take_in(dag_run.conf or {}, settings, s3, folder)
    return {
        "run": folder.run,
        "users": manifest.users,
        "refused": manifest.refused,
        "engine": manifest.engine,
        "jobtype": manifest.jobtype,
        "began": manifest.began,
        "approve": manifest.jobtype == "delete" and settings.approve_deletions and manifest.users > manifest.refused,
    }


@task(retries=RETRIES, execution_timeout=timedelta(minutes=10), show_return_value_in_logs=False)
def preflight(taken: dict[str, Any]) -> list[dict[str, Any]]:
    """Check that AWS is ready. Gives the batches to process, as places in the run's file of users."""
    from dataclasses import asdict

    from cognito_import.preflight import Clients, check

    settings, aws, folder = open_run(taken)
    manifest = folder.required_manifest()
    with refusing(folder):
        clients = Clients(aws.cognito, folder.s3, aws.ses, aws.step_functions)
        check(manifest, settings, clients, aws.credentials_end(), pool_slots=POOL_SLOTS)
    return [{**taken, "label": batch.label, **asdict(batch)} for batch in manifest.batches]


@task.branch(retries=RETRIES, execution_timeout=timedelta(minutes=5))
def choose_engine(taken: dict[str, Any]) -> str:
    """Go on with the engine that the request or the settings name, a deletion with the question."""
    return "approve_deletion" if taken["approve"] else ENGINE_TASKS[taken["engine"]]


@task(
    pool=POOL,
    trigger_rule=IF_APPROVED,
    retries=RETRIES,
    execution_timeout=timedelta(hours=6),
    multiple_outputs=False,  # one XCom, not one more for each count
    map_index_template="{{ task.op_kwargs['batch']['label'] }}",
)
def process_users(batch: dict[str, Any]) -> dict[str, int]:
    """Create or delete the users of one batch who are not finished yet. Gives counts."""
    from dataclasses import asdict

    from airflow.sdk.exceptions import AirflowFailException

    from cognito_import import approval
    from cognito_import.batches import run_batch
    from cognito_import.errors import CallsStoppedError, NotApprovedError
    from cognito_import.pacing import Pacer
    from cognito_import.run_folder import Batch
    from cognito_import.user_pool import UserPool

    settings, aws, folder = open_run(batch)
    began = datetime.fromisoformat(batch["began"])
    held_for = (datetime.now(UTC) - get_current_context()["ti"].start_date).total_seconds()
    pacer = Pacer(settings.pacing_seconds, held_for=held_for)
    pool = UserPool(aws.cognito, settings, pacer, began=began, jobtype=batch["jobtype"])
    try:
        if batch["approve"]:
            approval.require(folder)
        return asdict(run_batch(folder, Batch.from_dict(batch), pool))
    except CallsStoppedError as stop:
        if stop.temporary:
            raise
        raise AirflowFailException(str(stop)) from stop
    except NotApprovedError as error:
        raise AirflowFailException(str(error)) from error


@task(trigger_rule=LAST_WORD, retries=RETRIES, execution_timeout=timedelta(minutes=30), multiple_outputs=False)
def report(taken: dict[str, Any] | None, batches: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Mail the administrator what became of every user. Gives counts and the CSV's key."""
    from dataclasses import asdict

    from airflow.sdk.exceptions import AirflowSkipException

    from cognito_import.delivery import deliver

    if taken is None or batches is None:
        message = "The run ended before any user was touched: there is nothing to report."
        raise AirflowSkipException(message)
    settings, aws, folder = open_run(taken)
    end = aws.credentials_end()
    return asdict(deliver(folder, settings, folder.s3, aws.ses, credentials_end=end, now=datetime.now(UTC)))


@task(trigger_rule=LAST_WORD, execution_timeout=timedelta(minutes=5))
def finish(delivery: dict[str, Any] | None) -> None:
    """Fail the run unless the report went out and every user was attempted."""
    from cognito_import.delivery import Delivery, verdict

    verdict(None if delivery is None else Delivery(**delivery))


def open_run(taken: dict[str, Any]) -> tuple[Any, Aws, Any]:
    """The settings, the clients and the run folder of what `read_request` gave."""
    from cognito_import.run_folder import RunFolder

    settings = load_settings()
    aws = Aws(settings)
    return settings, aws, RunFolder(aws.s3, settings.report_bucket, taken["run"])


with DAG(
    dag_id="cognito_import",
    description="Import users into an Amazon Cognito user pool, or delete them, and mail a report of every one",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["cognito"],
    default_args={"owner": "cognito-import", "retry_delay": timedelta(seconds=20)},
    # Airflow's default of 16 would leave slots of the pool idle, and several runs may share them.
    max_active_tasks=64,
    dagrun_timeout=timedelta(days=9),  # seven of them for the answer to a deletion
    render_template_as_native_obj=False,
    params={
        "adminemail": Param(
            None,
            type=["null", "string"],
            title="Administrator",
            description="The address that gets the report. Required.",
        ),
        "data": Param(
            None,
            type=["null", "array"],
            items={"type": "object"},
            title="Users",
            description='An array of objects such as {"useremail": "user01@example.com"}; attributes and groups are '
            "optional. Either this or Source.",
        ),
        "source": Param(
            None,
            type=["null", "string"],
            title="Source",
            description="The s3://bucket/key of a .csv, .json or .jsonl file with the same fields (CSV: a header row).",
        ),
        "jobtype": Param(
            "import",
            type="string",
            enum=["import", "delete"],
            title="Job",
            description="import creates the users; delete deletes them, once somebody has approved it.",
        ),
        "engine": Param(
            None,
            type=["null", "string"],
            enum=[None, "mapped", "step_functions"],
            title="Engine",
            description="Where the calls are made. Leave empty for the deployment's default.",
        ),
    },
):
    taken = read_request()
    batches = preflight(taken)
    approved = ApproveDeletion(
        task_id="approve_deletion",
        taken=taken,
        engine_tasks=ENGINE_TASKS,
        retries=RETRIES,
        execution_timeout=timedelta(minutes=10),
    )
    mapped = process_users.expand(batch=batches)
    state_machine = RunExecution(
        task_id="run_state_machine",
        taken=taken,
        pool=POOL,
        # All slots, so that an execution never calls beside another one or beside mapped tasks; and ahead of those, or it
        # would wait for as long as one of them is left.
        pool_slots=POOL_SLOTS,
        priority_weight=1000,
        poke_interval=2,
        timeout=timedelta(days=1).total_seconds(),
        trigger_rule=IF_APPROVED,
        execution_timeout=timedelta(days=1),
        retries=RETRIES,
    )
    reported = report(taken, batches)
    engines = [mapped, state_machine]
    choose_engine(taken) >> [approved, *engines]
    batches >> [approved, state_machine]
    approved >> engines >> reported
    finish(reported)
