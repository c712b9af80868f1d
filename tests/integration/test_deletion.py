"""Deletions on real Airflow: asked for, answered or not, cut short, and reported."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

import json
import os
import signal
import time

import pytest

from cognito_import.run import approval
from demo.sandbox import DAG
from sandbox.waiting import until

TASK = "approve"


@pytest.fixture
def victims(resources, addresses):
    """Create `count` users to delete, and return their addresses."""

    def victims(count):
        users = addresses(count)
        for user in users:
            resources.add_user(user)
        return users

    return victims


def asked(run):
    """Wait until the run's question is open, and return it."""
    run.sandbox.airflow.wait_until_parked(DAG, run.run_id, TASK)
    return run.rest.question(DAG, run.run_id, TASK)


def deletions(aws):
    """Return the names that AdminDeleteUser was called for."""
    return [call["username"] for call in aws.calls() if call["operation"] == "AdminDeleteUser"]


def found_in_airflow(run, words):
    """Return where any of the words is: logs, what the question was rendered from, and XComs."""
    logs = run.sandbox.airflow.logs
    texts = {str(path): path.read_text(errors="replace") for path in logs.rglob("*") if path.is_file()}
    for item in run.rest.task_instances(DAG, run.run_id):
        if item["task_id"] == TASK:
            texts["rendered"] = json.dumps(item["rendered_fields"])
        path = f"dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{item['task_id']}/xcomEntries"
        for entry in run.rest.pages(path, "xcom_entries", {"map_index": item["map_index"]}):
            value = run.rest.xcom(DAG, run.run_id, item["task_id"], entry["key"], item["map_index"])
            texts[f"xcom {item['task_id']} {entry['key']}"] = json.dumps(value)
    return [place for place, text in texts.items() if any(word in text for word in words)]


OTHER_ENGINE = {"mapped": "start_execution", "step_functions": "process_users"}
"""The task that a run with an engine skips."""


def test_an_approved_deletion_deletes_and_reports(
    approver, start, victims, addresses, resources, aws, new_admin, reported
):
    """Nobody is touched before the answer; then the users are gone, one mail went out, no address is left in Airflow."""
    everybody = victims(16)
    users = {"mapped": everybody[:8], "step_functions": everybody[8:]}
    missing = addresses(17)[16]
    usernames = {user.email: user.username for user in resources.users().values()}
    bystander = f"bystander-{everybody[0]}"
    resources.add_user(bystander)
    aws.reset()
    asked_for = {engine: [*mine[:3], "no-address", missing, *mine[3:]] for engine, mine in users.items()}
    runs = {
        engine: start(mine, jobtype="delete", engine=engine, adminemail=new_admin())
        for engine, mine in asked_for.items()
    }
    for engine, run in runs.items():
        question = asked(run)
        assert question["subject"] == "ユーザー 9 件を削除しますか？"
        assert question["options"] == ["Approve", "Reject"]
        shown = [user for user in asked_for[engine] if user in question["body"].splitlines()]
        assert shown == [*users[engine][:3], missing, users[engine][3]]
        for part in (
            resources.user_pool_id,
            "削除対象: **9 件**",
            f"`{run.admin}`",
            "依頼者: `admin`（本人以外の承認が必要です）",
            "除いた行: 1 件",
            "`FORCE_CHANGE_PASSWORD` 8 件、ユーザープールにない 1 件",
        ):
            assert part in question["body"], part
    time.sleep(2)
    called = {call["operation"] for call in aws.calls() if call["operation"].startswith("Admin")}
    assert called == {"AdminGetUser", "AdminListGroupsForUser"}
    for run in runs.values():
        assert set(run.states("process_users") + run.states("start_execution")) == {None}

    for run in runs.values():
        approver.answer(DAG, run.run_id, TASK, "Approve")
    for engine, run in runs.items():
        assert run.wait() == "success"
        rows = reported(run)
        assert [row["useremail"] for row in rows] == asked_for[engine]
        told = {row["useremail"]: (row["status"], row["code"], row["username"]) for row in rows}
        assert told == {
            **{user: ("succeeded", "", usernames[user]) for user in users[engine]},
            "no-address": ("failed", "InvalidAddress", ""),
            missing: ("failed", "UserNotFoundException", ""),
        }
        (mail,) = run.mails()
        assert "一括削除" in mail["Subject"]
        report = run.rest.xcom(DAG, run.run_id, "report")
        assert report["csv_key"].startswith("cognitodeletelog/delete_result_")
        assert set(run.states(OTHER_ENGINE[engine])) == {"skipped"}
        assert approval.read(run.folder).by == "approver"
        assert found_in_airflow(run, [*users[engine], run.admin]) == []
    assert [user for user in resources.users() if user in {*everybody, bystander}] == [bystander]
    assert sorted(deletions(aws)) == sorted(usernames[user] for user in everybody)


