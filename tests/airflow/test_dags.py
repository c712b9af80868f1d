"""Policy for every DAG file, checked on the parsed DAGs in a process of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from cognito_import.airflow import labels
from cognito_import.errors import SettingsError
from cognito_import.request.model import KEYS, ImportRequest
from cognito_import.settings import Settings

ROOT = Path(__file__).parents[2]
DAGS = {"cognito_import": "cognito_import.py", "cognito_import_nightly": "cognito_import_nightly.py"}


def parse(home: Path, dags: Path = ROOT / "dags", **more: str):
    """Return what parsing the DAG files gives, without any Variable, connection or network."""
    # In its default layout Airflow looks for its own SQLite file here; no table of it is made, so any look-up fails.
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home),
        "PYTHONPATH": str(ROOT / "plugins"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        **more,
    }
    command = [sys.executable, str(ROOT / "tests" / "parse_dags.py"), str(dags)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "PARSED" in done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("PARSED")[2])


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory):
    """The DAG files as they are."""
    return parse(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="session")
def japanese(tmp_path_factory: pytest.TempPathFactory):
    """The DAG files of a deployment that speaks Japanese, by the file beside them."""
    dags = tmp_path_factory.mktemp("dags")
    for path in (ROOT / "dags").glob("*.py"):
        shutil.copy(path, dags)
    (dags / labels.FILE).write_text("ja\n")
    return parse(tmp_path_factory.mktemp("airflow"), dags)


def test_every_dag_file_is_listed_and_parses(parsed):
    """A new DAG file is thought about here, and none fails to import."""
    assert parsed["errors"] == {}
    assert {name: dag["file"] for name, dag in parsed["dags"].items()} == DAGS
    assert {path.name for path in (ROOT / "dags").glob("*.py")} == set(DAGS.values())


def test_parsing_stays_light(parsed):
    """The DAG processor parses every file again and again: of what is heavy it needs what the provider's operators need.

    The records are among what it does not: making pydantic's checks of one takes longer than parsing a file.
    """
    assert parsed["heavy"] == ["boto3", "botocore"]


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_documents_and_bounds_itself(parsed, dag_id):
    """Manual, tags, no catch-up, an end for the run and for every task, an owner and a doc for every task."""
    dag = parsed["dags"][dag_id]
    assert "```json" in dag["doc"]
    assert dag["tags"]
    assert dag["timeout"]
    assert not dag["catchup"]
    for name, task in dag["tasks"].items():
        assert task["owner"] == "cognito-import", name
        assert task["timeout"], name
        assert 0 < task["timeout"] < 11 * 3600, name  # MWAA takes a worker away after 12 hours
        assert task["doc"], name


def test_every_param_is_typed_and_described(parsed):
    """The trigger form explains itself, and its keys are those of the request."""
    params = parsed["dags"]["cognito_import"]["params"]
    assert set(params) == set(KEYS)
    for name, param in params.items():
        assert param["text"], name
        assert param["schema"]["type"], name
    required = {name for name, param in params.items() if "null" not in param["schema"]["type"]}
    assert required == {"adminemail", "jobtype"}  # the form marks them
    assert params["lines"]["schema"]["format"] == "multiline"


@pytest.mark.parametrize("key", ["jobtype", "existing_users", "engine"])
def test_the_form_offers_what_a_request_takes(parsed, key):
    """The form is read at parse time, where the request's model would be slow to import, so it names the choices itself."""
    schema = parsed["dags"]["cognito_import"]["params"][key]["schema"]
    # `jobtype: JobType`, or `engine: Engine | None`
    kind = get_type_hints(ImportRequest)[key]
    taken = {choice for one in (kind, *get_args(kind)) for choice in get_args(one) if isinstance(choice, str)}
    assert taken
    assert {choice for choice in schema["enum"] if choice is not None} == taken


def is_japanese(text: str) -> bool:
    """Return whether a text contains Japanese."""
    return any("\u3040" <= letter <= "\u9fff" for letter in text)


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_deployment_speaks_japanese(parsed, japanese, dag_id):
    """Names and help of the DAG, every task and every field; everything else is as in English."""
    assert japanese["errors"] == {}
    english, dag = parsed["dags"][dag_id], japanese["dags"][dag_id]
    assert english["name"] == dag_id
    for part in ("name", "description", "doc"):
        assert is_japanese(dag[part]), part
        assert not is_japanese(english[part]), part
    for name, task in dag["tasks"].items():
        assert is_japanese(task["name"]), name
        assert is_japanese(task["doc"]), name
        assert english["tasks"][name]["name"] == name
        own = {"name": "", "doc": ""}
        assert {**task, **own} == {**english["tasks"][name], **own}
    for name, param in dag["params"].items():
        assert is_japanese(param["text"]), name
        assert is_japanese(param["schema"]["title"]), name
        assert is_japanese(param["schema"].get("section", "一")), name
        assert param["schema"]["type"] == english["params"][name]["schema"]["type"]


