"""The task that asks whether users may be deleted, and keeps the engines waiting for the answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from cognito_import_airflow import Aws, load_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow.sdk import Context

    from cognito_import.approval import Approval
    from cognito_import.run_folder import RunFolder
    from cognito_import.settings import Settings


class ApproveDeletion(ApprovalOperator):
    """Asks in Airflow whether a run's users may be deleted, and fails unless somebody says yes.

    `taken` is what `read_request` gave; `engine_tasks` names for each engine the task that goes on after a yes, and the
    others are skipped. No process waits meanwhile. Question and answer are stored in the run folder before anything
    follows from them: a retry follows the answer that is stored, or asks again if a worker died before it was. So it
    also makes good for a scheduler that takes the task for dead because it was answered before the scheduler had seen
    that it waits. A cleared task asks anew.
    """

    template_fields: Collection[str] = ("taken",)
    ui_color = "#f5c6a5"

    def __init__(self, *, taken: Any, engine_tasks: Mapping[str, str], **kwargs: Any) -> None:  # noqa: ANN401 - an XComArg, and BaseOperator's arguments
        """Take the run and its ways on, and what any operator takes."""
        # The question and its end are known when the task runs. With an end of some kind here, the operator leaves
        # `execution_timeout` to the time before it waits.
        super().__init__(subject="Delete users?", response_timeout=timedelta(days=1), **kwargs)
        self.taken = taken
        self.engine_tasks = dict(engine_tasks)

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - as the base class
        """Store the question and ask it; the task goes on in `execute_complete`."""
        from cognito_import import approval

        settings, folder = self._open()
        ti = context["ti"]
        before = approval.read(folder)
        if before and before.round == ti.max_tries and before.answer != approval.ASKED:
            return self._follow(context, settings, before)
        manifest = folder.required_manifest()
        asked_by = getattr(context["dag_run"], "triggering_user_name", None)
        self.subject = approval.subject(manifest)
        self.body = approval.question(folder, manifest, settings, asked_by)
        self.response_timeout = timedelta(seconds=settings.approval_seconds)
        approval.write(folder, self._stands(context, settings, approval.ASKED))
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ANN401 - as the base class
        """Store the answer and follow it. Raises AirflowFailException unless it is a yes."""
        from cognito_import import approval

        settings, folder = self._open()
        if event.get("error_type") == "timeout":
            answer = self._stands(context, settings, approval.LAPSED)
        elif "error" in event:
            self.process_trigger_event_error(event)
        else:
            self.validate_chosen_options(event["chosen_options"])
            word = approval.APPROVED if event["chosen_options"] == [self.APPROVE] else approval.REJECTED
            answer = self._stands(context, settings, word, event)
        approval.write(folder, answer)
        return self._follow(context, settings, answer)

    def _follow(self, context: Context, settings: Settings, answer: Approval) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        from cognito_import import approval

        if answer.answer != approval.APPROVED:
            message = f"{answer.reason(settings.time_zone)} Nobody is deleted. Clear this task with all behind it to ask again."
            raise AirflowFailException(message)
        self.log.info("The deletion was approved by %s.", answer.by or "somebody unknown")
        self.skip_all_except(context["ti"], self.engine_tasks[self.taken["engine"]])

    def _open(self) -> tuple[Settings, RunFolder]:
        from cognito_import.run_folder import RunFolder

        settings = load_settings()
        return settings, RunFolder(Aws(settings).s3, settings.report_bucket, self.taken["run"])

    def _stands(
        self, context: Context, settings: Settings, word: str, event: Mapping[str, Any] | None = None
    ) -> Approval:
        """The question as it stands now, or as `event` has answered it."""
        from cognito_import.approval import Approval

        event = event or {}
        user = event.get("responded_by_user") or {}
        at = event.get("responded_at") or datetime.now(UTC)
        by = str(user.get("name") or user.get("id") or "")
        # Airflow raises `max_tries` when a task is cleared and leaves it as it is for a retry.
        return Approval(word, at.isoformat(), settings.approval_seconds, by, context["ti"].max_tries)
