"""The task that asks whether users may be deleted or disabled, and keeps the engines waiting for the answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import get_current_context

from cognito_import.airflow.context import final_errors, open_run

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow.sdk import Context

    from cognito_import.airflow.context import Aws
    from cognito_import.run.approval import Answer, Approval
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest
    from cognito_import.settings import Settings


class ApproveRun(ApprovalOperator):
    """Asks in Airflow whether a run may process its users, and fails unless somebody else than the asker says yes.

    `engine_tasks` names for each engine the task that goes on after a yes, and the others are skipped. No process waits
    meanwhile. Question and answer are stored in the run folder before anything follows from them: a retry follows the
    answer that is stored, or asks again if a worker died before it was. This also covers a scheduler that
    takes the task for dead because the answer came before the scheduler had seen the task wait. A cleared task asks anew, and so
    does one that whoever asked for the run has approved.
    """

    template_fields: Collection[str] = ()  # Airflow keeps what it renders, and the question holds addresses
    ui_color = "#f5c6a5"

    def __init__(self, *, engine_tasks: Mapping[str, str], **kwargs: Any) -> None:
        """Take the run's ways on, and what any operator takes."""
        # The question and its end are known when the task runs. With an end of some kind here, the operator leaves
        # `execution_timeout` to the time before it waits.
        super().__init__(subject="Process users?", response_timeout=timedelta(days=1), **kwargs)
        self.engine_tasks = dict(engine_tasks)

    def execute(self, context: Context) -> Any:
        """Store the question and ask it; the task goes on in `execute_complete`."""
        from cognito_import.report.question import question
        from cognito_import.report.survey import survey
        from cognito_import.run import approval

        with final_errors():
            settings, aws, folder = open_run()
            before = approval.read(folder)
            round_ = context["ti"].max_tries
            manifest = folder.required_manifest()
            same = before and before.round == round_ and before.rows == manifest.approved
            if before and same and before.answer != approval.ASKED:
                return self._follow(context, settings, folder, before)
            self.response_timeout = timedelta(seconds=settings.approval_seconds)
            found = survey(folder, aws.cognito, datetime.now(UTC))
            shown = question(folder, settings, datetime.now(UTC) + self.response_timeout, found)
            self.subject, self.body = shown.subject, shown.body
            self.assigned_users = [{"id": user, "name": user} for user in settings.approver_ids] or None
            asked = self._stands(context, settings, manifest.approved, approval.ASKED)
            approval.write(folder, asked)
            folder.withdraw_rejection()  # what kept an earlier yes from being followed
        if not same:
            self._tell_approvers(settings, aws, manifest, folder.run)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Store the answer and follow it. Raises AirflowFailException unless it is a yes."""
        from airflow.sdk.exceptions import AirflowException

        from cognito_import.run import approval

        with final_errors():
            settings, _, folder = open_run()
            manifest, asked = folder.required_manifest(), approval.read(folder)
            rows = asked.rows if asked else ""  # the request may have been read anew since
            if event.get("error_type") == "timeout":
                answer = self._stands(context, settings, rows, approval.LAPSED)
            elif "error" in event:
                self.process_trigger_event_error(event)
            else:
                self.validate_chosen_options(event["chosen_options"])
                word: approval.Answer = "approved" if event["chosen_options"] == [self.APPROVE] else "rejected"
                answer = self._stands(context, settings, rows, word, event)
            if answer.answer == approval.APPROVED and not approval.may_answer(manifest, settings, answer.by):
                message = f"{answer.by} asked for this run, so somebody else has to approve it; asking again."
                raise AirflowException(message)
            approval.write(folder, answer)
            return self._follow(context, settings, folder, answer)

    def _follow(self, context: Context, settings: Settings, folder: RunFolder, answer: Approval) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        from cognito_import.run import approval

        if answer.answer != approval.APPROVED:
            message = f"{answer.reason(settings.time_zone)} No user is touched. Clear this task with all behind it to ask again."
            raise AirflowFailException(message)
        self.log.info("The run was approved by %s.", answer.by or "somebody unknown")
        self.skip_all_except(context["ti"], self.engine_tasks[folder.required_manifest().engine])

    def _stands(
        self,
        context: Context,
        settings: Settings,
        rows: str,
        word: Answer,
        event: Mapping[str, Any] | None = None,
    ) -> Approval:
        """Return the question about `rows` as it stands now, or as `event` has answered it."""
        from cognito_import.run.approval import Approval

        event = event or {}
        user = event.get("responded_by_user") or {}
        at = event.get("responded_at") or datetime.now(UTC)
        by = str(user.get("name") or user.get("id") or "")
        # Airflow raises `max_tries` when a task is cleared and leaves it as it is for a retry.
        round_ = context["ti"].max_tries
        return Approval(word, at.isoformat(), settings.approval_seconds, by, round_, rows)

    def _tell_approvers(self, settings: Settings, aws: Aws, manifest: Manifest, run: str) -> None:
        """Mail those who may approve that the question waits. It waits all the same if that fails."""
        from cognito_import.errors import ReportError
        from cognito_import.report import mail

        now = datetime.now(UTC)
        composed = mail.compose_question(
            jobtype=manifest.jobtype,
            users=manifest.users - manifest.rejected_rows,
            undone=manifest.undo,
            asked_by=manifest.asked_by,
            answer_by=now + timedelta(seconds=settings.approval_seconds),
            page=self._page(),
            run=run,
            locale=settings.locale,
            time_zone=settings.time_zone,
            now=now,
            others_only=not settings.approve_own,
        )
        for address in settings.approvers:
            try:
                mail.send(aws.ses, composed, settings.mail_from, address)
            except ReportError as error:
                self.log.warning("Somebody who may approve was not told: %s", error)

    def _page(self) -> str:
        """Return where the question is answered, or nothing if Airflow does not know its own address."""
        try:
            return self.generate_link_to_ui_from_context(context=get_current_context())
        except ValueError:
            return ""
