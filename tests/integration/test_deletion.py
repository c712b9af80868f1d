"""Deletions on real Airflow: asked for, answered or not, cut short, and reported."""

import json
import os
import signal
import time

import pytest

from cognito_import import approval
from demo.stage import DAG

TASK = "approve_deletion"


@pytest.fixture
def victims(ground, addresses):
    """Make so many users to delete; give their addresses."""

    def victims(count):
        users = addresses(count)
        for user in users:
            ground.add_user(user)
        return users

    return victims


def asked(run):
    """Wait until the run's question is open, and give it."""
    run.stage.airflow.wait_until_parked(DAG, run.run_id, TASK)
    return run.rest.question(DAG, run.run_id, TASK)


def deletions(aws):
    """The names that AdminDeleteUser was called for."""
    return [call["username"] for call in aws.calls() if call["operation"] == "AdminDeleteUser"]


@pytest.mark.parametrize(("engine", "other"), [("mapped", "run_state_machine"), ("step_functions", "process_users")])
def test_an_approved_deletion_deletes_and_reports(
    start, victims, addresses, ground, aws, admin, reported, stage, engine, other
):
    """Nobody is called before the answer; then the users are gone, one mail went out, no address is left in Airflow."""
    users = victims(8)
    asked_for = [*users[:3], "no-address", addresses(9)[8], *users[3:]]
    usernames = {user.email: user.username for user in ground.users().values()}
    bystander = f"bystander-{users[0]}"
    ground.add_user(bystander)
    aws.reset()
    run = start(asked_for, jobtype="delete", engine=engine)
    question = asked(run)
    assert question["subject"] == "Delete 9 users?"
    assert question["options"] == ["Approve", "Reject"]
    shown = [user for user in asked_for if user in question["body"].splitlines()]
    assert shown == [*users[:3], addresses(9)[8], users[3]]
    for part in (ground.user_pool_id, "Users to delete: **9**", f"`{admin}`", "Asked by: `admin`", "left alone: 1"):
        assert part in question["body"], part
    time.sleep(2)
    assert [call for call in aws.calls() if call["operation"].startswith("Admin")] == []
    assert set(run.states("process_users") + run.states("run_state_machine")) == {None}

    run.rest.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "success"
    rows = reported(run)
    assert [row["useremail"] for row in rows] == asked_for
    told = {row["useremail"]: (row["status"], row["code"], row["username"]) for row in rows}
    assert told == {
        **{user: ("succeeded", "", usernames[user]) for user in users},
        "no-address": ("failed", "InvalidAddress", ""),
        addresses(9)[8]: ("failed", "UserNotFoundException", ""),
    }
    assert [user for user in ground.users() if user in {*users, bystander}] == [bystander]
    assert sorted(deletions(aws)) == sorted(usernames[user] for user in users)
    (mail,) = run.mails(admin)
    assert "一括削除" in mail["Subject"]
    (report,) = [run.rest.xcom(DAG, run.run_id, "report")]
    assert report["csv_key"].startswith("cognitodeletelog/delete_result_")
    assert set(run.states(other)) == {"skipped"}
    assert approval.read(run.folder).by == "admin"

    left = {str(path): path.read_text(errors="replace") for path in stage.airflow.logs.rglob("*") if path.is_file()}
    for item in run.rest.task_instances(DAG, run.run_id):
        if item["task_id"] == TASK:
            left["rendered"] = json.dumps(item["rendered_fields"])
        path = f"dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{item['task_id']}/xcomEntries"
        for entry in run.rest.pages(path, "xcom_entries", {"map_index": item["map_index"]}):
            value = run.rest.xcom(DAG, run.run_id, item["task_id"], entry["key"], item["map_index"])
            left[f"xcom {item['task_id']} {entry['key']}"] = json.dumps(value)
    assert [place for place, text in left.items() if any(user in text for user in [*users, admin])] == []


def test_a_rejected_deletion_deletes_nobody_and_can_be_asked_again(start, victims, ground, aws, admin, reported):
    """Run and administrator are told who rejected it; clearing the question asks again, and a yes then counts."""
    users = victims(3)
    aws.reset()
    run = start(users, jobtype="delete")
    asked(run)
    run.rest.answer(DAG, run.run_id, TASK, "Reject")
    assert run.wait() == "failed"
    rows = reported(run)
    assert {(row["status"], row["code"]) for row in rows} == {("failed", "NotAttempted")}
    assert all("rejected by admin" in row["message"] for row in rows)
    (mail,) = run.mails(admin)
    assert "承認されませんでした" in mail["Subject"]
    assert deletions(aws) == []
    assert set(users) <= set(ground.users())
    states = {task: set(run.states(task)) for task in (TASK, "process_users", "report", "finish")}
    assert states == {
        TASK: {"failed"},
        "process_users": {"upstream_failed"},
        "report": {"success"},
        "finish": {"failed"},
    }
    assert "rejected by admin" in run.log(TASK)

    run.rest.clear(DAG, run.run_id, [TASK], downstream=True)
    asked(run)
    assert deletions(aws) == []
    run.rest.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "success"
    assert {row["status"] for row in reported(run)} == {"succeeded"}
    assert set(users) & set(ground.users()) == set()
    assert len(run.mails(admin)) == 2


