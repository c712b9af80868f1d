"""Batches: processed, interrupted, taken over."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config

from cognito_import import aws
from cognito_import.engine import batches, worker
from cognito_import.engine.batches import fence, run_batch
from cognito_import.engine.calls import BACKOFF
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, LeaseLostError, RunFolderError
from cognito_import.ingest import ingest_request
from cognito_import.run import approval
from cognito_import.run.checkpoints import Checkpoint, Unsettled
from cognito_import.run.folder import RunFolder


@pytest.fixture
def taken(resources, settings, folder):
    """Ingest a request of `count` users, and return the manifest."""

    def take(count, **change):
        users = [{"useremail": f"user{number:03}@example.com"} for number in range(1, count + 1)]
        manifest = ingest_request(
            {"data": users, "adminemail": resources.admin, **change}, settings, resources.s3, folder
        )
        if manifest.approve:
            yes = approval.Approval(approval.APPROVED, manifest.began, 60, "taro", rows=manifest.approved)
            approval.write(folder, yes)
        return manifest

    return take


@pytest.fixture
def pool(resources, settings, folder):
    """A user pool that never sleeps."""

    def pool():
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        manifest = folder.required_manifest()
        return UserPool(client, settings, Pacer(0), jobtype=manifest.jobtype, sleep=lambda _: None)

    return pool


def whole(manifest):
    """One batch of all the rows, so that a few users are enough to interrupt it."""
    first, last = manifest.batches[0], manifest.batches[-1]
    size = sum(batch.size for batch in manifest.batches)
    length = last.offset + last.length - first.offset
    return replace(first, last=last.last, size=size, length=length)


def created(local_aws, operation="AdminCreateUser"):
    """Return the names that AdminCreateUser, or another operation, was called for, in order."""
    return [call["username"] for call in local_aws.calls() if call["operation"] == operation]


def test_a_batch_is_processed(taken, folder, pool, resources, local_aws):
    """Every user gets its one outcome, and the pool has what the outcomes say."""
    resources.add_user("user002@example.com")
    local_aws.reset()
    result = run_batch(folder, whole(taken(5)), pool())
    assert (result.users, result.succeeded, result.failed) == (5, 4, 1)
    outcomes = folder.progress().outcomes
    assert [outcomes[row].code for row in sorted(outcomes)] == ["", "UsernameExistsException", "", "", ""]
    pool_users = resources.users()
    assert all(pool_users[item.useremail].username == item.username for item in outcomes.values() if item.username)
    assert created(local_aws) == [f"user{number:03}@example.com" for number in range(1, 6)]


class Killed(BaseException):
    """Stands in for SIGKILL: nothing of the worker's own runs after it."""


@pytest.mark.parametrize("moment", ["before", "after"], ids=["before-the-call", "after-the-call"])
def test_a_batch_resumes_after_a_dead_worker(taken, folder, pool, resources, local_aws, monkeypatch, moment):
    """Killed at user 8 of 10, before or after the user was made: the rest is done, nobody finished is called again."""
    batch = whole(taken(10))
    dying = pool()
    original = dying.process

    def create(row, turn):
        if row.row != 8:
            return original(row, turn)
        if moment == "after":
            original(replace(row, groups=()), turn)
        raise Killed

    monkeypatch.setattr(dying, "process", create)
    monkeypatch.setattr(batches, "GRACE", -1e9)  # it is known here when a worker is gone
    with pytest.raises(Killed):
        run_batch(folder, batch, dying)
    assert len(folder.progress().outcomes) == 7
    assert folder.progress().unsettled[8].outcome().code == "Interrupted"

    result = run_batch(folder, batch, pool())
    assert (result.succeeded, result.failed) == (10, 0)
    calls = created(local_aws)
    assert calls[:7] == [f"user{number:03}@example.com" for number in range(1, 8)]
    assert len(set(calls)) == 10
    assert len(calls) == (11 if moment == "after" else 10)
    assert all(user.groups == {"BASIC"} for user in resources.users().values())


def test_a_part_is_fresh_whenever_a_call_follows(taken, folder, pool, monkeypatch):
    """Whoever takes over waits from the part's last storing, so before a late or repeated call it is stored again."""
    batch = whole(taken(1))
    late = 0.0
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + late))
    written = []
    write_checkpoint = folder.write_checkpoint

    def write(*checkpoint):
        written.append(late)
        write_checkpoint(*checkpoint)

    monkeypatch.setattr(folder, "write_checkpoint", write)
    calling = pool()
    original = calling.process

    def create(row, turn):
        nonlocal late
        turn.may_go_on()
        assert written == [0.0]
        late = 60.0
        turn.may_go_on()
        turn.may_go_on()
        assert written == [0.0, 60.0]
        return original(row, turn)

    monkeypatch.setattr(calling, "process", create)
    assert run_batch(folder, batch, calling).succeeded == 1


