"""What the tasks of `cognito_import` do: each opens the run of the current task, and calls the core.

Imported whenever the DAG file is parsed, so the core is imported when a step runs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from cognito_import.airflow.context import NOTE, POOL_SLOTS, final_errors, open_run, run_page, runs_sharing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.report.ending import Ending


def read_request() -> dict[str, Any]:
    """Check the request, store its users and return their counts."""
    from cognito_import.inbox_files import is_from_inbox
    from cognito_import.ingest import ingest_request

    dag_run = get_current_context()["dag_run"]
    with final_errors():
        settings, aws, folder = open_run()
        with final_errors(reject=folder):
            conf, asked_by = dag_run.conf or {}, getattr(dag_run, "triggering_user_name", None) or ""
            night = is_from_inbox(dag_run.run_id)
            manifest = ingest_request(
                conf,
                settings,
                folder.s3,
                folder,
                cognito=aws.cognito,
                asked_by=asked_by,
                from_inbox=night,
                sharing=runs_sharing(),
            )
    return {
        "run": folder.run,
        "users": manifest.users,
        "rejected": manifest.rejected_rows,
        "engine": manifest.engine,
        "jobtype": manifest.jobtype,
    }


def preflight() -> list[dict[str, Any]]:
    """Check that AWS is ready. Return the number and the label of each batch, and the rows that were read for it."""
    from cognito_import.preflight import Clients, check

    with final_errors():
        settings, aws, folder = open_run()
        manifest = folder.required_manifest()
        with final_errors(reject=folder):
            manifest.raise_if_differs(settings)
            clients = Clients(aws.cognito, folder.s3, aws.ses, aws.step_functions, aws.sesv2, aws.cloudwatch)
            rows, end = folder.all_rows(), aws.signer.credentials_expire_at()
            check(manifest, settings, clients, end, rows=rows, pool_slots=POOL_SLOTS, folder=folder)
        folder.withdraw_rejection()  # what an earlier attempt rejected is right now
    return [{"number": batch.number, "label": batch.label, "rows": manifest.rows} for batch in manifest.batches]


def next_task(engine_tasks: Mapping[str, str]) -> str:
    """Return the id of the task behind `preflight`: the question, or the run's engine of `engine_tasks`."""
    with final_errors():
        _, _, folder = open_run()
        manifest = folder.required_manifest()
    return "approve" if manifest.approve else engine_tasks[manifest.engine]


def process_users(batch: dict[str, Any]) -> dict[str, int]:
    """Process the users of one batch who are not finished yet, and return counts."""
    from dataclasses import asdict
    from functools import partial

    from cognito_import.engine import execution_lock
    from cognito_import.engine.batches import run_batch
    from cognito_import.engine.pace import slot_pacer
    from cognito_import.engine.user_pool import UserPool
    from cognito_import.invitations import share_out_again
    from cognito_import.run import approval

    with final_errors():
        settings, aws, folder = open_run()
        manifest = folder.required_manifest()
        with final_errors(reject=folder):
            manifest.raise_if_planned_otherwise("mapped", batch.get("rows"))
            manifest.raise_if_differs(settings)
        approval.require(folder)
        execution_lock.wait_for_executions(folder.s3, aws.step_functions, folder.bucket)
        share_out_again(manifest, settings, folder, manifest.batches[batch["number"] - 1])
        held_for = (datetime.now(UTC) - get_current_context()["ti"].start_date).total_seconds()
        pacer = slot_pacer(settings, folder, held_for=held_for)
        pool = UserPool(aws.cognito, manifest.applied_to(settings), pacer, jobtype=manifest.jobtype)
        alone = partial(execution_lock.is_free, folder.s3, aws.step_functions, folder.bucket)
        return asdict(run_batch(folder, manifest.batches[batch["number"] - 1], pool, alone=alone))


def report() -> dict[str, Any]:
    """Mail the administrator what became of every user, or why nobody was touched. Return counts and the CSV's key."""
    from dataclasses import asdict

    from airflow.sdk.exceptions import AirflowSkipException

    ending = _conclude()
    if ending.delivery is None:
        raise AirflowSkipException(ending.reason)
    return asdict(ending.delivery)


def finish() -> None:
    """Fail the run unless the report went out and every user was attempted. Report again what has changed since."""
    ending = _conclude()
    with final_errors():
        ending.raise_if_incomplete()


def _conclude() -> Ending:
    """Report the run as it stands. What was reported before is not mailed again."""
    from cognito_import.inbox_files import is_from_inbox
    from cognito_import.report.ending import conclude

    with final_errors():
        context = get_current_context()
        dag_run = context["dag_run"]
        settings, aws, folder = open_run()
        ending = conclude(
            folder,
            settings,
            aws.ses,
            aws.step_functions,
            request=dag_run.conf or {},
            from_inbox=is_from_inbox(dag_run.run_id),
            signer=aws.signer.s3 if settings.link_conn_id else None,
            credentials_expire_at=aws.signer.credentials_expire_at(),
            now=datetime.now(UTC),
            page=run_page(),
        )
        context["ti"].xcom_push(NOTE, ending.note(folder, settings.locale))  # the plugin shows it in the list of runs
        return ending
