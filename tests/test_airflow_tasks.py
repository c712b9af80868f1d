"""What the tasks and the plugin do of themselves on an Airflow that differs: start a file's run, wait in shifts, import ahead."""

from __future__ import annotations

import warnings
from datetime import timedelta
from types import SimpleNamespace

import pytest

from cognito_import.settings import Settings

FILE = {"key": "inbox/new.csv", "etag": '"1"', "arrived": "2026-01-01T00:00:00+00:00"}
LEAVERS = {**FILE, "key": "inbox/leavers/old.csv"}


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """The modules with an Airflow that has no configuration but its defaults."""
    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        from cognito_import.airflow import import_ahead, inbox, worker

        return SimpleNamespace(inbox=inbox, plugin=import_ahead, worker=worker)


class Runs:
    """Airflow's runs as a task can ask for them: `states` are what the file's run tells, the last one stays."""

    def __init__(self, *states, there=False, paused=False, refuses=False):
        self.states, self.there, self.paused, self.refuses = list(states), there, paused, refuses
        self.started, self.pushed = [], {}

    def get_dr_count(self, *_, **__):
        return int(self.there)

    def get_dag(self, _):
        return SimpleNamespace(is_paused=self.paused)

    def get_dagrun_state(self, *_):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def xcom_push(self, key, value):
        self.pushed[key] = value

    def send(self, order):
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse

        self.started.append(order)
        return ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS) if self.refuses else OKResponse(ok=True)


@pytest.fixture
def import_file(modules, monkeypatch):
    """Run the task of a file against such runs."""
    from airflow.sdk.execution_time import task_runner

    rules = {"": {"adminemail": "admin@example.com"}, "leavers/": {"adminemail": "hr@example.com", "jobtype": "delete"}}
    settings = Settings.parse(
        {
            "user_pool_id": "ap-northeast-1_abc",
            "report_bucket": "reports",
            "mail_from": "from@example.com",
            "inbox": "s3://reports/inbox/",
            "inbox_rules": rules,
        }
    )
    monkeypatch.setattr(modules.inbox, "load_settings", lambda: settings)
    monkeypatch.setattr(modules.inbox, "Aws", lambda _: SimpleNamespace(s3=None))

    def import_file(runs, file=FILE):
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", runs, raising=False)
        task = modules.inbox.ImportFile(task_id="x", file=file)
        task.poke_interval = 0
        task.execute({"ti": runs})
        return runs

    return import_file


def test_a_file_is_imported_by_one_run_which_is_awaited(import_file):
    """Its run gets the request and its id from the file, and the operator's link finds it."""
    runs = import_file(Runs("queued", "running", "failed"))
    run_id = runs.pushed["trigger_run_id"]
    (order,) = runs.started
    assert (order.dag_id, order.run_id, order.logical_date) == ("cognito_import", run_id, None)
    assert order.conf["adminemail"] == "admin@example.com"
    assert order.conf["source"] == "s3://reports/inbox/new.csv"
    assert runs.states == ["failed"]


def test_a_run_that_is_there_is_not_started_again(import_file):
    """A retry waits for it, paused or not, and keeps the link to it."""
    runs = import_file(Runs("running", "success", there=True, paused=True))
    assert runs.started == []
    assert runs.pushed.keys() == {"trigger_run_id"}


def test_a_deletion_is_started_and_not_awaited(import_file):
    """It may wait for its approval for days."""
    runs = import_file(Runs("running"), LEAVERS)
    assert [order.conf["jobtype"] for order in runs.started] == ["delete"]


def test_a_paused_dag_fails_the_file_with_advice(import_file):
    """No run is started that nobody would begin."""
    from airflow.sdk.exceptions import AirflowException

    runs = Runs("queued", paused=True)
    with pytest.raises(AirflowException, match="unpause it, then clear this task"):
        import_file(runs)
    assert runs.started == []


def test_a_run_that_airflow_does_not_start_fails_the_attempt(import_file):
    """The next attempt finds the run that somebody else has started meanwhile."""
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises(AirflowException, match="did not start the run"):
        import_file(Runs("queued", refuses=True))


def test_a_long_import_is_awaited_in_shifts(import_file, modules, monkeypatch):
    """The worker is given back in time; the next one finds the run and waits on."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    monkeypatch.setattr(modules.worker, "MAX_HOLD", timedelta(0))
    with pytest.raises(AirflowRescheduleException):
        import_file(Runs("running"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER", "True"), ("CELERY__POOL", "gevent")],
)
def test_nothing_is_imported_ahead_where_tasks_are_not_forked(modules, monkeypatch, setting, value):
    """It would only take memory, and freeze what is never shared."""
    assert modules.plugin.tasks_are_forked()
    monkeypatch.setenv(f"AIRFLOW__{setting}", value)
    assert not modules.plugin.tasks_are_forked()
    monkeypatch.setattr(modules.plugin, "importlib", None)
    monkeypatch.setattr(modules.plugin, "gc", None)
    modules.plugin.import_ahead()