def test_an_import_is_undone_once_approved_and_its_users_are_disabled_and_enabled(
    approver, start, addresses, resources, admin, reported
):
    """Users who existed stay, who was disabled since is left with the reason, and the mail's own conf undoes the import."""
    users = addresses(5)
    resources.add_user(users[0])
    run = start(users)
    assert run.wait() == "success"
    assert {row["code"] for row in reported(run)} == {"UsernameExistsException", ""}
    (mail,) = run.mails(admin)
    conf = next(
        line[line.index('{"undo"') : line.index("}") + 1] for line in mail["BodyText"].splitlines() if '{"undo"' in line
    )

    disabled = start([users[1], users[2]], jobtype="disable")
    assert disabled.wait() == "success"
    assert disabled.states(TASK) == ["skipped"]
    enabled = start(users[2:4], jobtype="enable")
    assert enabled.wait() == "success"
    assert [(row["status"], row["code"]) for row in reported(enabled)] == [
        ("succeeded", ""),
        ("succeeded", "Unchanged"),
    ]

    undo = start(data=None, **json.loads(conf))
    question = asked(undo)
    assert question["subject"] == "インポートを取り消し、ユーザー 4 件を削除しますか？"
    assert f"`{run.folder.run}` を取り消します" in question["body"]
    approver.answer(DAG, undo.run_id, TASK, "Approve")
    assert undo.wait() == "success"
    told = {row["useremail"]: row["code"] for row in reported(undo)}
    # The second was disabled and enabled again, so it was changed, too.
    assert told == {users[1]: "ChangedSince", users[2]: "ChangedSince", users[3]: "", users[4]: ""}
    assert set(users) & set(resources.users()) == set(users[:3])
    subject = undo.mails(admin)[-1]["Subject"]
    assert "インポートの取り消し" in subject