@pytest.mark.parametrize("engine", ["mapped", "step_functions"])
def test_without_an_answer_nobody_is_deleted(start, victims, ground, aws, admin, reported, vary, engine):
    """When the time is over, the run fails, the report says so, and neither engine has started."""
    users = victims(2)
    aws.reset()
    vary(approval_seconds=3)
    run = start(users, jobtype="delete", engine=engine)
    assert run.wait() == "failed"
    rows = reported(run)
    assert {row["code"] for row in rows} == {"NotAttempted"}
    assert all("Nobody approved the deletion within 3 seconds" in row["message"] for row in rows)
    (mail,) = run.mails(admin)
    assert "期限切れ" in mail["Subject"]
    assert deletions(aws) == []
    assert set(users) <= set(ground.users())
    assert run.states("run_state_machine") == ["upstream_failed"]


def test_a_rejection_starts_no_execution(start, victims, ground, stage):
    """The other engine waits for the same answer."""
    users = victims(2)
    run = start(users, jobtype="delete", engine="step_functions")
    asked(run)
    run.rest.answer(DAG, run.run_id, TASK, "Reject")
    assert run.wait() == "failed"
    assert run.states("run_state_machine") == ["upstream_failed"]
    variable = json.loads(stage.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
    found = ground.step_functions.list_executions(stateMachineArn=variable["state_machine_arn"])["executions"]
    assert [one for one in found if one["name"].startswith(run.folder.run)] == []
    assert set(users) <= set(ground.users())


def test_a_question_marked_as_answered_deletes_nobody(start, victims, ground, aws, reported):
    """Setting the task to success in the UI is no answer: the engine looks for one in the run folder."""
    users = victims(2)
    aws.reset()
    run = start(users, jobtype="delete")
    asked(run)
    path = f"dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{TASK}"
    run.rest.request("PATCH", path, json={"new_state": "success"})
    assert run.wait() == "failed"
    assert deletions(aws) == []
    assert set(users) <= set(ground.users())
    assert all("not approved" in row["message"] for row in reported(run))


def test_a_worker_that_dies_with_the_answer_does_not_lose_it(start, victims, ground, aws, stage):
    """Killed while it stores the yes: nothing is deleted until another has taken over, which follows what was stored."""
    users = victims(2)
    aws.reset()
    run = start(users, jobtype="delete")
    asked(run)
    aws.fault("PutObject", "hang", service="s3", seconds=60, times=1)
    run.rest.answer(DAG, run.run_id, TASK, "Approve")
    until = time.monotonic() + 60
    while not all(pids := stage.airflow.task_pids(DAG, run.run_id, TASK)) or run.states(TASK) != ["running"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(3)  # to the call that hangs
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    aws.clear_faults()
    assert deletions(aws) == []
    assert run.wait() == "success"
    (question,) = run.rest.task_instances(DAG, run.run_id, TASK)
    assert question["try_number"] == 2
    assert approval.read(run.folder).by == "admin"
    assert set(users) & set(ground.users()) == set()


def test_a_killed_deletion_goes_on_behind_its_last_user(start, victims, ground, stage, aws, admin, reported, vary):
    """Without approval (the setting is off) nobody is asked; a worker killed on the way costs nobody a true outcome."""
    users = victims(120)
    aws.reset()
    vary(approve_deletions=False)
    run = start(users, jobtype="delete")
    run.wait_for_outcomes(lambda outcomes: sum(row <= 6 for row in outcomes) > 2)
    for index in (0, 3):
        for pid in stage.airflow.task_pids(DAG, run.run_id, "process_users", index):
            os.kill(pid, signal.SIGKILL)
    assert run.wait() == "success"
    tries = [item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, "process_users")]
    assert (tries[0], tries[3]) == (2, 2)
    assert run.states(TASK) == ["skipped"]
    rows = reported(run)
    assert [row["useremail"] for row in rows] == users
    assert {row["status"] for row in rows} == {"succeeded"}
    assert all(row["username"] for row in rows)
    assert set(users) & set(ground.users()) == set()
    # The two users under way may have been deleted by the killed processes: they alone are called for again.
    called = deletions(aws)
    assert len(called) - len(set(called)) <= 2
    assert len(run.mails(admin)) == 1
    assert aws.stats()["categories"]["UserUpdate"]["throttles"] == 0