def test_the_environment_has_precedence_over_the_file(tmp_path, monkeypatch):
    """A language that there is not is an error that names where it stands."""
    (tmp_path / labels.FILE).write_text("ja")
    monkeypatch.setenv(labels.VARIABLE, "en")
    assert labels._language(tmp_path) == "en"
    monkeypatch.setenv(labels.VARIABLE, "")
    assert labels._language(tmp_path) == "ja"
    (tmp_path / labels.FILE).write_text("fr")
    with pytest.raises(SettingsError, match=f"{labels.FILE} beside the DAGs is 'fr'; expected 'en' or 'ja'"):
        labels._language(tmp_path)


def test_the_slots_can_all_work(parsed):
    """Calls are made in the pool, Airflow's own limits are above its slots, and the report runs whatever happened."""
    dag = parsed["dags"]["cognito_import"]
    assert dag["tasks"]["process_users"]["pool"] == "cognito_api"
    assert dag["active"] > 20
    assert dag["tasks"]["report"]["retries"] > 0
    for name in ("process_users", "start_execution", "await_execution"):
        assert dag["tasks"][name]["seconds_of_retries"] > 30 * 60, name


def test_the_last_tasks_run_whatever_is_stopped_or_cleared(parsed):
    """Airflow leaves teardowns alone when a run is marked as failed, and clears them with every other task; both count."""
    tasks = parsed["dags"]["cognito_import"]["tasks"]
    assert {name for name, task in tasks.items() if task["teardown"]} == {"report", "finish"}
    for name in ("report", "finish"):
        assert "begin" in tasks[name]["upstream"]
        assert tasks[name]["fails_run"], name


def test_the_operators_are_the_providers(parsed):
    """The execution is started and awaited by the amazon provider's operator and sensor, subclassed."""
    tasks = parsed["dags"]["cognito_import"]["tasks"]
    assert "StepFunctionStartExecutionOperator" in tasks["start_execution"]["classes"]
    assert "StepFunctionExecutionSensor" in tasks["await_execution"]["classes"]
    assert "start_execution" in tasks["await_execution"]["upstream"]
    assert (tasks["start_execution"]["pool"], tasks["await_execution"]["pool"]) == ("default_pool", "cognito_api")
    assert (tasks["await_execution"]["slots"], tasks["await_execution"]["mode"]) == (20, "poke")
    for name in ("start_execution", "await_execution"):
        assert "State Machine Executions Details" in tasks[name]["links"]


def test_a_run_that_is_triggered_begins(parsed):
    """On an Airflow with defaults, too, where a new DAG is paused; nights begin when somebody unpauses their DAG."""
    assert parsed["dags"]["cognito_import"]["paused"] is False
    assert parsed["dags"]["cognito_import_nightly"]["paused"] is None


def test_runs_that_wait_do_not_block_others(parsed):
    """A deletion waits up to seven days for its approval, and so may many."""
    assert parsed["dags"]["cognito_import"]["active_runs"] >= 1_000


def test_a_deletion_waits_for_its_question(parsed):
    """Both engines stand behind the question, run where it was skipped, and not where it failed."""
    tasks = parsed["dags"]["cognito_import"]["tasks"]
    for name in ("process_users", "start_execution"):
        assert {"approve", "choose_engine"} <= set(tasks[name]["upstream"]), name
        assert tasks[name]["rule"] == "none_failed"
    assert {"preflight", "choose_engine"} <= set(tasks["approve"]["upstream"])
    assert tasks["approve"]["rule"] == "all_success"


@pytest.mark.parametrize("path", sorted((ROOT / "include" / "examples").glob("*.json")), ids=lambda path: path.name)
def test_examples_are_valid_requests(path):
    """What `include/examples` offers to paste is taken."""
    settings = Settings("ap-northeast-1_abc", "reports", "from@example.com")
    assert ImportRequest.parse(json.loads(path.read_text()), settings).adminemail


@pytest.mark.parametrize("language", ["parsed", "japanese"])
def test_the_manuals_confs_are_valid_requests(request, language):
    """Every JSON block of a DAG's manual is a request that is taken."""
    settings = Settings("ap-northeast-1_abc", "reports", "from@example.com")
    manual = request.getfixturevalue(language)["dags"]["cognito_import"]["doc"]
    blocks = manual.split("```json")[1:]
    assert len(blocks) > 1
    for block in blocks:
        assert ImportRequest.parse(json.loads(block.partition("```")[0]), settings).adminemail


def test_airflow_names_a_run_as_everything_else_does(tmp_path):
    """What the API server makes of the DAG, by the plugin alone, gives a run that nobody named the run folder's name."""
    script = (
        "from datetime import UTC, datetime\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        "from cognito_import.run.manifest import run_name\n"
        f"dag = DagBag({str(ROOT / 'dags')!r}).dags['cognito_import']\n"
        "timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable\n"
        "ids = {timetable.generate_run_id(run_type=None, run_after=datetime.now(UTC), data_interval=None) for _ in '12'}\n"
        "print('NAMES', len(ids), all(run_name(one) == one for one in ids), timetable.can_be_scheduled)\n"
    )
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert "NAMES 2 True False" in done.stdout, done.stderr[-3000:]
