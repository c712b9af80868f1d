from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sandbox.airflow.processes import StackError
from sandbox.airflow.rest import RestError
from sandbox.airflow.settings import read_env_file
from sandbox.airflow.stack import AirflowStack
from sandbox.waiting import until

DAG = "tried_out"


def test_ready_means_that_a_run_succeeds_at_once(airflow: AirflowStack) -> None:
    """After the bring-up the expected DAG runs, mapped tasks in the imported pool included."""
    run = airflow.rest.trigger(DAG, {"count": 3})
    assert airflow.rest.wait(DAG, run) == "success"
    instances = airflow.rest.task_instances(DAG, run, "double")
    assert [(i["map_index"], i["pool"], i["state"]) for i in instances] == [
        (index, "cognito_api", "success") for index in range(3)
    ]


def test_what_a_run_leaves_behind_can_be_read(airflow: AirflowStack) -> None:
    """XComs, logs and the state store of each mapped task are within reach, of failed ones too."""
    run = airflow.rest.trigger(DAG, {"count": 2, "fails": 1})
    assert airflow.rest.wait(DAG, run) == "failed"
    assert airflow.rest.xcom(DAG, run, "double", map_index=0) == 0
    assert "ValueError: 1 was to fail" in airflow.rest.log(DAG, run, "double", map_index=1)
    assert airflow.rest.task_states(DAG, run, "double", map_index=1) == {"number": {"is": 1}}
    assert airflow.rest.count(DAG, run, "double", states=["failed"]) == 1


def test_a_cleared_task_runs_again(airflow: AirflowStack) -> None:
    """Clearing one map index runs that index again, and only that one."""
    run = airflow.rest.trigger(DAG, {"count": 2})
    airflow.rest.wait(DAG, run)
    assert airflow.rest.clear(DAG, run, [("double", 1)]) == 1
    until("its success", lambda: airflow.rest.run_state(DAG, run), "success".__eq__, seconds=240)
    instances = airflow.rest.task_instances(DAG, run, "double")
    assert [i["try_number"] for i in instances] == [1, 2]


def test_more_instances_than_a_page_holds_are_all_listed(airflow: AirflowStack, tmp_path: Path) -> None:
    """Collections are read to their end, past Airflow's 100 entries a page."""
    airflow.rest.set_pool("cognito_api", 0)
    run = airflow.rest.trigger(DAG, {"count": 130})
    until("130 tasks", lambda: airflow.rest.count(DAG, run, "double"), (130).__eq__, seconds=240)
    assert [i["map_index"] for i in airflow.rest.task_instances(DAG, run, "double")] == list(range(130))
    airflow.rest.request("PATCH", f"dags/{DAG}/dagRuns/{run}", json={"state": "failed"})
    airflow.rest.set_pool("cognito_api", 20)


def test_pools_are_those_of_the_product(airflow: AirflowStack) -> None:
    """The pool has 20 slots that deferred tasks hold too, and can be changed while Airflow runs."""
    pool = airflow.rest.pool("cognito_api")
    assert (pool["slots"], pool["include_deferred"]) == (20, True)
    airflow.rest.set_pool("cognito_api", 7)
    assert airflow.rest.pool("cognito_api")["slots"] == 7
    airflow.rest.set_pool("cognito_api", 20)


def test_an_error_answer_is_an_error_with_airflows_words(airflow: AirflowStack) -> None:
    """A refused request raises, with the status and the reason."""
    with pytest.raises(RestError, match=r"no_such_dag.* not found") as raised:
        airflow.rest.trigger("no_such_dag")
    assert raised.value.status == 404


def test_both_processes_of_one_running_task_are_found(airflow: AirflowStack, tmp_path: Path) -> None:
    """A mapped task's supervisor and its child can be told from those of its neighbours."""
    end = tmp_path / "end"
    run = airflow.rest.trigger(DAG, {"count": 2, "until": str(end)})
    running = {"states": ["running"]}
    until("both tasks", lambda: airflow.rest.count(DAG, run, "double", **running), (2).__eq__, seconds=240)
    until("both workers", lambda: airflow.pids("worker -- [0-9a-f-]{36}"), lambda seen: len(seen) == 2)
    pairs = [airflow.task_pids(DAG, run, "double", index) for index in range(2)]
    assert len({pid for pair in pairs for pid in pair}) == 4
    for supervisor, code in pairs:
        assert psutil.Process(code).ppid() == supervisor
    end.touch()
    assert airflow.rest.wait(DAG, run) == "success"
    until("their end", lambda: airflow.task_pids(DAG, run, "double", 0), (None, None).__eq__)


def test_a_component_can_be_stopped_and_started(airflow: AirflowStack) -> None:
    """A stopped API server is away and comes back at the same address; nobody is served meanwhile."""
    airflow.stop_component("api-server")
    assert airflow.health() == {}
    with pytest.raises(StackError, match="not running"):
        airflow.kill_component("api-server")
    airflow.start_component("api-server")
    until("the API server", airflow.health, lambda seen: seen.get("scheduler") == "healthy", seconds=240)
    assert airflow.rest.wait(DAG, airflow.rest.trigger(DAG, {"count": 1})) == "success"


def test_orphans_of_a_killed_component_remain_the_stacks(airflow: AirflowStack) -> None:
    """The workers of a killed scheduler live on, are still counted, and end when the component is stopped."""
    airflow.kill_component("scheduler")
    until("its end", lambda: not airflow.processes.is_running("scheduler"))
    assert airflow.pids("LocalExecutor")
    airflow.stop_component("scheduler")
    assert not airflow.pids("LocalExecutor")
    airflow.start_component("scheduler")
    assert airflow.rest.wait(DAG, airflow.rest.trigger(DAG, {"count": 1})) == "success"


def test_airflows_commands_run_against_the_stack(airflow: AirflowStack) -> None:
    """Its environment is all that the command line needs, and every setting of airflow.env is one that Airflow knows."""
    command = [sys.executable, "-m", "airflow", "config", "lint"]
    done = subprocess.run(command, env=airflow.environment(), check=True, capture_output=True, text=True)
    assert "No issues found" in done.stdout
    script = (
        "import json; from airflow.configuration import conf; print(json.dumps(conf.as_dict(display_sensitive=True)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=airflow.environment(), check=True, capture_output=True, text=True
    )
    known = json.loads(done.stdout.splitlines()[-1])
    for name, value in read_env_file().items():
        _, section, key = name.lower().split("__")
        assert known[section][key] == value


def test_memory_is_that_of_all_processes(airflow: AirflowStack) -> None:
    """The sum covers every component."""
    assert airflow.memory_mb() > 100