@pytest.mark.parametrize(("jobtype", "calls"), [("import", 3), ("delete", 1)])
def test_a_worker_is_awaited_for_as_long_as_it_may_be_at_a_user(taken, folder, pool, jobtype, calls):
    """An import may create, look up who exists and add to its group before it stores again."""
    manifest = taken(1, jobtype=jobtype)
    [row] = folder.rows(manifest.batches[0])
    assert pool().max_seconds(row) >= calls * aws.MAX_CALL_SECONDS


def test_two_workers_do_not_both_call_for_a_user(paused, taken, folder, pool, resources, local_aws):
    """The first is thought dead at user 3 but works on: it finishes that user, hands over, and stops."""
    batch = whole(taken(8))
    first = pool()
    at_third, go_on = paused(first, "user003@example.com")
    ended = []

    def run_first():
        try:
            run_batch(folder, batch, first)
        except LeaseLostError as error:
            ended.append(error)

    worker = threading.Thread(target=run_first)
    worker.start()
    assert at_third.wait(30)

    def waiting(_):
        go_on.set()  # the second worker is waiting for the first: let it finish the user that it is at
        threading.Event().wait(0.05)

    result = run_batch(folder, batch, pool(), sleep=waiting)
    worker.join(30)
    assert len(ended) == 1
    assert (result.succeeded, result.failed) == (8, 0)
    assert sorted(created(local_aws)) == [f"user{number:03}@example.com" for number in range(1, 9)]
    assert len(folder.progress().outcomes) == 8


def test_outcomes_wait_for_s3(taken, resources, pool, local_aws):
    """While outcomes cannot be stored nobody is called; when they can, the batch goes on, each user called once."""
    batch = whole(taken(6))
    once = Config(retries={"total_max_attempts": 1})  # the client's own attempts take half a minute each time
    folder = RunFolder(boto3.client("s3", config=once), resources.bucket, "run-1")
    held = []

    def sleep(seconds):
        held.append((seconds, len(created(local_aws))))
        if len(held) == 3:
            local_aws.clear_faults()

    fragile = pool()
    original = fragile.process

    def create(row, turn):
        outcome = original(row, turn)
        if row.row == 4:
            local_aws.fault("PutObject", service="s3", code="SlowDown", status=503, times=1000)
        return outcome

    fragile.process = create
    result = run_batch(folder, batch, fragile, sleep=sleep)
    assert result.succeeded == 6
    assert [calls for _, calls in held] == [4, 4, 4]
    assert len(created(local_aws)) == 6


def test_a_stop_leaves_the_rest_untouched_and_says_why(taken, folder, pool, local_aws):
    """The calls end at once, the reason is stored, and running again after the cause is fixed does the rest."""
    batch = whole(taken(6))
    local_aws.fault("AdminCreateUser", code="AccessDeniedException", message="Not you.", after=2, times=1)
    with pytest.raises(CallsStoppedError, match="Not you"):
        run_batch(folder, batch, pool())
    progress = folder.progress()
    assert (len(progress.outcomes), progress.unsettled, len(created(local_aws))) == (2, {}, 3)
    assert progress.stopped == {1: "AccessDeniedException: Not you."}
    assert run_batch(folder, batch, pool()).succeeded == 6
    assert len(created(local_aws)) == 7


def test_a_finished_batch_makes_no_call(taken, folder, pool, local_aws):
    """Running a finished batch again gives its counts."""
    batch = whole(taken(3))
    run_batch(folder, batch, pool())
    local_aws.reset()
    assert run_batch(folder, batch, pool()).succeeded == 3
    assert local_aws.calls() == []


@pytest.mark.parametrize("moment", ["before-the-look-up", "before-the-call", "after-the-call"])
def test_a_deletion_resumes_after_a_dead_worker(taken, folder, pool, resources, local_aws, monkeypatch, moment):
    """Killed at user 5 of 8, twice: users 5 and 6 are told exactly, the one there is a success, the missing one not."""
    for number in (1, 2, 3, 4, 5, 7, 8):
        resources.add_user(f"user{number:03}@example.com")
    batch = whole(taken(8, jobtype="delete"))
    monkeypatch.setattr(batches, "GRACE", -1e9)  # it is known here that the earlier workers are gone
    local_aws.reset()
    for _ in range(2):
        dying = pool()
        original = dying._job.calls.make

        def call(operation, *note, original=original, **arguments):
            at = folder.progress().unsettled
            there = "user005@example.com" in resources.users()  # whoever goes on looks the user up again
            dies_at = "AdminDeleteUser" if there and moment != "before-the-look-up" else "AdminGetUser"
            if operation == dies_at and 5 in at:
                if moment == "after-the-call" and there:
                    original(operation, *note, **arguments)
                raise Killed
            return original(operation, *note, **arguments)

        monkeypatch.setattr(dying._job.calls, "make", call)
        with pytest.raises(Killed):
            run_batch(folder, batch, dying)
        assert folder.progress().unsettled[5].outcome().code == "Interrupted"
        assert bool(folder.progress().unsettled[5].username) == (moment != "before-the-look-up")

    result = run_batch(folder, batch, pool())
    assert (result.succeeded, result.failed) == (7, 1)
    outcomes = folder.progress().outcomes
    assert {row: item.code for row, item in outcomes.items() if item.code} == {6: "UserNotFoundException"}
    assert resources.users() == {}
    deletions = created(local_aws, "AdminDeleteUser")
    assert len(set(deletions)) == 7
    assert len(deletions) == 7


