"""The tasks around an execution: patience while Step Functions cannot be asked, and an end only where one was."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cognito_import.airflow.worker import MAX_HOLD
from cognito_import.engine import execution_lock, executions
from cognito_import.errors import RunFolderError

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
ARN = "arn:aws:states:us-east-1:123456789012:execution:machine:run-1"


def refused(code, operation="DescribeExecution"):
    """Return an error of Step Functions."""
    return ClientError({"Error": {"Code": code, "Message": "No."}}, operation)


class States:
    """Step Functions with one execution: each answer is a status or an error, and the last one stays."""

    def __init__(self, *answers, cause="Enough."):
        self.answers = list(answers)
        self.cause = cause
        self.stopped = []

    def describe_execution(self, **_):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"status": answer, "error": "Test", "cause": self.cause, "output": '{"unfinished": 0}'}

    def stop_execution(self, **given):
        self.stopped.append(given["executionArn"])


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    """The module of the tasks, with an Airflow that has no configuration but its defaults."""
    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        import cognito_import.airflow.executions as cognito_import_execution

        return cognito_import_execution


@pytest.fixture
def folder():
    """A run folder that takes what it is given."""
    puts = []
    return SimpleNamespace(
        s3=None, bucket="bucket", run="run-1", puts=puts, grant_slots=lambda: puts.append("runs/run-1/slots")
    )


@pytest.fixture
def await_(module, folder, monkeypatch):
    """Run the sensor against such a Step Functions, and return the execution that it awaited."""
    monkeypatch.setattr(execution_lock, "holds", lambda *_: len(folder.puts) > 1)

    def await_(states, *, timeout=60.0, cleared=False, since=None):
        settings = SimpleNamespace(aws_conn_id="aws_default", state_machine_arn=MACHINE)
        monkeypatch.setattr(module, "_open", lambda: (settings, folder))
        sensor = module.AwaitExecution(task_id="x", execution_arn=ARN, poke_interval=0, timeout=timeout)
        hook = SimpleNamespace(
            conn=states,
            describe_execution=lambda arn: states.describe_execution(executionArn=arn),
            conn_region_name="us-east-1",
            conn_partition="aws",
        )
        sensor.__dict__["hook"] = hook
        ti = SimpleNamespace(
            xcom_push=lambda **_: None,
            max_tries=sensor.retries + cleared,
            get_first_reschedule_date=lambda _: since,
        )
        sensor.execute({"ti": ti})
        return sensor.execution_arn

    return await_


def test_slots_are_granted_until_the_execution_has_its_turn(await_, folder):
    """At each poke, and no longer than that."""
    await_(States("RUNNING", "RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"))
    assert folder.puts == ["runs/run-1/slots"] * 2


@pytest.mark.parametrize(
    "error",
    [
        refused("AccessDeniedException"),
        refused("ThrottlingException"),
        refused("InternalFailure"),
        EndpointConnectionError(endpoint_url="http://x"),
    ],
    ids=lambda error: getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__),
)
def test_who_cannot_be_asked_has_not_ended(await_, error):
    """Whatever keeps Step Functions from answering, the task asks again."""
    states = States(error, error, "RUNNING", "PENDING_REDRIVE", error, "SUCCEEDED")
    await_(states)
    assert states.stopped == []


def test_an_end_that_was_bad_fails_with_its_cause(await_):
    """At once, without a retry, even if the cause has to be asked for twice."""
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=r"run-1 ended as FAILED: Test: Enough\."):
        await_(States("FAILED", refused("ThrottlingException"), "FAILED"))


def test_a_cause_that_quotes_an_address_is_told_without_it(await_):
    """Whatever a service has said of a user, the task's log does not name the user."""
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=r"Test: User … is disabled\."):
        await_(States("FAILED", cause="User hanako@example.com is disabled."))


@pytest.mark.parametrize(
    ("error", "task"), [("PreflightError", "clear 'read_request' with Downstream"), ("Test", "clear the failed task:")]
)
def test_the_task_to_clear_is_the_one_that_helps(error, task):
    """What was found before the first call may be part of what the run has read."""
    answer = {"status": "FAILED", "error": error, "cause": "Enough."}
    states = SimpleNamespace(describe_execution=lambda **_: answer)
    assert f"Fix the cause, then {task}" in executions.failure(states, ARN)


def test_a_cleared_task_continues_what_ended_badly(await_):
    """Cleared alone, too: it awaits another execution of its run."""
    assert await_(States("ABORTED", "RUNNING", "SUCCEEDED"), cleared=True) == f"{ARN}_2"
    assert await_(States("RUNNING", "SUCCEEDED"), cleared=True) == ARN


def test_an_execution_that_is_not_there_ends_the_wait(await_):
    """It never comes back."""
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match="ExecutionDoesNotExist"):
        await_(States(refused("ExecutionDoesNotExist")))


def test_time_that_is_over_stops_the_execution(await_):
    """Nobody would hold its slots any more."""
    from airflow.sdk.exceptions import AirflowSensorTimeout

    states = States("RUNNING")
    with pytest.raises(AirflowSensorTimeout):
        await_(states, timeout=0)
    assert states.stopped == [ARN]


def test_a_worker_is_given_back_in_time(await_, folder, monkeypatch):
    """After hours the task asks for another worker, which is no failure; the execution runs on."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    from cognito_import.airflow import worker

    monkeypatch.setattr(worker, "MAX_HOLD", timedelta(0))
    states = States("RUNNING")
    with pytest.raises(AirflowRescheduleException):
        await_(states)
    assert states.stopped == []
    assert timedelta(hours=11) > MAX_HOLD


def test_the_time_counts_from_the_first_worker(await_):
    """However many workers have awaited the execution, it is stopped when its time is over."""
    from airflow.sdk.exceptions import AirflowSensorTimeout

    states = States("RUNNING")
    with pytest.raises(AirflowSensorTimeout):
        await_(states, timeout=60, since=datetime.now(UTC) - timedelta(seconds=61))
    assert states.stopped == [ARN]


def test_a_bucket_that_is_away_does_not_end_the_wait(await_, monkeypatch):
    """The execution is told a little later."""

    def away(*_):
        message = "S3 is away."
        raise RunFolderError(message)

    monkeypatch.setattr(execution_lock, "holds", away)
    await_(States("RUNNING", "SUCCEEDED"))
