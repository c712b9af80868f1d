"""The engine step_functions, started and watched by Airflow."""

import os
import signal
import time
from itertools import combinations

import pytest

from demo.stage import DAG


@pytest.fixture
def executions(stage, ground):
    """The state machine's executions that belong to a run, oldest first."""
    import json

    variable = json.loads(stage.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
    arn = variable["state_machine_arn"]

    def executions(run):
        found = ground.step_functions.list_executions(stateMachineArn=arn)["executions"]
        return sorted(
            (one for one in found if one["name"].startswith(run.folder.run)), key=lambda one: one["startDate"]
        )

    return executions


def test_the_state_machine_gives_the_same_report(start, addresses, executions, reported, truth, ground):
    """Same rows, same outcomes, same CSV; one execution, named after the run; the other branch is skipped."""
    users = addresses(50)
    ground.add_user(users[1])
    asked = [*users[:5], "no-address", *users[5:]]
    run = start(asked, engine="step_functions")
    assert run.wait() == "success"
    rows = reported(run)
    truth(rows, asked)
    assert {row["useremail"]: row["code"] for row in rows if row["code"]} == {
        users[1]: "UsernameExistsException",
        "no-address": "InvalidAddress",
    }
    assert [one["name"] for one in executions(run)] == [run.folder.run]
    assert set(run.states("process_users")) == {"skipped"}


def test_an_aborted_execution_is_reported_and_continued(start, addresses, executions, reported, truth, ground):
    """Aborted in the middle: what is known is in the CSV, the run is failed; clearing does the rest, nobody twice."""
    users = addresses(200)
    run = start(users, engine="step_functions")
    run.wait_for_outcomes(lambda outcomes: len(outcomes) > 50)
    (execution,) = executions(run)
    ground.step_functions.stop_execution(executionArn=execution["executionArn"], error="Test", cause="Enough.")
    assert run.wait() == "failed"
    assert "Enough." in run.log("run_state_machine")
    rows = reported(run)
    truth(rows, users)
    codes = {row["code"] for row in rows}
    assert "" in codes
    assert codes & {"NotAttempted", "Interrupted"}

    run.rest.clear(DAG, run.run_id, ["run_state_machine"], downstream=True)
    assert run.wait() == "success"
    rows = reported(run)
    # A child that was aborted in the middle of a user had called for it; it alone is called for again.
    truth(rows, users, called_twice=20)
    assert {row["status"] for row in rows} == {"succeeded"}
    assert [one["name"] for one in executions(run)] == [run.folder.run, f"{run.folder.run}-2"]


def test_a_worker_that_watches_may_die(start, addresses, executions, stage, reported, truth):
    """The retried task finds the execution that is there; no second one is started, nobody is called twice."""
    users = addresses(120)
    run = start(users, engine="step_functions")
    run.wait_for_outcomes(lambda outcomes: len(outcomes) > 20)
    for pid in stage.airflow.task_pids(DAG, run.run_id, "run_state_machine"):
        os.kill(pid, signal.SIGKILL)
    assert run.wait() == "success"
    (task,) = run.rest.task_instances(DAG, run.run_id, "run_state_machine")
    assert task["try_number"] == 2
    assert len(executions(run)) == 1
    truth(reported(run), users)


def test_executions_and_mapped_imports_take_turns(start, addresses, aws, ground):
    """Two executions and a mapped import at once: all succeed, and while an execution calls nobody else does."""
    lists = {engine: addresses(40) for engine in ("step_functions", "mapped")}
    lists["step_functions, too"] = [address.replace("user", "more") for address in lists["step_functions"]]
    lists["mapped"] = [address.replace("user", "mapped") for address in lists["mapped"]]
    runs = {}
    for name, users in lists.items():
        runs[name] = start(users, engine=name.partition(",")[0])
        time.sleep(0.2)
    assert {name: run.wait() for name, run in runs.items()} == dict.fromkeys(runs, "success")
    spans = {}
    for name, users in lists.items():
        times = [call["time"] for call in aws.calls() if call["username"] in set(users)]
        spans[name] = (min(times), max(times))
    for one, other in combinations(spans.values(), 2):
        assert one[1] < other[0] or other[1] < one[0]
    pool = ground.users()
    assert {
        user: pool[user].groups for users in lists.values() for user in users if pool[user].groups != {"BASIC"}
    } == {}