def test_what_a_dead_worker_found_outlasts_those_behind_it(taken, folder, pool, resources):
    """Of two workers' entries for one user the name and the earlier moment count, whichever is read last."""
    resources.add_user("user001@example.com")
    batch = whole(taken(1, jobtype="delete"))
    name = resources.users()["user001@example.com"].username
    resources.cognito.admin_delete_user(UserPoolId=resources.user_pool_id, Username=name)
    for token, username, hour in [("a", "", 3), ("b", name, 2), ("c", "", 1)]:
        entry = Unsettled(1, "user001@example.com", f"2026-01-01T0{hour}:00:00+00:00", username)
        folder.write_checkpoint(batch.number, token, Checkpoint(unsettled=[entry], closed=True))
    assert folder.progress().unsettled[1].since == "2026-01-01T01:00:00+00:00"
    assert run_batch(folder, batch, pool()).succeeded == 1
    assert folder.progress().outcomes[1].username == name
    assert folder.progress().unsettled == {}


def test_what_retrying_cannot_change_fails_at_once(taken, folder, pool, local_aws):
    """S3 denies what is to be stored: no waiting, and the user in progress stays unsettled."""
    batch = whole(taken(3))
    folder.seal(folder.required_manifest())
    slept = []
    local_aws.fault("PutObject", service="s3", code="AccessDenied", status=403, after=4, times=1000)
    with pytest.raises(RunFolderError, match="AccessDenied"):
        run_batch(folder, batch, pool(), sleep=slept.append)
    assert slept == []
    local_aws.clear_faults()
    assert set(folder.progress().unsettled) == {2}


def test_one_user_whom_the_service_fails_holds_up_nobody(taken, folder, pool, resources, local_aws):
    """That user is left for later, and the batch asks to be tried again."""
    batch = whole(taken(6))
    broken = {"code": "InternalErrorException", "status": 500, "username": "user003@example.com"}
    local_aws.fault("AdminCreateUser", times=BACKOFF.attempts, **broken)
    with pytest.raises(CallsStoppedError) as stopped:
        run_batch(folder, batch, pool())
    assert stopped.value.temporary
    assert set(folder.progress().outcomes) == {1, 2, 4, 5, 6}
    assert set(folder.progress().unsettled) == {3}
    assert run_batch(folder, batch, pool()).succeeded == 6


def test_an_outage_ends_the_batch_and_fails_nobody(taken, folder, pool, local_aws):
    """Two users in a row meet the service's faults to the last attempt; the rest is not called for."""
    batch = whole(taken(6))
    local_aws.fault("AdminCreateUser", code="InternalErrorException", status=500, after=2, times=1000)
    with pytest.raises(CallsStoppedError) as stopped:
        run_batch(folder, batch, pool())
    assert stopped.value.temporary
    assert set(folder.progress().outcomes) == {1, 2}
    assert set(folder.progress().unsettled) == {3, 4}
    assert len(set(created(local_aws))) == 4
    local_aws.clear_faults()
    assert run_batch(folder, batch, pool()).succeeded == 6


def test_a_fence_keeps_a_worker_from_calling(paused, taken, folder, pool, local_aws):
    """Once the fence stands, a worker that was at user 3 finishes it and makes no further call."""
    batch = whole(taken(6))
    worker = pool()
    at_third, go_on = paused(worker, "user003@example.com")
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(run_batch, folder, batch, worker)
        assert at_third.wait(30)
        fence(folder, [batch], sleep=lambda _: (go_on.set(), threading.Event().wait(0.05)))
        assert set(folder.progress().outcomes) == {1, 2, 3}
        with pytest.raises(LeaseLostError):
            working.result(30)
    assert folder.progress().unsettled == {}  # user 4 was next, and surely not called for
    assert len(created(local_aws)) == 3
