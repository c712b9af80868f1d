"""The tasks that start an execution of the state machine and await its end: the provider's two, and what those lack."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.step_function import StepFunctionHook
from airflow.providers.amazon.aws.links.step_function import StateMachineExecutionsDetailsLink
from airflow.providers.amazon.aws.operators.step_function import StepFunctionStartExecutionOperator
from airflow.providers.amazon.aws.sensors.step_function import StepFunctionExecutionSensor
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout

from cognito_import.airflow.context import final_errors, open_run
from cognito_import.airflow.worker import Hold

if TYPE_CHECKING:
    from airflow.sdk import Context

    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

_STOPPED = "Its task was stopped in Airflow."


def _open() -> tuple[Settings, RunFolder]:
    """Return the settings and the folder of the run, which may be processed. Raises CognitoImportError."""
    from cognito_import.errors import SettingsError
    from cognito_import.run import approval

    settings, _, folder = open_run()
    if not settings.state_machine_arn:
        message = "The setting 'state_machine_arn' is missing; the engine 'step_functions' needs it."
        raise SettingsError(message)
    approval.require(folder)  # whoever marks the question as answered starts both engines
    with final_errors(reject=folder):
        folder.required_manifest().raise_if_planned_otherwise("step_functions")
        folder.required_manifest().raise_if_differs(settings)
    return settings, folder


class RunHook(StepFunctionHook):
    """Starts the execution of a run once, and finds it again."""

    def start_execution(
        self,
        state_machine_arn: str,
        name: str | None = None,
        state_machine_input: dict[str, Any] | str | None = None,  # noqa: ARG002 - follows from the name
        is_redrive_execution: bool = False,  # noqa: ARG002, FBT001, FBT002 - as the base class
    ) -> str:
        """Start or find the execution of the run `name`, continue one that ended badly, and return its ARN."""
        from cognito_import.engine import executions

        return executions.start(self.conn, state_machine_arn, str(name))


class StartExecution(StepFunctionStartExecutionOperator):
    """Starts the execution of the DAG run that it stands in, under the run's name.

    A retry finds its own execution, and a cleared task continues one that ended badly by another, `{run}_2` and so on. The
    execution calls nobody before the sensor behind this task holds the pool's slots, so this task takes none.
    """

    aws_hook_class = RunHook

    def __init__(self, **kwargs: Any) -> None:
        """Take what any operator takes; the settings name the state machine when the task runs."""
        super().__init__(state_machine_arn="", deferrable=False, **kwargs)

    def execute(self, context: Context) -> str:
        """Start or find the execution and return its ARN."""
        with final_errors():
            settings, folder = _open()
            self.aws_conn_id = settings.aws_conn_id
            self.state_machine_arn, self.name = str(settings.state_machine_arn), folder.run
            return str(super().execute(context))

    def on_kill(self) -> None:
        """Stop the execution that may have been started."""
        from cognito_import.engine import executions

        if self.name:
            executions.stop_all(self.hook.conn, self.state_machine_arn, self.name, _STOPPED)


class AwaitExecution(StepFunctionExecutionSensor):
    """Awaits the end of an execution, and keeps the pool's slots meanwhile.

    Until the execution may call, each poke stores that the slots are held (see `execution_lock`). Only an
    execution that ended badly fails the task, with its error and cause; while Step Functions cannot be asked, the task
    waits. An execution whose task is marked failed, stopped or out of time is stopped. A cleared task continues one that
    ended badly. `timeout` is for the whole wait, of which no worker is held for longer than MAX_HOLD; while one hands over
    to the next, the lock keeps mapped tasks from calling.
    """

    INTERMEDIATE_STATES = ("RUNNING", "PENDING_REDRIVE")  # type: ignore[assignment]
    operator_extra_links = (StateMachineExecutionsDetailsLink(),)

    def __init__(self, **kwargs: Any) -> None:
        """Take what the sensor takes."""
        super().__init__(mode="poke", **kwargs)  # in this mode alone a sensor keeps its slots
        self._folder: RunFolder | None = None
        self._has_lock = False
        self._hold = Hold()

    def execute(self, context: Context) -> Any:
        """Await the end; stop the execution if the time is over before."""
        from cognito_import.engine import executions

        with final_errors():
            settings, self._folder = _open()
            self.aws_conn_id = settings.aws_conn_id
            if context["ti"].max_tries > (self.retries or 0):  # cleared, perhaps without the task that starts
                arn = str(settings.state_machine_arn)
                self.execution_arn = executions.start(self.hook.conn, arn, self._folder.run)
        StateMachineExecutionsDetailsLink.persist(
            context=context,
            operator=self,
            region_name=self.hook.conn_region_name,
            aws_partition=self.hook.conn_partition,
            execution_arn=self.execution_arn,
        )
        self._hold = Hold()
        waits_since = context["ti"].get_first_reschedule_date(context)
        if waits_since is not None:
            self.timeout = max(0.0, self.timeout - (datetime.now(UTC) - waits_since).total_seconds())
        try:
            with final_errors():  # an execution's cause is a service's text
                return super().execute(context)
        except AirflowSensorTimeout:
            self.on_kill()
            raise

    def poke(self, context: Context) -> Any:
        """Return whether the execution has succeeded. Raises AirflowFailException if it ended badly."""
        from botocore.exceptions import BotoCoreError, ClientError

        from cognito_import.aws import error_details, failure
        from cognito_import.engine import executions
        from cognito_import.errors import ExecutionError

        self._hold.check()
        self._grant()
        try:
            return super().poke(context)
        except (BotoCoreError, ClientError) as error:
            if error_details(error)[0] == "ExecutionDoesNotExist":
                lost = failure(ExecutionError, error, "found", f"The execution {self.execution_arn}")
                raise AirflowFailException(str(lost)) from error
            self.log.warning("Step Functions cannot be asked; the execution is taken to run on: %s", error)
            return False
        except AirflowException:  # the provider's, which says neither error nor cause
            try:
                message = executions.failure(self.hook.conn, self.execution_arn)
            except ExecutionError as error:
                self.log.warning("The execution has ended; why is asked again: %s", error)
                return False
            raise AirflowFailException(message) from None

    def on_kill(self) -> None:
        """Stop the execution: nobody watches it any more, and its slots are given back."""
        from cognito_import.engine import executions

        self.log.warning("Stopping %s.", self.execution_arn)
        executions.stop(self.hook.conn, self.execution_arn, _STOPPED)

    def _grant(self) -> None:
        """Let the execution call; repeat that until it holds the lock."""
        from cognito_import.engine import execution_lock
        from cognito_import.errors import RunFolderError

        folder = self._folder
        if folder is None or self._has_lock:
            return
        try:
            self._has_lock = execution_lock.holds(folder.s3, folder.bucket, self.execution_arn)
            if not self._has_lock:
                folder.grant_slots()
        except RunFolderError as error:
            self.log.warning("Cannot store that the slots are held for the execution; trying again: %s", error)
