"""Batches: worked off, interrupted, taken over."""

import threading
from itertools import pairwise

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import import aws, batches
from cognito_import.batches import LARGEST_BATCH, MOST_BATCHES, plan, run_batch
from cognito_import.errors import CallsStoppedError, LeaseLostError
from cognito_import.intake import take_in
from cognito_import.pacing import Pacer
from cognito_import.request import UserRow
from cognito_import.run_folder import Rows, RunFolder
from cognito_import.settings import ENGINES
from cognito_import.user_pool import UserPool


@pytest.fixture
def folder(ground):
    """An empty run folder."""
    return RunFolder(ground.s3, ground.bucket, "run-1")


@pytest.fixture
def taken(ground, settings, folder):
    """Take in so many users; give the manifest."""

    def take(count, **change):
        users = [{"useremail": f"user{number:03}@example.com"} for number in range(1, count + 1)]
        return take_in({"data": users, "adminemail": ground.admin, **change}, settings, ground.s3, folder)

    return take


@pytest.fixture
def pool(ground, settings, folder):
    """A user pool that never sleeps."""

    def pool():
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        manifest = folder.required_manifest()
        began, jobtype = manifest.began_at, manifest.jobtype
        return UserPool(client, settings, Pacer(0), began=began, jobtype=jobtype, sleep=lambda _: None)

    return pool


def whole(manifest):
    """One batch of all the rows, so that a few users are enough to interrupt it."""
    from dataclasses import replace

    first, last = manifest.batches[0], manifest.batches[-1]
    size = sum(batch.size for batch in manifest.batches)
    length = last.offset + last.length - first.offset
    return replace(first, last=last.last, size=size, length=length)


def created(local_aws, operation="AdminCreateUser"):
    """The names that AdminCreateUser, or another operation, was called for, in order."""
    return [call["username"] for call in local_aws.calls() if call["operation"] == operation]


@given(st.integers(1, 5_000), st.integers(1, 60), st.sampled_from(ENGINES))
def test_the_plan_holds_every_row_once(users, slots, engine):
    """Batches follow each other without gap, none is empty, and none is above the limit while there is room."""
    rows = Rows()
    for number in range(1, users + 1):
        rows.add(UserRow(number, f"{number}@x.jp"), 10)
    made = plan(rows, slots, engine)
    assert [batch.number for batch in made] == list(range(1, len(made) + 1))
    assert made[0].offset == 0
    assert all(one.offset + one.length == two.offset for one, two in pairwise(made))
    assert sum(batch.size for batch in made) == users
    sizes = {batch.size for batch in made}
    assert max(sizes) - min(sizes) <= 1
    assert 1 <= min(sizes) <= max(sizes) <= LARGEST_BATCH[engine]
    if users <= 2 * slots:
        assert sizes == {1}


@pytest.mark.parametrize(("users", "count", "size"), [(1_000, 20, 50), (100_000, 340, 295), (300_000, 1_000, 300)])
def test_the_plan_fits_airflow(users, count, size):
    """Many users share tasks, as many for each slot, and 300,000 fit the limit of mapped tasks."""
    rows = Rows()
    for number in range(1, users + 1):
        rows.add(UserRow(number, ""), 1)
    made = plan(rows, 20, "mapped")
    assert (len(made), max(batch.size for batch in made)) == (count, size)
    assert len(made) <= MOST_BATCHES


def test_a_batch_is_worked_off(taken, folder, pool, ground, local_aws):
    """Every user gets its one outcome, and the pool has what the outcomes say."""
    ground.add_user("user002@example.com")
    local_aws.reset()
    result = run_batch(folder, whole(taken(5)), pool())
    assert (result.users, result.succeeded, result.failed) == (5, 4, 1)
    outcomes = folder.known().outcomes
    assert [outcomes[row].code for row in sorted(outcomes)] == ["", "UsernameExistsException", "", "", ""]
    pool_users = ground.users()
    assert all(pool_users[item.useremail].username == item.username for item in outcomes.values() if item.username)
    assert created(local_aws) == [f"user{number:03}@example.com" for number in range(1, 6)]


class Killed(BaseException):
    """Stands in for SIGKILL: nothing of the worker's own runs after it."""


@pytest.mark.parametrize("moment", ["before", "after"], ids=["before-the-call", "after-the-call"])
def test_a_batch_goes_on_behind_a_dead_worker(taken, folder, pool, ground, local_aws, monkeypatch, moment):
    """Killed at user 8 of 10, before or after the user was made: the rest is done, nobody finished is called again."""
    batch = whole(taken(10))
    dying = pool()
    original = dying.create

    def create(row, turn):
        if row.row != 8:
            return original(row, turn)
        if moment == "after":
            dying._create(row, resumed=False)
        raise Killed

    monkeypatch.setattr(dying, "create", create)
    with pytest.raises(Killed):
        run_batch(folder, batch, dying)
    assert len(folder.known().outcomes) == 7
    assert folder.known().pending[8].code == "Interrupted"

    monkeypatch.setattr(batches, "GRACE", -1e9)  # it is known here that the first worker is gone
    result = run_batch(folder, batch, pool())
    assert (result.succeeded, result.failed) == (10, 0)
    calls = created(local_aws)
    assert calls[:7] == [f"user{number:03}@example.com" for number in range(1, 8)]
    assert len(set(calls)) == 10
    assert len(calls) == (11 if moment == "after" else 10)
    assert all(user.groups == {"BASIC"} for user in ground.users().values())


