"""What breaks while an import runs, and that nobody is lost, called twice or reported wrongly."""

import os
import secrets
import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest
from tests.integration.conftest import SLOTS, Run

from demo.sandbox import DAG
from sandbox.waiting import until


@pytest.fixture
def sandbox(whole_sandbox):
    """The sandbox as it is: calls of a run that goes on for several tests are not forgotten."""
    return whole_sandbox


@dataclass
class Killed:
    """An import of `users`, two of whose tasks were killed; `before` are the outcomes by then."""

    run: Run
    users: list[str]
    before: dict[int, Any]


@pytest.fixture(scope="module")
def killed(whole_sandbox):
    """Kill one task's process past the half of its batch, and another's with its supervisor.

    It takes Airflow two minutes to notice the second and to try both again, which is time for other tests.
    """
    mark = secrets.token_hex(3)
    users = [f"user{number:04}-{mark}@example.com" for number in range(1, 321)]
    admin = f"admin-{mark}@example.com"
    whole_sandbox.resources.ses.verify_email_identity(EmailAddress=admin)
    run = Run.started(whole_sandbox, admin, data=[{"useremail": user} for user in users])
    batch = len(users) // SLOTS

    def past_half(outcomes):
        return all(sum(low < row <= low + batch for row in outcomes) > batch / 2 for low in (0, 3 * batch))

    before = run.wait_for_outcomes(past_half)
    _, code = whole_sandbox.airflow.task_pids(DAG, run.run_id, "process_users", 0)
    supervisor, orphan = whole_sandbox.airflow.task_pids(DAG, run.run_id, "process_users", 3)
    for pid in (code, supervisor, orphan):
        os.kill(pid, signal.SIGKILL)
    return Killed(run, users, before)


@pytest.mark.slow
def test_an_api_server_that_is_away_costs_nothing(start, addresses, sandbox, succeeded):
    """Gone for 20 s in the middle of the import: every user is called once and the run is a success."""
    users = addresses(400)
    run = start(users)
    run.wait_for_outcomes(lambda outcomes: len(outcomes) > 60)
    began = time.monotonic()
    sandbox.airflow.stop_component("api-server")
    time.sleep(20)
    sandbox.airflow.start_component("api-server")
    until("the API server", lambda: sandbox.airflow.health().get("metadatabase") == "healthy", seconds=300, every=1)
    # Airflow takes a task for dead that it has not heard of for a minute, which is what a slow start of the server comes to.
    limit = int(sandbox.airflow.environment()["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"])
    is_short = time.monotonic() - began < limit - 15
    assert run.wait() == "success"
    tries = [item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, "process_users")]
    again = len(tries) - tries.count(1)
    assert again == 0 or not is_short
    succeeded(run, users, called_twice=again)


@pytest.mark.slow
def test_an_outage_of_cognito_fails_nobody(start, addresses, aws, succeeded):
    """Two minutes of 503s in the middle: tasks give their slots back and try again; in the end every user is there."""
    users = addresses(200)
    run = start(users)
    run.wait_for_outcomes(lambda outcomes: len(outcomes) > 40)
    aws.outage("cognito-idp", 120)
    succeeded(run, users, called_twice=SLOTS, seconds=600)


def calls_for(aws, users):
    """Return the calls that were made for these users."""
    return [call for call in aws.calls() if call["username"] in users]


@pytest.mark.usefixtures("killed")
def test_a_report_that_cannot_be_mailed_fails_visibly_and_is_retried(
    start, addresses, aws, resources, admin, reported, truth
):
    """The first attempts fail in view, a later one mails, to a corrected address if there is one; no user is touched again."""
    users = addresses(3)
    aws.fault("SendEmail", service="ses", code="AccessDenied", status=403, times=1)
    run = start(users)
    assert run.wait() == "success"
    (report,) = run.rest.task_instances(DAG, run.run_id, "report")
    assert report["try_number"] == 2
    assert "cannot be sent" in run.log("report")
    assert len(run.mails(admin)) == 1
    truth(reported(run), users)

    other = f"other-{admin}"
    calls = calls_for(aws, users)
    resources.ses.verify_email_identity(EmailAddress=other)
    key = f"{run.folder.prefix}adminemail"
    resources.s3.put_object(Bucket=resources.bucket, Key=key, Body=other.encode())
    run.rest.clear(DAG, run.run_id, ["report"])
    assert run.wait() == "success"
    assert (len(run.mails(admin)), len(run.mails(other))) == (1, 1)
    assert calls_for(aws, users) == calls


def test_a_batch_that_dies_for_good_is_reported_and_can_be_finished(
    start, addresses, aws, admin, reported, truth, succeeded
):
    """Its users are NotAttempted in CSV and mail, the run is failed; clearing the failed tasks does the rest."""
    users = addresses(60)
    aws.fault("AdminCreateUser", code="AccessDeniedException", message="Not authorized.", username=users[4], times=1)
    run = start(users)
    assert run.wait() == "failed"
    rows = reported(run)
    truth(rows, users)
    assert [row["code"] for row in rows[3:6]] == ["", "NotAttempted", "NotAttempted"]
    assert "Not authorized." in rows[4]["message"]
    assert run.states("process_users").count("failed") == 1
    assert run.states("report") == ["success"]
    (mail,) = run.mails(admin)
    assert "未完了" in mail["Subject"]
    assert "not finished" in run.log("finish")

    run.rest.clear(DAG, run.run_id, ["process_users"], downstream=True)
    succeeded(run, users)
    assert len(run.mails(admin)) == 2


def test_a_killed_task_resumes_after_its_last_user(killed, reported, truth):
    """Whether its process alone dies or its supervisor, too: the retry begins where it ended, and all users are processed."""
    run = killed.run
    assert run.wait() == "success"
    tries = [item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, "process_users")]
    assert (tries[0], tries[3], max(tries[4:])) == (2, 2, 1)
    rows = reported(run)
    # The user in progress may have been created by the killed process: it is called again then, and no other.
    truth(rows, killed.users, called_twice=2)
    assert {row["status"] for row in rows} == {"succeeded"}
    assert len(killed.before) > 16
