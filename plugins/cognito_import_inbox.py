"""The task of the nightly run that has one file of the inbox imported by a run of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from cognito_import_airflow import Aws, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

DAG: Final = "cognito_import"
ENDED: Final = ("success", "failed")


class ImportFile(TriggerDagRunOperator):
    """Starts the run of `file`, an InboxFile as a dictionary, or finds the one that is there; for imports awaits its end.

    The run's id is made from the file's version, so whatever is retried, cleared or run twice, Airflow itself refuses a
    second run. A deletion is not awaited: it may wait for its approval until the next day. The conf is made here, so that
    no XCom holds the administrator's address.
    """

    template_fields: Sequence[str] = ("file",)

    def __init__(self, *, file: Any, **kwargs: Any) -> None:  # noqa: ANN401 - an XComArg, and BaseOperator's arguments
        """Take the file, and what any operator takes."""
        super().__init__(
            trigger_dag_id=DAG,
            logical_date=None,
            allowed_states=list(ENDED),  # how it ended is for the next task
            failed_states=[],
            fail_when_dag_is_paused=True,  # else the run would wait for ever
            poke_interval=2,
            deferrable=False,
            **kwargs,
        )
        self.file = file

    def execute(self, context: Context) -> None:
        """Start the run, or go on waiting for it."""
        from cognito_import.inbox import Inbox, InboxFile

        settings = load_settings()
        file = InboxFile(**self.file)
        self.trigger_run_id = file.run_id
        self.conf = Inbox(Aws(settings).s3, settings).request(file)
        self.wait_for_completion = self.conf["jobtype"] == "import"
        ti = context["ti"]
        if not ti.get_dr_count(DAG, run_ids=[file.run_id]):
            super().execute(context)  # raises what has Airflow start the run
            return
        self.log.info("The file has its run %s already.", file.run_id)
        while self.wait_for_completion and ti.get_dagrun_state(DAG, file.run_id) not in ENDED:
            time.sleep(self.poke_interval)