def test_two_workers_do_not_both_call_for_a_user(taken, folder, pool, ground, local_aws):
    """The first is thought dead at user 3 but works on: it finishes that user, hands over, and stops."""
    batch = whole(taken(8))
    at_third, go_on = threading.Event(), threading.Event()
    first = pool()
    original = first.create

    def create(row, turn):
        if row.row == 3:
            at_third.set()
            go_on.wait(30)
        return original(row, turn)

    first.create = create
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
    assert len(folder.known().outcomes) == 8


def test_outcomes_wait_for_s3(taken, folder, pool, local_aws):
    """While outcomes cannot be stored nobody is called; when they can, the batch goes on, each user called once."""
    batch = whole(taken(6))
    held = []

    def sleep(seconds):
        held.append((seconds, len(created(local_aws))))
        if len(held) == 3:
            local_aws.clear_faults()

    fragile = pool()
    original = fragile.create

    def create(row, turn):
        outcome = original(row, turn)
        if row.row == 4:
            local_aws.fault("PutObject", service="s3", code="AccessDenied", status=403, times=1000)
        return outcome

    fragile.create = create
    result = run_batch(folder, batch, fragile, sleep=sleep)
    assert result.succeeded == 6
    assert [calls for _, calls in held] == [4, 4, 4]
    assert len(created(local_aws)) == 6


def test_a_stop_leaves_the_rest_untouched_and_says_why(taken, folder, pool, local_aws):
    """The calls end at once, the reason is stored, and running again after the cause is mended does the rest."""
    batch = whole(taken(6))
    local_aws.fault("AdminCreateUser", code="AccessDeniedException", message="Not you.", after=2, times=1)
    with pytest.raises(CallsStoppedError, match="Not you"):
        run_batch(folder, batch, pool())
    known = folder.known()
    assert (len(known.outcomes), known.pending, len(created(local_aws))) == (2, {}, 3)
    assert known.stopped == {1: "AccessDeniedException: Not you."}
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
def test_a_deletion_goes_on_behind_a_dead_worker(taken, folder, pool, ground, local_aws, monkeypatch, moment):
    """Killed at user 5 of 8, twice: users 5 and 6 are told exactly, the one there is a success, the missing one not."""
    for number in (1, 2, 3, 4, 5, 7, 8):
        ground.add_user(f"user{number:03}@example.com")
    batch = whole(taken(8, jobtype="delete"))
    monkeypatch.setattr(batches, "GRACE", -1e9)  # it is known here that the earlier workers are gone
    local_aws.reset()
    for _ in range(2):
        dying = pool()
        original = dying._call

        def call(operation, *note, original=original, **arguments):
            at = folder.known().pending
            dies_at = "AdminGetUser" if moment == "before-the-look-up" else "AdminDeleteUser"
            if operation == dies_at and 5 in at:
                if moment == "after-the-call" and "user005@example.com" in ground.users():
                    original(operation, *note, **arguments)
                raise Killed
            return original(operation, *note, **arguments)

        monkeypatch.setattr(dying, "_call", call)
        with pytest.raises(Killed):
            run_batch(folder, batch, dying)
        assert folder.known().pending[5].code == "Interrupted"
        assert bool(folder.known().pending[5].username) == (moment != "before-the-look-up")

    result = run_batch(folder, batch, pool())
    assert (result.succeeded, result.failed) == (7, 1)
    outcomes = folder.known().outcomes
    assert {row: item.code for row, item in outcomes.items() if item.code} == {6: "UserNotFoundException"}
    assert ground.users() == {}
    deletions = created(local_aws, "AdminDeleteUser")
    assert len(set(deletions)) == 7
    assert len(deletions) == (8 if moment == "after-the-call" else 7)


def test_what_a_dead_worker_found_outlasts_those_behind_it(taken, folder, pool, ground):
    """Of two workers' pending outcomes the one with a name counts, whichever is read last."""
    from cognito_import.outcomes import Outcome
    from cognito_import.parts import Part

    ground.add_user("user001@example.com")
    batch = whole(taken(1, jobtype="delete"))
    name = ground.users()["user001@example.com"].username
    ground.cognito.admin_delete_user(UserPoolId=ground.user_pool_id, Username=name)
    for token, username in [("a", ""), ("b", name), ("c", "")]:
        pending = Outcome.failed(1, "user001@example.com", "Interrupted", "Ended.", username)
        folder.write_part(batch.number, token, Part(pending=pending, closed=True))
    assert run_batch(folder, batch, pool()).succeeded == 1
    assert folder.known().outcomes[1].username == name
