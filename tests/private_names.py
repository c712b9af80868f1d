"""Try what Airflow, its providers, boto3 and botocore keep to themselves, and print as JSON which names a release has moved.

Run by any interpreter that has them, with an empty AIRFLOW_HOME and the plugins on the path.
"""

from __future__ import annotations

import ast
import importlib
import json
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PLUGINS = Path(__file__).parents[1] / "plugins"
LIBRARIES = ("airflow", "boto3", "botocore")
STRUCTURE = {
    "airflow.providers.standard.operators.hitl:ApprovalOperator": (
        "APPROVE execute execute_complete generate_link_to_ui_from_context process_trigger_event_error skip_all_except "
        "validate_chosen_options"
    ),
    "airflow.providers.standard.operators.trigger_dagrun:TriggerDagRunOperator": "operator_extra_links",
    "airflow.providers.amazon.aws.hooks.base_aws:AwsBaseHook": (
        "conn_config conn_partition conn_region_name get_session verify"
    ),
    "airflow.providers.amazon.aws.hooks.step_function:StepFunctionHook": "conn describe_execution start_execution",
    "airflow.providers.amazon.aws.operators.step_function:StepFunctionStartExecutionOperator": (
        "aws_hook_class execute hook on_kill"
    ),
    "airflow.providers.amazon.aws.sensors.step_function:StepFunctionExecutionSensor": (
        "INTERMEDIATE_STATES execute hook operator_extra_links poke"
    ),
}
"""What subclasses use of the providers' classes: these are public in what they do, not in how they are made."""


def imports() -> Iterator[str]:
    """Yield the names that the package imports and that are not there."""
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES:
                yield from (
                    f"{node.module}:{one.name}" for one in node.names if not _is_there(str(node.module), one.name)
                )


def structure() -> Iterator[str]:
    """Yield what the providers' classes lack."""
    for place, names in STRUCTURE.items():
        module, _, name = place.partition(":")
        found = getattr(importlib.import_module(module), name)
        yield from (f"{place}.{one}" for one in names.split() if not hasattr(found, one))


def modules_of_tasks() -> Iterator[str]:
    """Yield the modules that cannot be imported ahead of the tasks."""
    from cognito_import.airflow.import_ahead import FORKED_WITH

    yield from (module for module in FORKED_WITH if not _is_there(module))


def _is_there(module: str, name: str = "") -> bool:
    try:
        found = importlib.import_module(module)
        return not name or hasattr(found, name) or bool(importlib.import_module(f"{module}.{name}"))
    except ImportError:
        return False


def name_task() -> None:
    """A task that exists, mapped or not, gets a name and a text."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG

    from cognito_import.airflow import private

    with DAG("named", schedule=None):
        plain = BashOperator(task_id="plain", bash_command="true")
        mapped = BashOperator.partial(task_id="mapped").expand(bash_command=["true"])
    for task in (plain, mapped):
        private.name_task(task, "名", "説明")
        assert (task.task_display_name, task.doc_md) == ("名", "説明"), task.task_id


def start_run() -> None:
    """A task's supervisor takes the order, and what it answers with an error is raised."""
    from airflow.sdk.exceptions import AirflowException, ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse

    from cognito_import.airflow import private

    assert "SUPERVISOR_COMMS" in task_runner.__dict__ or "SUPERVISOR_COMMS" in task_runner.__annotations__
    answers, orders = [OKResponse(ok=True), ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)], []
    task_runner.SUPERVISOR_COMMS = SimpleNamespace(send=lambda order: orders.append(order) or answers.pop(0))
    private.start_run("dag", "run", {"a": 1})
    try:
        private.start_run("dag", "run", {"a": 1})
    except AirflowException as error:
        assert "did not start the run run" in str(error)
    else:
        raise AssertionError("an error was taken for an answer")
    assert (orders[0].dag_id, orders[0].run_id, orders[0].conf) == ("dag", "run", {"a": 1})


def is_job() -> None:
    """What the scheduler starts as is told from a task's process."""
    from airflow.jobs.job import Job

    from cognito_import.airflow import private

    assert private.is_job(Job.__new__(Job))
    assert not private.is_job(object())


def share_certificates() -> None:
    """The client of the API server is made without one."""
    from cognito_import.airflow import private

    private.share_certificates()


