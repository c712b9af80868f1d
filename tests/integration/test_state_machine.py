"""The engine step_functions, started and watched by Airflow."""

import json
import os
import signal
import time

import pytest

from demo.sandbox import DAG
from sandbox.waiting import until


@pytest.fixture
def executions(sandbox, resources):
    """The state machine's executions that belong to a run, oldest first."""
    variable = json.loads(sandbox.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
    arn = variable["state_machine_arn"]

    def executions(run):
        found = resources.step_functions.list_executions(stateMachineArn=arn)["executions"]
        return sorted(
            (one for one in found if one["name"].startswith(run.folder.run)), key=lambda one: one["startDate"]
        )

    return executions


def test_the_state_machine_gives_the_same_report(start, addresses, executions, reported, truth, resources):
    """Same rows, same outcomes, same CSV; one execution, named after the run; the other branch is skipped."""
    users = addresses(50)
    resources.add_user(users[1])
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


CLEARED = {
    "aborted": {"tasks": ["await_execution"]},
    "marked": {"tasks": ["read_request"], "downstream": True},
}
"""How an execution is cut short, and what is cleared then."""


@pytest.mark.slow
def test_an_execution_that_is_cut_short_is_reported_and_continued(
    start, addresses, new_admin, executions, reported, truth, resources, aws, succeeded
):
    """Aborted, or its run marked as failed: nobody is called any more, what is known is in the CSV, clearing does the rest."""
    users = addresses(200 * len(CLEARED))
    lists = {how: users[200 * number :][:200] for number, how in enumerate(CLEARED)}
    runs = {}
    for how, mine in lists.items():
        run = runs[how] = start(mine, engine="step_functions", adminemail=new_admin())
        run.wait_for_calls(len(aws.calls()) + 60)  # a child stores what it did when its batch is done
        if how == "aborted":
            (execution,) = executions(run)
            resources.step_functions.stop_execution(
                executionArn=execution["executionArn"], error="Test", cause="Enough."
            )
        else:
            run.mark("failed")
        assert run.wait() == "failed"
        assert [one["status"] for one in executions(run)] == ["ABORTED"]
        rows = reported(run)
        truth(rows, mine)
        assert {row["code"] for row in rows} & {"NotAttempted", "Interrupted"}
    assert "Enough." in runs["aborted"].log("await_execution")

    for how, run in runs.items():
        run.rest.clear(DAG, run.run_id, **CLEARED[how])
    for how, run in runs.items():
        # Whether a child of the aborted execution is still at work is known when its five minutes are over.
        # Of the batches that were aborted all users are looked up again, and joined to their groups, which changes nothing.
        succeeded(run, lists[how], called_twice=200, seconds=900)
        assert [one["name"] for one in executions(run)] == [run.folder.run, f"{run.folder.run}_2"]


@pytest.mark.slow
def test_a_worker_that_watches_may_die(start, addresses, executions, sandbox, reported, truth):
    """The retried task finds the execution that is there; no second one is started, nobody is called twice."""
    users = addresses(120)
    run = start(users, engine="step_functions")
    run.wait_for_calls(40)
    for pid in sandbox.airflow.task_pids(DAG, run.run_id, "await_execution"):
        os.kill(pid, signal.SIGKILL)
    assert run.wait() == "success"
    (task,) = run.rest.task_instances(DAG, run.run_id, "await_execution")
    assert task["try_number"] == 2
    assert len(executions(run)) == 1
    truth(reported(run), users)


@pytest.mark.slow
def test_step_functions_may_be_away(start, addresses, executions, aws, reported, truth):
    """Whether the execution runs cannot be asked for a minute: the task waits, and nothing else happens."""
    users = addresses(120)
    run = start(users, engine="step_functions")
    run.wait_for_calls(20)
    aws.fault("DescribeExecution", service="states", code="AccessDeniedException", message="No.", times=30)
    assert run.wait() == "success"
    assert "cannot be asked" in run.log("await_execution")
    assert [one["status"] for one in executions(run)] == ["SUCCEEDED"]
    assert [item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, "await_execution")] == [1]
    truth(reported(run), users)


def test_mapped_tasks_keep_clear_of_a_direct_execution(start, addresses, aws, resources, sandbox):
    """An application's execution knows nothing of Airflow's pool: mapped tasks wait until it has ended."""
    users = addresses(40)
    direct, mapped = users[:30], users[30:]
    variable = json.loads(sandbox.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
    request = {"data": [{"useremail": user} for user in direct], "adminemail": resources.admin}
    resources.step_functions.start_execution(stateMachineArn=variable["state_machine_arn"], input=json.dumps(request))
    until("a call of the execution", lambda: [call for call in aws.calls() if call["username"] in direct], every=0.2)
    run = start(mapped)
    assert run.wait() == "success"
    called = {
        name: [call["time"] for call in aws.calls() if call["username"] in set(part)]
        for name, part in (("direct", direct), ("mapped", mapped))
    }
    assert max(called["direct"]) < min(called["mapped"])
    assert len({call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser"}) == 40


@pytest.mark.slow
def test_executions_and_mapped_imports_take_turns(start, addresses, aws, resources):
    """Two executions and a mapped import at once: all succeed, and while an execution calls nobody else does."""
    lists = {engine: addresses(40) for engine in ("step_functions", "mapped")}
    lists["step_functions, too"] = [address.replace("user", "more") for address in lists["step_functions"]]
    lists["mapped"] = [address.replace("user", "mapped") for address in lists["mapped"]]
    runs = {}
    for name, users in lists.items():
        runs[name] = start(users, engine=name.partition(",")[0])
        time.sleep(0.2)
    assert {name: run.wait() for name, run in runs.items()} == dict.fromkeys(runs, "success")
    times = {
        name: [call["time"] for call in aws.calls() if call["username"] in set(users)] for name, users in lists.items()
    }
    for execution in (name for name in lists if name != "mapped"):
        start_of, end_of = min(times[execution]), max(times[execution])
        meanwhile = {
            name: [time for time in calls if start_of <= time <= end_of]
            for name, calls in times.items()
            if name != execution
        }
        assert not any(meanwhile.values()), (execution, times)
    pool = resources.users()
    assert {
        user: pool[user].groups for users in lists.values() for user in users if pool[user].groups != {"BASIC"}
    } == {}
