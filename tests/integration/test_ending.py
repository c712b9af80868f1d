"""However a run is ended, and whatever is cleared, it ends by itself with a true report."""

from __future__ import annotations

import re
import time

import pytest
from tests.integration.conftest import SLOTS

from demo.sandbox import DAG


@pytest.fixture
def pause(sandbox):
    """Pause the DAG, or start it again."""
    path = f"dags/{DAG}"
    yield lambda *, on: sandbox.airflow.rest.request("PATCH", path, json={"is_paused": on})
    sandbox.airflow.rest.request("PATCH", path, json={"is_paused": False})


ENDED = {
    "failed": {"tasks": ["read_request"], "downstream": True},
    "success": {"tasks": ["process_users"]},
}
"""What somebody marks a run as, and what is cleared then."""


@pytest.mark.slow
def test_a_run_that_somebody_ends_is_reported(start, addresses, new_admin, aws, reported, truth, pause, succeeded):
    """Running tasks are stopped, the report goes out with what is known, and clearing the tasks does the rest."""
    users = addresses(300 * len(ENDED))
    lists = {state: users[300 * number :][:300] for number, state in enumerate(ENDED)}
    runs = {}
    for state, mine in lists.items():
        run = runs[state] = start(mine, adminemail=new_admin())
        run.wait_for_outcomes(lambda outcomes: len(outcomes) > 20)
        if state == "success":
            pause(on=True)
        run.mark(state)
        if state == "success":  # Airflow starts no task of a paused DAG, whatever somebody marks
            time.sleep(5)
            assert run.mails() == []
            assert run.states("report") == [None]
            pause(on=False)
        assert run.wait() == "failed"  # users are left, so it is no success, whatever the button said
        rows = reported(run)
        truth(rows, mine)
        left = [row for row in rows if row["status"] == "failed"]
        assert {row["code"] for row in left} <= {"NotAttempted", "Interrupted"}
        assert 0 < len(left) < 300
        assert len(run.mails()) == 1
    calls = len(aws.calls())

    for state, run in runs.items():
        run.rest.clear(DAG, run.run_id, **ENDED[state])
    for state, run in runs.items():
        succeeded(run, lists[state], called_twice=SLOTS)
        assert len(run.mails()) == 2
    assert len(aws.calls()) > calls


CLEARED = {
    "the failed task alone": {"tasks": ["process_users"]},
    "with downstream": {"tasks": ["process_users"], "downstream": True},
    "downstream, failed only": {"tasks": ["process_users"], "downstream": True, "only_failed": True},
    "all that failed": {"only_failed": True},
    "from preflight": {"tasks": ["preflight"], "downstream": True},
}


def test_whatever_is_cleared_the_report_is_true(start, addresses, aws, new_admin, reported, truth):
    """Of each run one user's batch fails for good; every way to clear it finishes all users and sends one more mail."""
    users = addresses(4 * len(CLEARED))
    lists = {way: users[4 * number : 4 * number + 4] for number, way in enumerate(CLEARED)}
    for mine in lists.values():
        denied = {"code": "AccessDeniedException", "message": "Not authorized.", "username": mine[2]}
        aws.fault("AdminCreateUser", times=1, **denied)
    runs = {way: start(mine, adminemail=new_admin()) for way, mine in lists.items()}
    for way, run in runs.items():
        assert run.wait() == "failed", way
        assert "AccessDeniedException" in run.log("finish"), way
    for way, run in runs.items():
        run.rest.clear(DAG, run.run_id, **CLEARED[way])
    for way, run in runs.items():
        assert run.wait() == "success", way
        rows = reported(run)
        truth(rows, lists[way])
        assert {row["status"] for row in rows} == {"succeeded"}, way
        assert len(run.mails()) == 2, way


