"""Two runs that share addresses: never a call for one address by both at the same time, and both reports true."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine import batches, claims, worker
from cognito_import.engine.batches import run_batch
from cognito_import.engine.calls import BACKOFF
from cognito_import.engine.children import begin_batch, store_batch
from cognito_import.engine.claims import Claim
from cognito_import.engine.next_step import Next
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.patience import MAX_IDLE_SECONDS
from cognito_import.engine.rounds import settle
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError
from cognito_import.ingest import ingest_request
from cognito_import.report.rows import all_outcomes
from cognito_import.run.folder import RunFolder


def addresses(first, last):
    """Return the addresses from number `first` to `last`."""
    return [f"user{number:03}@example.com" for number in range(first, last + 1)]


@pytest.fixture
def taken(resources, settings):
    """Ingest a run of this name, its users in batches for so few `slots`, and return its folder."""

    def take(name, users, slots=2, **change):
        folder = RunFolder(resources.s3, resources.bucket, name)
        few_slots = type(settings).parse(resources.variable(slots=slots, pacing_seconds=0.001))
        request = {"data": users, "adminemail": resources.admin, **change}
        ingest_request(request, few_slots, resources.s3, folder)
        return folder

    return take


@pytest.fixture
def pool(settings):
    """A user pool that never sleeps."""

    def pool(**change):
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        return UserPool(client, settings, Pacer(0), sleep=lambda _: None, **change)

    return pool


def work(folder, pool, **options):
    """Process each batch once, and return what stopped those that did not end."""
    stops = []
    for batch in folder.required_manifest().batches:
        try:
            run_batch(folder, batch, pool, **options)
        except CallsStoppedError as stop:
            stops.append(stop)
    return stops


def codes(folder):
    """Return what the report would say of each address."""
    return {outcome.useremail: outcome.code for outcome in all_outcomes(folder, folder.required_manifest())}


def claimed(resources):
    """Return the claims that are stored."""
    listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="runs/calling/")
    return [item["Key"] for item in listed.get("Contents", ())]


def test_two_imports_never_call_for_one_address_at_once(taken, pool, resources, monkeypatch):
    """Of each shared address one run says that it was created, the other that it exists; no two calls overlap."""
    shared, workers = addresses(1, 24), 6
    folders = [taken(name, [*shared, f"{name}@example.com"], slots=3) for name in ("one", "two")]
    under_way, overlaps, lock = {}, [], threading.Lock()
    process = UserPool.process

    def watched(self, row, turn):
        with lock:
            if under_way.setdefault(row.useremail, self) is not self:
                overlaps.append(row.useremail)
        time.sleep(0.01)
        try:
            return process(self, row, turn)
        finally:
            with lock:
                under_way.pop(row.useremail, None)

    monkeypatch.setattr(UserPool, "process", watched)
    stops = []

    def task(job):
        """Return a mapped task with its retries."""
        folder, batch = job
        while True:
            try:
                return run_batch(folder, batch, pool())
            except CallsStoppedError as stop:
                assert stop.temporary
                if stop.code != "TooManyRequestsException":  # workers that never sleep may meet the quota
                    assert stop.code == claims.CODE
                    stops.append(stop)
                time.sleep(0.02 * (1 + hash((folder.run, batch.number)) % 7))

    jobs = [(folder, batch) for one in zip(*(f.required_manifest().batches for f in folders), strict=True)
            for folder, batch in zip(folders, one, strict=True)]  # fmt: skip
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(task, jobs))
    assert stops, "They never met, so this has shown nothing."
    assert overlaps == []
    one, two = map(codes, folders)
    assert {tuple(sorted((one[address], two[address]))) for address in shared} == {("", "UsernameExistsException")}
    assert all(user.groups == {"BASIC"} for user in resources.users().values())
    assert claimed(resources) == []


def test_shared_users_are_left_and_the_others_are_done(paused, taken, pool, resources):
    """While another run is at a batch, its users are left for a retry; it is said why, and those behind are finished."""
    mine = [*addresses(2, 3), "Alone@example.com"]
    one, two = taken("one", addresses(1, 3), slots=1), taken("two", [mine[0], mine[1].upper(), mine[2]], slots=1)
    slow = pool()
    there, go_on = paused(slow, "user003@example.com")
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work, one, slow)
        assert there.wait(30)
        stops = work(two, pool())
        assert {stop.code for stop in stops} == {claims.CODE}
        # User 2 is finished in the other run; user 3 is not, whatever its letters.
        assert codes(two) == {
            mine[0]: "UsernameExistsException",
            mine[1].upper(): "NotAttempted",
            mine[2]: "",
        }
        go_on.set()
        assert working.result(30) == []
    assert work(two, pool()) == []
    assert codes(two)[mine[1].upper()] == "UsernameExistsException"
    assert set(codes(one).values()) == {""}
    assert claimed(resources) == []


def test_a_dead_worker_s_claim_holds_up_nobody(taken, pool, resources, monkeypatch):
    """It has lapsed when its worker has surely ended, and goes when the batch is taken up again."""
    one, two = taken("one", addresses(1, 4), slots=1), taken("two", addresses(1, 4), slots=1)
    batch = one.required_manifest().batches[0]
    dying = pool()

    def killed(row, turn):
        raise KeyboardInterrupt

    dying.process = killed
    with monkeypatch.context() as known:
        known.setattr(batches, "GRACE", -1e9)  # it is known here that the worker is gone
        with pytest.raises(KeyboardInterrupt):
            run_batch(one, batch, dying)
    assert len(claimed(resources)) == 1
    assert work(two, pool()) == []
    assert set(codes(two).values()) == {""}
    time.sleep(1.1)  # S3 tells moments in whole seconds, and a claim of the same second might be a living worker's
    assert work(one, pool()) == []
    assert set(codes(one).values()) == {"UsernameExistsException"}
    assert claimed(resources) == []


def test_a_user_whom_another_run_created_is_not_taken_for_ours(taken, pool, resources, local_aws):
    """The calls stopped while it was not known whether they had created the user, and the other run did so meanwhile."""
    first = addresses(1, 1)[0]
    one, two = taken("one", addresses(1, 2), slots=1), taken("two", addresses(1, 2), slots=1)
    local_aws.fault(
        "AdminCreateUser", code="InternalErrorException", status=500, username=first, times=BACKOFF.attempts
    )
    assert [stop.code for stop in work(one, pool())] == ["InternalErrorException"]
    assert codes(one)[first] == "Interrupted"
    assert work(two, pool()) == []
    assert work(one, pool()) == []
    assert codes(one)[first] == "UsernameExistsException"
    assert codes(two)[first] == ""


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_user_of_ours_stays_ours_beside_another_run(taken, pool, local_aws, kind):
    """Of a user whose answer was lost, one of two runs says that it created it, whoever looks first."""
    first = addresses(1, 1)[0]
    one, two = taken("one", [first], slots=1), taken("two", [first], slots=1)
    local_aws.fault("AdminCreateUser", kind, username=first, times=1)
    local_aws.fault("AdminCreateUser", code="ExpiredTokenException", username=first, times=1)
    assert [stop.code for stop in work(one, pool())] == ["ExpiredTokenException"]
    assert work(two, pool()) == []
    assert work(one, pool()) == []
    assert sorted((codes(one)[first], codes(two)[first])) == ["", "UsernameExistsException"]
    assert (codes(one)[first] == "") is (kind == "drop_after")


def test_a_worker_that_was_silent_for_long_looks_again(taken, pool, monkeypatch):
    """Another run may have taken it for dead and be at its users: it stops before the next call."""
    one, two = taken("one", addresses(1, 3), slots=1), taken("two", addresses(1, 3), slots=1)
    batch = two.required_manifest().batches[0]
    late = 0.0
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + late, sleep=time.sleep))
    calling = pool()
    original = calling.process
    asked = []

    def create(row, turn):
        nonlocal late
        asked.append(row.useremail)
        if not late:
            late = 1_000.0
            Claim(two, batch.number, "other", two.rows(batch), 60.0).write()
        return original(row, turn)

    calling.process = create
    stops = []
    for mine in one.required_manifest().batches:
        with pytest.raises(CallsStoppedError) as stop:
            run_batch(one, mine, calling)
        stops.append(stop.value.code)
    assert set(stops) == {claims.CODE}
    assert len(asked) == 1


def test_an_execution_waits_until_its_users_are_free(taken, pool, resources, settings):
    """It plans a round only when no other run's worker is at them; its children's users are claimed in turn."""
    one = taken("one", addresses(1, 30), slots=1, engine="step_functions")
    two = taken("two", [*addresses(30, 31)], slots=1)
    cognito = boto3.client("cognito-idp", config=aws.COGNITO)
    claim = Claim(two, 1, "mapped", two.all_rows(), 60.0)
    claim.write()
    told = settle(one, settings, cognito, Next(), seconds=60)
    assert told.step == "wait"
    last = settle(one, settings, cognito, replace(told, idle_seconds=MAX_IDLE_SECONDS), seconds=60)
    assert (last.step, last.kind, last.detail) == ("report", "unfinished", f"{claims.CODE}: {claims.reason(1)}")
    claim.withdraw()
    told = settle(one, settings, cognito, told, seconds=60)
    assert told.step == "map"
    for batch in one.required_manifest().batches:
        begin_batch(one, settings, batch.number, told.round)
    assert {stop.code for stop in work(two, pool())} == {claims.CODE}
    for batch in one.required_manifest().batches:
        store_batch(one, batch.number, told.round, [], closed=True, gave_up=False)
    assert claimed(resources) == []
    assert work(two, pool()) == []


def test_a_worker_calls_nobody_beside_an_execution(taken, pool, local_aws, resources):
    """It looks for an execution when it has claimed its users, which the execution then sees, and lets go of them."""
    one, two = taken("one", addresses(1, 3), slots=1), taken("two", addresses(1, 3), slots=1)
    local_aws.reset()
    seen = []

    def alone():
        seen.append(claims.contested(two, set(addresses(1, 3))))
        return False

    stops = work(one, pool(), alone=alone)
    assert all(stop.temporary for stop in stops)
    assert len(stops) == len(seen)
    assert all(seen)
    assert local_aws.calls() == []
    assert claimed(resources) == []
