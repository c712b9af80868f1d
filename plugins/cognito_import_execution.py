"""The task that has a state machine do the import, and holds the whole pool meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink, BaseSensorOperator

from cognito_import_airflow import Aws, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class ExecutionLink(BaseOperatorLink):
    """Leads from the task to its execution in the AWS console.

    The provider's link would do, but importing it costs botocore whenever the DAG file is parsed.
    """

    name = "Execution"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - as the base class
        """The console's page of the execution that `operator` ran, or nothing before it has one."""
        arn = getattr(operator, "execution_arn", "")
        if not arn:
            return ""
        region = arn.split(":")[3]
        return f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{arn}"


class RunExecution(BaseSensorOperator):
    """Starts the execution of a run and watches it, in one task that keeps its pool slots from start to end.

    The provider's pair of operator and sensor gives the slots back between the two, so that a mapped import could call
    beside the execution, and drops the execution's error and cause. `taken` is what `read_request` gave. A retry finds
    its own execution; a cleared task continues one that ended badly; a task that is marked failed stops its own.
    """

    template_fields: Sequence[str] = ("taken",)
    operator_extra_links = (ExecutionLink(),)
    ui_color = "#cd2264"

    def __init__(self, *, taken: Any, **kwargs: Any) -> None:  # noqa: ANN401 - an XComArg, and BaseOperator's arguments
        """Take the run, and what any sensor takes."""
        super().__init__(mode="poke", **kwargs)
        self.taken = taken
        self.execution_arn = ""

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - as the base class
        """Start or find the execution, then wait for its end."""
        from airflow.sdk.exceptions import AirflowFailException

        from cognito_import import approval, executions
        from cognito_import.errors import ExecutionError, NotApprovedError
        from cognito_import.run_folder import RunFolder

        settings = load_settings()
        if not settings.state_machine_arn:
            message = "The setting 'state_machine_arn' is missing; the engine 'step_functions' needs it."
            raise AirflowFailException(message)
        aws = Aws(settings)
        if self.taken["approve"]:
            try:
                approval.require(RunFolder(aws.s3, settings.report_bucket, self.taken["run"]))
            except NotApprovedError as error:
                raise AirflowFailException(str(error)) from error
        self._sfn = aws.step_functions
        self.execution_arn = executions.start(self._sfn, settings.state_machine_arn, self.taken["run"])
        self.log.info("Watching %s", self.execution_arn)
        try:
            return super().execute(context)
        except ExecutionError as error:
            raise AirflowFailException(str(error)) from error

    def poke(self, context: Context) -> bool:  # noqa: ARG002 - as the base class
        """Whether the execution has succeeded; raises when it ended badly."""
        from cognito_import import executions

        return executions.has_succeeded(self._sfn, self.execution_arn)

    def on_kill(self) -> None:
        """Stop the execution: nobody watches it any more, and its slots are given back."""
        from cognito_import import executions

        if self.execution_arn:
            self.log.warning("Stopping %s, since its task is stopped.", self.execution_arn)
            executions.stop(self._sfn, self.execution_arn, "The task that watched it was stopped in Airflow.")