def database() -> None:
    """Pools, runs, tasks and notes are in the tables, with the columns that are asked for."""
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.dagrun import DagRun
    from airflow.settings import engine
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    from cognito_import.airflow import private

    import_all_models()
    Base.metadata.create_all(engine)
    assert private.slots_or_new_pool("pool", 7, "text") is None
    assert private.slots_or_new_pool("pool", 9, "text") == 7
    with create_session(scoped=False) as session:
        moment = datetime.now(UTC)
        run = DagRun(dag_id="dag", run_id="run-1", run_type=DagRunType.MANUAL, run_after=moment, start_date=moment)
        run.triggering_user_name = "somebody"
        session.add(run)
        session.flush()
        assert private.pool_slots(session, "pool") == 7
        assert private.pool_slots(session, "none") is None
        assert private.waiting_runs(session, "dag", "approve", ("deferred",)) == set()
        assert private.task_state(session, "dag", "run-1", "approve") is None
        assert private.find_run(session, "dag", "run-2") is None
        row = private.find_run(session, "dag", "run-1")
        assert row is not None
        assert (row.run_id, row.triggering_user_name, row.end_date) == ("run-1", "somebody", None)
        asked: dict[str, Any] = {"state": "", "job": "", "among": None, "text": "", "offset": 0, "limit": 9}
        for more, count in (({}, 1), ({"text": "BODY"}, 1), ({"among": {"run-2"}}, 0), ({"state": "failed"}, 0)):
            total, found = private.find_runs(session, "dag", **{**asked, **more})
            assert (total, len(found)) == (count, count), more
        for conf, jobs in (
            ({}, "import"),
            ({"jobtype": "delete"}, "delete"),
            ({"undo": "run-0"}, "undo"),
            (None, "import"),
        ):
            run.conf = conf
            session.flush()
            for job in ("import", "delete", "disable", "undo"):
                total, _ = private.find_runs(session, "dag", **{**asked, "job": job})
                assert total == (job == jobs), (conf, job)
        assert private.pushed_by(run, ("report",), "note") == {}
        assert private.schedule(session, "dag") is None
        assert private.pushed_by_each(session, "dag", ["run-1"], "file", "key") == {"run-1": []}
        for note in ("first", "second"):
            private.set_note(run, note)
            session.flush()
            assert run.note == note
        session.rollback()


def who_asks() -> None:
    """FastAPI gets its dependencies, and the auth manager says who may what."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from cognito_import.airflow import private

    for dependency in (private.signed_in(), private.may("GET", "dag"), private.database()):
        assert callable(dependency.dependency)
    create_auth_manager()
    for role, may in (("viewer", False), ("user", True)):
        user = SimpleAuthManagerUser(username="name", role=role)
        assert private.is_allowed(user, "GET", "RUN", "dag")
        assert private.is_allowed(user, "POST", "RUN", "dag") == may
        assert private.is_allowed(user, "PUT", "HITL_DETAIL", "dag") == may
    assert (user.get_id(), user.get_name()) == ("name", "name")


def credentials_and_descriptions() -> None:
    """Credentials that end say when, and a session of boto3's own uses the shared descriptions."""
    import boto3
    from botocore.credentials import Credentials, RefreshableCredentials

    from cognito_import import aws_private

    end = datetime.now(UTC) + timedelta(hours=1)
    ending = RefreshableCredentials("key", "secret", "token", end, refresh_using=dict, method="test")
    assert aws_private.expiry_of(ending) == end
    assert aws_private.expiry_of(Credentials("key", "secret")) is None
    aws_private.read_descriptions(["s3"])
    read: list[str] = []
    loader = aws_private.service_descriptions()
    load_file = loader.file_loader.load_file
    loader.file_loader.load_file = lambda *given: read.append(given[0]) or load_file(*given)
    session = boto3.session.Session()
    aws_private.share_descriptions(session)
    session.client("s3", "us-east-1")
    assert not [path for path in read if "s3" in Path(path).parts], "read a second time"


CHECKS: tuple[Callable[[], Iterator[str] | None], ...] = (
    imports,
    structure,
    modules_of_tasks,
    name_task,
    start_run,
    is_job,
    share_certificates,
    database,
    who_asks,
    credentials_and_descriptions,
)


def moved() -> dict[str, str]:
    """What is gone, by name, or by the check that failed with why."""
    found = {}
    for check in CHECKS:
        try:
            found.update(dict.fromkeys(check() or (), "is gone"))
        except Exception:  # noqa: BLE001 - whatever a release breaks
            found[check.__name__] = traceback.format_exc(limit=-3)
    return found


print("MOVED" + json.dumps(moved()))