def test_clearing_what_changes_nothing_mails_nothing(start, addresses, aws, new_admin):
    """A finished run stays one, whichever task is cleared, and nobody is called again."""
    tasks = ("report", "finish", "choose_engine", "read_request")
    runs = {
        task: start([user], adminemail=new_admin()) for task, user in zip(tasks, addresses(len(tasks)), strict=True)
    }
    for task, run in runs.items():
        assert run.wait() == "success", task
    calls = len(aws.calls())
    for task, run in runs.items():
        run.rest.clear(DAG, run.run_id, [task])
    for task, run in runs.items():
        assert run.wait() == "success", task
        assert len(run.mails()) == 1, task
    assert [call for call in aws.calls()[calls:] if call["operation"].startswith("Admin")] == []


def test_a_run_whose_users_all_fail_alike_asks(start, addresses, aws, admin, reported, truth):
    """It stops at the first fifty or so, fails without a retry, and goes on when cleared; the note tells how it stands."""
    users = addresses(100)
    aws.fault("AdminCreateUser", code="InvalidParameterException", message="No such attribute", times=None)
    run = start(users)
    run.rest.request("PATCH", f"dags/{DAG}/dagRuns/{run.run_id}", json={"note": "Ask Hanako."})
    assert run.wait() == "failed"
    called = sum(call["operation"] == "AdminCreateUser" for call in aws.calls())
    assert 50 <= called < 50 + 2 * SLOTS  # each slot may be at a user, or just begin one, when the fiftieth has failed
    assert re.search(r"All [56]\d ", run.log("finish"))
    assert "failed with this error (No such attribute)" in run.log("finish")
    assert {item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, "process_users")} == {1}
    truth(reported(run), users)
    counts = f"100 users: {called} failed, {100 - called} not attempted; "
    note = run.rest.run(DAG, run.run_id)["note"]
    assert note.startswith(f"Ask Hanako.\n\n{counts}")
    assert f"; run {run.folder.run}; report s3://" in note

    aws.clear_faults()
    run.rest.clear(DAG, run.run_id, only_failed=True)
    assert run.wait() == "success"
    counts = f"100 users: {100 - called} succeeded, {called} failed; "
    note = run.rest.run(DAG, run.run_id)["note"]
    assert note.startswith(f"Ask Hanako.\n\n{counts}")
    assert note.count("report s3://") == 1
    assert len(run.mails(admin)) == 2


def test_what_was_wrong_before_the_first_call_is_corrected_in_its_run(
    start, addresses, aws, admin, reported, vary, succeeded
):
    """A group that the settings name wrongly, then another engine, then a missing permission: one run, at last a success."""
    users = addresses(5)
    vary(default_groups=["NO-SUCH-GROUP"])
    run = start(users)
    assert run.wait() == "failed"
    for task in ("preflight", "finish"):
        said = run.log(task).replace("\\'", "'")
        assert "The group 'NO-SUCH-GROUP'" in said
        assert "clear 'read_request' with Downstream" in said
    vary(engine="step_functions")
    run.rest.clear(DAG, run.run_id, only_failed=True)  # the request is not read anew, so nothing has changed
    assert run.wait() == "failed"
    (mail,) = run.mails(admin)
    assert "read_request を「下流」を含めて消去" in mail["BodyText"]
    note = run.rest.run(DAG, run.run_id)["note"]
    assert note.startswith(
        "事前チェックで 1 件の問題が見つかりました。 - グループ 'NO-SUCH-GROUP' を確認できませんでした"
    )
    assert note.endswith(f"; run {run.folder.run}")

    aws.fault("StartExecution", service="states", code="AccessDeniedException", message="No.", times=1)
    run.rest.clear(DAG, run.run_id, ["read_request"], downstream=True)
    assert run.wait() == "failed"
    assert "states:StartExecution" in run.log("start_execution")
    assert {row["code"] for row in reported(run)} == {"NotAttempted"}
    assert not any(call["operation"] == "AdminCreateUser" for call in aws.calls())

    run.rest.clear(DAG, run.run_id, ["start_execution"], downstream=True)
    succeeded(run, users)
    assert len(run.mails(admin)) == 3
