"""What the deployment does: it comes up healthy, imports, sends a worker away in order, and loses a machine."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate

import httpx
import pytest

from sandbox.airflow.rest import RestError
from sandbox.waiting import until

WORKERS = ("airflow-worker-1", "airflow-worker-2")


def assert_truth(run, resources):
    """Every user of the run has exactly one outcome, and it is what the user pool says."""
    rows = run.rows()
    assert [row["useremail"] for row in rows] == run.addresses
    assert {row["status"] for row in rows} == {"succeeded"}
    pool = resources.users()
    for row in rows:
        user = pool[row["useremail"]]
        assert (user.username, user.groups) == (row["username"], {"BASIC"})


def most_at_once(tasks, since):
    """Return how many of the tasks that began since a moment ran at the same time, by what Airflow has noted of each."""
    spans = [[datetime.fromisoformat(task[key]) for key in ("start_date", "end_date")] for task in tasks]
    changes = sorted(change for start, end in spans if start > since for change in ((start, 1), (end, -1)))
    return max(accumulate(change for _, change in changes))


def test_a_small_import_goes_through(start, resources):
    """With nothing prepared, the deployment imports users and mails one report; the API server reads a worker's logs."""
    run = start(25)
    assert run.wait() == "success"
    assert_truth(run, resources)
    assert run.admin not in run.rest.log("cognito_import", run.run_id, "report")
    assert "succeeded" in run.rest.log("cognito_import", run.run_id, run.tasks()[0]["task_id"], map_index=0)


def test_every_container_came_to_health(cluster):
    """Each service with a health check passes it, each other one has ended well."""
    assert set(cluster.seconds_to_health) == set(cluster.containers)
    lasting = [name for name, container in cluster.containers.items() if container.service.healthcheck]
    for name in lasting:  # a check may take too long on a loaded machine; Docker tries again, too
        until(f"the health of {name}", lambda name=name: cluster.is_healthy(name), seconds=180, every=5)


def test_workers_import_ahead_of_their_tasks(cluster):
    """Both workers have imported what an import's tasks need before they forked."""
    for worker in WORKERS:
        before, ready, _ = cluster.log(worker).partition(" ready.")
        assert ready
        assert "Imported ahead what the tasks of an import need" in before
        assert "cannot be imported ahead" not in before


def test_a_worker_that_is_sent_away_finishes_what_it_runs(cluster, start, resources):
    """After SIGTERM a worker takes no more tasks and ends its own: nothing is tried twice, as after `docker compose stop`."""
    run = start(100)
    run.wait_for_outcomes(20)
    assert len(run.tasks()) == 20
    cluster.stop_component(WORKERS[0], seconds=120)
    assert not cluster.processes.is_running(WORKERS[0])
    assert cluster.processes.exit_code(WORKERS[0]) == 0
    assert run.wait() == "success"
    assert {task["try_number"] for task in run.tasks()} == {1}
    assert_truth(run, resources)
    cluster.start_component(WORKERS[0])
    cluster.wait_healthy(WORKERS[0])


def test_a_lost_machine_costs_no_user(cluster, start, resources, aws):
    """A worker and all its children are killed amid an import: the run ends by itself, with one truth and one report."""
    run = start(300)
    run.wait_for_outcomes(110)
    finished = run.folder.progress().outcomes
    killed_at = time.time()
    cluster.kill_component(WORKERS[0])
    assert not cluster.is_healthy(WORKERS[0])
    assert cluster.is_healthy(WORKERS[1])
    state = run.wait()
    ended_at = time.time()
    assert state == "success"
    assert_truth(run, resources)

    again = [task["map_index"] for task in run.tasks() if task["try_number"] > 1]
    assert 0 < len(again) < 20
    calls = [call for call in aws.calls() if not call["code"]]
    for operation in ("AdminCreateUser", "AdminAddUserToGroup"):
        called = Counter(call["username"] for call in calls if call["operation"] == operation)
        # Only a user who was under way on the lost machine may have been called before: one for each of its tasks.
        twice = {name for name, count in called.items() if count > 1}
        assert len(twice) <= len(again)
        assert max(called.values()) <= 2
        assert not twice & {name for outcome in finished.values() for name in (outcome.useremail, outcome.username)}

    batches = run.folder.required_manifest().batches
    taken_over = {
        run.addresses[row - 1] for index in again for row in range(batches[index].first, batches[index].last + 1)
    }
    resumed = [call["time"] for call in calls if call["username"] in taken_over and call["time"] > killed_at + 5]
    print(
        f"\nrecovery: {len(again)} batches taken over, first call {min(resumed) - killed_at:.0f} s after the kill, "
        f"the run's end {ended_at - killed_at:.0f} s after it"
    )


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_database_may_be_away(cluster, start, resources, aws, name):
    """Gone for 20 s amid an import: it ends by itself, and nobody is called twice.

    Another, triggered as soon as it is back, uses all slots of the pool: no worker has kept fewer than it had before.
    """
    run = start(200)
    run.wait_for_outcomes(40)
    finished = run.folder.progress().outcomes
    cluster.stop_component(name, seconds=10)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        cluster.restart_ended()
        time.sleep(1)
    cluster.start_component(name)
    back_at, since = time.monotonic(), datetime.now(UTC)
    again = None
    while again is None or {run.state(), again.state()} & {"queued", "running", None}:
        assert time.monotonic() < back_at + 400, (run.state(), again and again.state())
        cluster.restart_ended()
        if again is None and run.state() is not None:
            with suppress(httpx.TransportError, RestError):
                again = start(600)
        time.sleep(1)
    print(f"\nrecovery: both imports had ended {time.monotonic() - back_at:.0f} s after {name} was back")
    assert (run.state(), again.state()) == ("success", "success")
    assert most_at_once([*run.tasks(), *again.tasks()], since) == 20
    for one in (run, again):
        assert_truth(one, resources)
    created = Counter(call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser")
    assert max(created[address] for address in run.addresses + again.addresses) == 1
    names = {name for outcome in finished.values() for name in (outcome.useremail, outcome.username)}
    assert max(Counter(call["username"] for call in aws.calls() if call["username"] in names).values()) == 1


def test_the_deployment_can_be_made_again_without_harm(cluster, resources):
    """`up` repeated: secrets, database, pool and AWS resources stay as they are, an operator's change of the pool included."""
    kept = {name: cluster.secret(name) for name in ("postgres_password", "fernet_key", "jwt_secret", "ui_passwords")}
    cluster.rest.set_pool("cognito_api", 10)
    for name in ("secrets", "airflow-init", "local-resources"):
        cluster.repeat(name)
    assert {name: cluster.secret(name) for name in kept} == kept
    assert cluster.rest.pool("cognito_api")["slots"] == 10
    cluster.rest.set_pool("cognito_api", 20)
    again = type(resources)(mark="local")
    assert again.find()
    assert again.user_pool_id == resources.user_pool_id