def test_a_rejected_deletion_deletes_nobody_and_can_be_asked_again(
    approver, start, victims, resources, aws, admin, new_admin, reported
):
    """Run and administrator are told who rejected it; clearing the question asks again, and a yes then counts."""
    everybody = victims(5)
    users, others = everybody[:3], everybody[3:]
    aws.reset()
    run = start(users, jobtype="delete")
    machined = start(others, jobtype="delete", engine="step_functions", adminemail=new_admin())
    for one in (run, machined):
        asked(one)
        one.rest.answer(DAG, one.run_id, TASK, "Reject")
    assert [one.wait() for one in (run, machined)] == ["failed", "failed"]
    rows = reported(run)
    assert {(row["status"], row["code"]) for row in rows} == {("failed", "NotAttempted")}
    assert all("admin によって却下されました" in row["message"] for row in rows)
    (mail,) = run.mails(admin)
    assert "承認されませんでした" in mail["Subject"]
    assert deletions(aws) == []
    assert set(everybody) <= set(resources.users())
    states = {task: set(run.states(task)) for task in (TASK, "process_users", "report", "finish")}
    assert states == {
        TASK: {"failed"},
        "process_users": {"upstream_failed"},
        "report": {"success"},
        "finish": {"failed"},
    }
    assert machined.states("start_execution") == ["upstream_failed"]
    variable = json.loads(run.sandbox.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
    found = resources.step_functions.list_executions(stateMachineArn=variable["state_machine_arn"])["executions"]
    assert [one for one in found if one["name"].startswith(machined.folder.run)] == []
    assert "rejected by admin" in run.log(TASK)

    run.rest.clear(DAG, run.run_id, [TASK], downstream=True)
    asked(run)
    assert deletions(aws) == []
    approver.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "success"
    assert {row["status"] for row in reported(run)} == {"succeeded"}
    assert set(everybody) & set(resources.users()) == set(others)
    assert len(run.mails(admin)) == 2


@pytest.mark.slow
def test_without_an_answer_nobody_is_deleted(start, victims, resources, aws, new_admin, reported, vary):
    """When the time is over, the run fails, the report says so, and neither engine has started."""
    users = victims(4)
    aws.reset()
    vary(approval_seconds=3)
    lists = {"mapped": users[:2], "step_functions": users[2:]}
    runs = [start(mine, jobtype="delete", engine=engine, adminemail=new_admin()) for engine, mine in lists.items()]
    for run in runs:
        assert run.wait() == "failed"
        rows = reported(run)
        assert {row["code"] for row in rows} == {"NotAttempted"}
        assert all("3 秒待ちましたが、承認されなかった" in row["message"] for row in rows)
        (mail,) = run.mails()
        assert "期限切れ" in mail["Subject"]
        assert run.states("process_users") + run.states("start_execution") == ["upstream_failed"] * 2
    assert deletions(aws) == []
    assert set(users) <= set(resources.users())


def test_who_asked_cannot_approve(approver, start, victims, resources, aws, vary, sandbox, admin):
    """The question is asked again for somebody else, whom mail has told of it, with the page where it is answered."""
    users = victims(2)
    boss = f"boss-{admin}"
    resources.ses.verify_email_identity(EmailAddress=boss)
    aws.reset()
    vary(approvers=[boss])
    run = start(users, jobtype="delete")
    asked(run)
    (mail,) = run.mails(boss)
    assert f"/dags/{DAG}/runs/" in mail["BodyText"]
    assert run.sandbox.airflow.url in mail["BodyText"]
    run.rest.answer(DAG, run.run_id, TASK, "Approve")
    said = "somebody else has to approve"
    until(said, lambda: run.log(TASK), lambda log: said in log, seconds=120, every=1)
    asked(run)
    assert deletions(aws) == []
    approver.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "success"
    assert set(users) & set(resources.users()) == set()
    assert approval.read(run.folder).by == "approver"
    assert len(run.mails(boss)) == 1


def test_only_whom_the_settings_name_may_answer(approver, start, victims, resources, aws, vary):
    """Airflow itself refuses the answer of anybody else, an administrator's included."""
    users = victims(2)
    aws.reset()
    vary(approver_ids=["approver"], approve_own=True)
    run = start(users, jobtype="delete")
    asked(run)
    with pytest.raises(Exception, match="403"):
        run.rest.answer(DAG, run.run_id, TASK, "Approve")
    assert deletions(aws) == []
    approver.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "success"
    assert set(users) & set(resources.users()) == set()


@pytest.mark.slow
def test_another_user_pool_is_no_answer(approver, start, victims, resources, aws, vary, admin):
    """The question named a user pool: with another one in the settings nobody is deleted, and the reason says what to do."""
    users = victims(2)
    aws.reset()
    run = start(users, jobtype="delete")
    asked(run)
    vary(user_pool_id=f"{resources.user_pool_id.partition('_')[0]}_another1")
    approver.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "failed"
    assert deletions(aws) == []
    for task, index in (("process_users", 0), ("finish", -1)):
        said = run.log(task, map_index=index).replace("\\'", "'")
        assert "'user_pool_id' was" in said
        assert (
            "Set it back or leave it, then have the request read anew: in Airflow clear 'read_request' with Downstream"
            in said
        )
    (mail,) = run.mails(admin)
    assert "設定 'user_pool_id' は" in mail["BodyText"]
    assert set(users) <= set(resources.users())

    vary()
    run.rest.clear(DAG, run.run_id, ["read_request"], downstream=True)
    asked(run)
    assert deletions(aws) == []
    approver.answer(DAG, run.run_id, TASK, "Approve")
    assert run.wait() == "success"
    assert set(users) & set(resources.users()) == set()


@pytest.mark.slow
def test_deletions_that_wait_do_not_block_an_import(start, victims, addresses, sandbox):
    """Airflow runs sixteen runs of a DAG at once, if nobody says otherwise."""
    users = victims(17)
    waiting = [start([user], jobtype="delete") for user in users]
    for run in waiting:
        asked(run)
    imported = start([f"new-{users[0]}"])
    assert imported.wait() == "success"
    for run in waiting:
        run.mark("failed")
    assert {run.wait() for run in waiting} == {"failed"}


def test_a_question_marked_as_answered_deletes_nobody(start, victims, resources, aws, reported):
    """Setting the task to success is no answer, and XComs decide nothing, although Airflow's role User may write both."""
    users = victims(2)
    aws.reset()
    run = start(users, jobtype="delete")
    asked(run)
    path = f"dags/{DAG}/dagRuns/{run.run_id}/taskInstances"
    for task_id in ("read_request", "preflight"):
        value = run.rest.xcom(DAG, run.run_id, task_id)
        lie = {"approve": False, "jobtype": "delete", "engine": "mapped"}
        value = [{**one, **lie} for one in value] if isinstance(value, list) else {**value, **lie}
        entry = f"{path}/{task_id}/xcomEntries/return_value"
        run.rest.request("PATCH", entry, json={"value": value, "map_index": -1})
    run.rest.request("PATCH", f"{path}/{TASK}", json={"new_state": "success"})
    assert run.wait() == "failed"
    assert deletions(aws) == []
    assert set(users) <= set(resources.users())
    assert all("承認依頼に回答がないまま" in row["message"] for row in reported(run))


@pytest.mark.slow
def test_a_worker_that_dies_with_the_answer_does_not_lose_it(approver, start, victims, resources, aws, sandbox):
    """Killed while it stores the yes: nothing is deleted until another has taken over, which follows what was stored."""
    users = victims(2)
    aws.reset()
    run = start(users, jobtype="delete")
    asked(run)
    aws.fault("PutObject", "hang", service="s3", seconds=60, times=1)
    approver.answer(DAG, run.run_id, TASK, "Approve")

    def at_work():
        return run.states(TASK), sandbox.airflow.task_pids(DAG, run.run_id, TASK)

    _, pids = until("the task at work", at_work, lambda seen: seen[0] == ["running"] and all(seen[1]))
    time.sleep(3)  # to the call that hangs
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    aws.clear_faults()
    assert deletions(aws) == []
    assert run.wait() == "success"
    (question,) = run.rest.task_instances(DAG, run.run_id, TASK)
    assert question["try_number"] == 2
    assert approval.read(run.folder).by == "approver"
    assert set(users) & set(resources.users()) == set()


@pytest.mark.slow
def test_a_killed_deletion_resumes_after_its_last_user(start, victims, resources, sandbox, aws, admin, reported, vary):
    """Without approval (the setting is off) nobody is asked; a worker killed on the way costs nobody a true outcome."""
    users = victims(120)
    aws.reset()
    vary(approve_deletions=False)
    run = start(users, jobtype="delete")
    run.wait_for_outcomes(lambda outcomes: sum(row <= 15 for row in outcomes) > 2)
    for index in (0, 3):
        for pid in sandbox.airflow.task_pids(DAG, run.run_id, "process_users", index):
            os.kill(pid, signal.SIGKILL)
    assert run.wait() == "success"
    tries = [item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, "process_users")]
    assert (tries[0], tries[3]) == (2, 2)
    assert run.states(TASK) == ["skipped"]
    rows = reported(run)
    assert [row["useremail"] for row in rows] == users
    assert {row["status"] for row in rows} == {"succeeded"}
    assert all(row["username"] for row in rows)
    assert set(users) & set(resources.users()) == set()
    # The two users under way may have been deleted by the killed processes: they alone are called for again.
    called = deletions(aws)
    assert len(called) - len(set(called)) <= 2
    assert len(run.mails(admin)) == 1
    assert aws.stats()["categories"]["UserUpdate"]["throttles"] == 0
