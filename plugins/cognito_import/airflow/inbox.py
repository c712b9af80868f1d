"""What the tasks of `cognito_import_nightly` do, and the operator that has one file imported by a run of its own."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import PokeReturnValue, get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from cognito_import.airflow.context import Aws, final_errors, load_settings
from cognito_import.airflow.private import start_run
from cognito_import.airflow.worker import Hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

DAG: Final = "cognito_import"
ENDED: Final = ("success", "failed")

log = logging.getLogger(__name__)


class ImportFile(TriggerDagRunOperator):
    """Starts the run of `file`, an InboxFile as a dictionary, or finds the one that is there; for imports awaits its end.

    The run's id is made from the file's version, so whatever is retried, cleared or run twice, Airflow itself refuses a
    second run. A run that asks for approval is not awaited: it may wait until the next day. The conf is made here, so that
    no XCom holds the administrator's address.
    """

    template_fields: Sequence[str] = ("file",)

    def __init__(self, *, file: Any, **kwargs: Any) -> None:
        """Take the file, and what any operator takes."""
        super().__init__(trigger_dag_id=DAG, logical_date=None, poke_interval=2, **kwargs)
        self.file = file

    def execute(self, context: Context) -> None:
        """Start the run, or go on waiting for it."""
        from cognito_import.inbox import Inbox
        from cognito_import.inbox_files import InboxFile

        file = InboxFile(**self.file)
        self.trigger_run_id = file.run_id
        with final_errors():
            settings = load_settings()
            self.conf = Inbox(Aws(settings).s3, settings).request(file)
        ti = context["ti"]
        if ti.get_dr_count(DAG, run_ids=[file.run_id]):
            self.log.info("The file has its run %s already.", file.run_id)
        else:
            if ti.get_dag(DAG).is_paused:
                message = (
                    f"The DAG {DAG} is paused, so the file's run would wait for ever: unpause it, then clear this task."
                )
                raise AirflowException(message)
            # Airflow's way would start it once this task's code has ended, and wait for it without a bound.
            start_run(DAG, file.run_id, self.conf)
        ti.xcom_push(key="trigger_run_id", value=file.run_id)  # where the operator's link looks
        hold = Hold()
        while not settings.asks_before(self.conf["jobtype"]) and ti.get_dagrun_state(DAG, file.run_id) not in ENDED:
            hold.check()
            time.sleep(self.poke_interval)


def list_files() -> list[dict[str, str]]:
    """Return the files of the inbox to import, each as the dictionary of an InboxFile."""
    from cognito_import.inbox import Inbox
    from cognito_import.night import wait_until_unchanged

    with final_errors():
        settings = load_settings()
        if settings.inbox is None:
            log.info("The setting 'inbox' is not set, so there is nothing to import.")
            return []
        return [file.as_dict() for file in wait_until_unchanged(Inbox(Aws(settings).s3, settings))]


def archive_if_ended(file: dict[str, str]) -> PokeReturnValue:
    """Move the file if its run has ended; the value is its new key."""
    from cognito_import import night
    from cognito_import.inbox import Inbox
    from cognito_import.inbox_files import InboxFile
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import run_name

    found = InboxFile(**file)
    state = get_current_context()["ti"].get_dagrun_state(DAG, found.run_id)
    if state not in ENDED:
        return PokeReturnValue(is_done=False)
    settings = load_settings()
    s3 = Aws(settings).s3
    folder = RunFolder(s3, settings.report_bucket, run_name(found.run_id))
    key = night.archive(Inbox(s3, settings), folder, found, state)
    return PokeReturnValue(is_done=True, xcom_value=key)


def raise_if_incomplete(listed: list[dict[str, str]] | None) -> None:
    """Raise AirflowFailException if the inbox was not listed, or one of its files failed or was not archived."""
    from cognito_import import night
    from cognito_import.inbox import Inbox
    from cognito_import.inbox_files import InboxFile

    if listed is None:
        message = (
            "The inbox was not listed: see the log of the task 'list_inbox'. The next night imports what waits there."
        )
        raise AirflowFailException(message)
    if not listed:
        return
    with final_errors():
        settings = load_settings()
        # The places of the files, not the XComs of `archive`: a task may have been cleared since.
        night.raise_if_incomplete(Inbox(Aws(settings).s3, settings), [InboxFile(**file) for file in listed])
