"""Policy for every DAG file, checked on the parsed DAGs in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cognito_import.request import KEYS, ImportRequest
from cognito_import.settings import Settings

ROOT = Path(__file__).parents[1]
DAGS = {"cognito_import": "cognito_import.py", "cognito_import_nightly": "cognito_import_nightly.py"}


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory):
    """What parsing the DAG files gives, with no Variable, connection or network to be had."""
    home = tmp_path_factory.mktemp("airflow")
    # In its default layout Airflow looks for its own SQLite file here; no table of it is made, so any look-up fails.
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home),
        "PYTHONPATH": str(ROOT / "plugins"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    command = [sys.executable, str(ROOT / "tests" / "parse_dags.py"), str(ROOT / "dags")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "PARSED" in done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("PARSED")[2])


def test_every_dag_file_is_listed_and_parses(parsed):
    """A new DAG file is thought about here, and none fails to import."""
    assert parsed["errors"] == {}
    assert {name: dag["file"] for name, dag in parsed["dags"].items()} == DAGS
    assert {path.name for path in (ROOT / "dags").glob("*.py")} == set(DAGS.values())


def test_parsing_stays_light(parsed):
    """The DAG processor parses every file again and again: pandas and boto3 are for tasks."""
    assert parsed["heavy"] == []


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
        assert task["doc"], name


def test_every_param_is_typed_and_described(parsed):
    """The trigger form explains itself, and its keys are those of the request."""
    params = parsed["dags"]["cognito_import"]["params"]
    assert set(params) == set(KEYS)
    for name, param in params.items():
        assert param["text"], name
        assert param["schema"]["type"], name


def test_the_slots_can_all_work(parsed):
    """Calls are made in the pool, Airflow's own limits are above its slots, and the report runs whatever happened."""
    dag = parsed["dags"]["cognito_import"]
    assert dag["tasks"]["process_users"]["pool"] == "cognito_api"
    assert dag["active"] > 20
    assert (dag["tasks"]["report"]["rule"], dag["tasks"]["finish"]["rule"]) == ("all_done", "all_done")
    assert dag["tasks"]["process_users"]["retries"] > 0
    assert dag["tasks"]["report"]["retries"] > 0


def test_a_deletion_waits_for_its_question(parsed):
    """Both engines stand behind the question, run where it was skipped, and not where it failed."""
    tasks = parsed["dags"]["cognito_import"]["tasks"]
    for name in ("process_users", "run_state_machine"):
        assert {"approve_deletion", "choose_engine"} <= set(tasks[name]["upstream"]), name
        assert tasks[name]["rule"] == "none_failed"
    assert {"preflight", "choose_engine"} <= set(tasks["approve_deletion"]["upstream"])
    assert tasks["approve_deletion"]["rule"] == "all_success"


@pytest.mark.parametrize("path", sorted((ROOT / "include" / "examples").glob("*.json")), ids=lambda path: path.name)
def test_examples_are_valid_requests(path):
    """What README tells one to paste is taken."""
    settings = Settings("ap-northeast-1_abc", "reports", "from@example.com")
    assert ImportRequest.parse(json.loads(path.read_text()), settings).adminemail


def test_the_manuals_confs_are_valid_requests(parsed):
    """Every JSON block of a DAG's manual is a request that is taken."""
    settings = Settings("ap-northeast-1_abc", "reports", "from@example.com")
    blocks = parsed["dags"]["cognito_import"]["doc"].split("```json")[1:]
    assert len(blocks) > 1
    for block in blocks:
        assert ImportRequest.parse(json.loads(block.partition("```")[0]), settings).adminemail
