"""A run whose first users all fail alike stops and asks, once; whoever continues it has answered."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine import breaker
from cognito_import.engine.batches import run_batch
from cognito_import.engine.children import begin_batch, store_batch
from cognito_import.engine.next_step import Next
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.rounds import settle
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, IncompleteRunError
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report.ending import conclude
from cognito_import.run.checkpoints import Checkpoint
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of

ERROR = "InvalidParameterException"
MESSAGE = "Attributes did not conform to the schema: custom:nope of user00@example.com"


@pytest.fixture
def taken(resources, settings, folder):
    """Ingest a request of `count` users, and return the manifest."""

    def take(count, engine="mapped", **change):
        users = [{"useremail": f"user{number:03}@example.com"} for number in range(1, count + 1)]
        request = {"data": users, "adminemail": resources.admin, "engine": engine}
        return ingest_request(request, replace(settings, **change), resources.s3, folder)

    return take


@pytest.fixture
def work(settings, folder):
    """Process a batch, and return the error that ended it, if one did."""
    client = boto3.client("cognito-idp", config=aws.COGNITO)

    def work(batch):
        pool = UserPool(client, settings, Pacer(0.001), jobtype=folder.required_manifest().jobtype)
        try:
            run_batch(RunFolder(folder.s3, folder.bucket, folder.run), batch, pool)
        except CallsStoppedError as stop:
            return stop
        return None

    return work


@pytest.fixture
def end(folder, settings, resources):
    """Conclude the run in a language."""

    def end(locale="en"):
        now = datetime.now(UTC)
        spoken = replace(settings, locale=locale)
        request = {"adminemail": resources.admin}
        return conclude(
            folder,
            spoken,
            resources.ses,
            None,
            request=request,
            from_inbox=False,
            signer=None,
            credentials_expire_at=None,
            now=now,
        )

    return end


def called(local_aws):
    """Return how many users Cognito was called for."""
    return len({call["username"] for call in local_aws.calls() if call["operation"] == "AdminCreateUser"})


def alike(folder, count, *, code=ERROR, batch=1):
    """Store that the first users of the run failed alike, each message with the user's own address in it."""
    rows = list(folder.all_rows())[:count]
    outcomes = [Outcome.failed(row.row, row.useremail, code, f"No schema for {row.useremail}.") for row in rows]
    folder.write_checkpoint(batch, "before", Checkpoint(outcomes, closed=True))


def test_twenty_slots_stop_at_about_fifty_users_and_go_on_when_told_to(taken, folder, work, end, local_aws, mails):
    """Nobody beyond the first users is called, the report says so, and the next workers finish the run."""
    manifest = taken(160)
    local_aws.fault("AdminCreateUser", code=ERROR, message=MESSAGE, times=None)
    with ThreadPoolExecutor(20) as slots:
        stops = list(slots.map(work, manifest.batches))
    assert all(stop is not None and not stop.temporary and stop.code == ERROR for stop in stops)
    assert breaker.FIRST_USERS <= called(local_aws) < breaker.FIRST_USERS + 20
    assert "@example.com" not in str(stops[0])
    assert "clear the failed tasks" in str(stops[0])

    before = called(local_aws)
    assert work(manifest.batches[0]) is not None  # nobody was told yet: a retry, or a batch that waited for its slot
    assert called(local_aws) == before
    with pytest.raises(
        IncompleteRunError, match=f"^{ERROR}: All .* nobody else was called for.* users were not finished"
    ):
        end().raise_if_incomplete()
    (mail,) = mails()
    rows = rows_of(fetch(link_in(mail)))
    assert {row["code"] for row in rows} == {ERROR, "NotAttempted"}
    assert sum(row["code"] == ERROR for row in rows) == before
    left = next(row["message"] for row in rows if row["code"] == "NotAttempted")
    assert "all the same, clear the run's failed tasks" in left
    assert "Check the list" in mail["BodyText"]

    local_aws.clear_faults()
    with ThreadPoolExecutor(20) as slots:
        assert list(slots.map(work, manifest.batches)) == [None] * 20
    assert len(folder.progress().outcomes) == 160
    end().raise_if_incomplete()


def test_it_says_so_in_japanese(taken, folder, end, mails):
    """Mail and CSV say in the administrator's language what all users failed with, and how to go on."""
    taken(60)
    alike(folder, 55)
    with pytest.raises(CallsStoppedError):
        breaker.judge(folder)
    end("ja")
    rows = rows_of(fetch(link_in(mails()[-1])))
    left = rows[-1]["message"]
    assert left.startswith(
        "該当する行のアドレスと属性をご確認ください。 InvalidParameterException: これまでに処理した 55 件が"
    )
    assert left.endswith(
        "このまま続行する場合は、Airflow でこの実行の失敗したタスクを「下流」を含めて消去してください。"
    )
    assert "処理を中止しました。一覧の内容と" in mails()[-1]["BodyText"]


def succeeded(row, useremail):
    """Return a success."""
    return Outcome(row, useremail, SUCCEEDED)


def exists(row, useremail):
    """Return a failure that is the user's own."""
    return Outcome.failed(row, useremail, "UsernameExistsException", "User account already exists")


def other_reason(row, useremail):
    """Another reason under the same code."""
    return Outcome.failed(row, useremail, ERROR, "Invalid phone number.")


@pytest.mark.parametrize("other", [succeeded, exists, other_reason])
def test_one_user_who_fares_otherwise_is_enough_to_go_on(taken, folder, work, local_aws, other):
    """What one user survives is not wrong for all."""
    manifest = taken(100, slots=1)
    folder.write_checkpoint(1, "before", Checkpoint([other(1, "user001@example.com")], closed=True))
    local_aws.fault("AdminCreateUser", code=ERROR, message=MESSAGE, times=None)
    assert work(manifest.batches[0]) is None
    assert len(folder.progress().outcomes) == 100


@pytest.mark.parametrize("code", ["UsernameExistsException", "AliasExistsException", "UserNotFoundException"])
def test_a_users_own_reason_never_stops_a_run(taken, folder, code):
    """A list that was imported before is a list that was imported before."""
    taken(60)
    alike(folder, 60, code=code)
    assert not breaker.judge(folder)


def test_few_users_may_have_one_problem(taken, folder, work, local_aws):
    """Nine users who all fail are nine results."""
    manifest = taken(breaker.MIN_USERS - 1, slots=1)
    local_aws.fault("AdminCreateUser", code=ERROR, message=MESSAGE, times=None)
    assert [work(batch) for batch in manifest.batches] == [None]
    assert {outcome.code for outcome in folder.progress().outcomes.values()} == {ERROR}


def test_a_small_run_that_failed_as_a_whole_is_no_success(taken, folder, work, end, local_aws, mails):
    """Nobody is left to call, but the run is red until a person has accepted that."""
    manifest = taken(12)
    local_aws.fault("AdminCreateUser", code=ERROR, message=MESSAGE, times=None)
    stops = [work(batch) for batch in manifest.batches]
    assert [stop is None for stop in stops] == [True] * 5 + [False]  # two users each
    for _ in range(2):
        with pytest.raises(IncompleteRunError, match=r"^InvalidParameterException: All 12 users of the run failed"):
            end().raise_if_incomplete()
    assert [row["code"] for row in rows_of(fetch(link_in(mails()[0])))] == [ERROR] * 12
    assert "All 12 users of the run failed" in mails()[0]["BodyText"]
    assert work(manifest.batches[-1]) is None  # cleared
    end().raise_if_incomplete()
    assert len(mails()) == 1


def test_workers_that_see_it_at_once_ask_one_question(taken, folder):
    """Whoever comes second stops with the first one's words, and none of them takes an answer back."""
    taken(60)
    alike(folder, 55)
    barrier = threading.Barrier(8)

    def judge(_):
        mine = RunFolder(folder.s3, folder.bucket, folder.run)
        barrier.wait()
        with pytest.raises(CallsStoppedError) as stop:
            breaker.judge(mine)
        return str(stop.value)

    with ThreadPoolExecutor(8) as workers:
        assert len(set(workers.map(judge, range(8)))) == 1
    breaker.tell(folder)
    assert not breaker.begin(folder)
    assert not breaker.judge(folder)
    assert breaker.unanswered(folder) is None


STATE_MACHINE = "arn:aws:states:ap-northeast-1:123456789012:stateMachine:imports"


def results(users):
    """Return what a child hands over whose users all fail."""
    told = {"error": ERROR, "message": MESSAGE + " (Service: X, Status Code: 400, Request ID: 0)"}
    return [{"row": user["row"], "call": user["call"], "username": "", "at": 1, **told} for user in users]


def test_children_that_fail_alike_stop_the_round(taken, folder, settings):
    """A child ends after its share of the first users, no child begins after the one that fills the measure."""
    taken(400, "step_functions", state_machine_arn=STATE_MACHINE)
    limited = replace(settings, state_machine_arn=STATE_MACHINE)
    before = Next(step="begin")
    told = settle(folder, limited, None, before, seconds=60)
    assert (told.step, told.round) == ("map", 1)
    begun = [begin_batch(folder, limited, number, told.round) for number in range(1, 6)]
    share = begun[0]["alike"]
    assert share == breaker.MIN_BATCH_USERS
    assert ERROR in begun[0]["common_errors"]
    assert "UsernameExistsException" not in begun[0]["common_errors"]
    for number, child in enumerate(begun, start=1):
        assert folder.stopped_round(1) is None
        store_batch(folder, number, 1, results(child["users"][:share]), closed=True, gave_up=False)
    assert folder.stopped_round(1) is not None
    assert begin_batch(folder, limited, 6, 1)["users"] == []
    told = settle(folder, limited, None, told, seconds=60)
    assert (told.step, told.kind) == ("report", "asked")
    assert told.detail.startswith(f"{ERROR}: All 50 users called for so far failed")

    breaker.tell(folder)  # as the function does when it reports
    told = settle(folder, limited, None, before, seconds=60)
    assert (told.step, told.round) == ("map", 2)
    child = begin_batch(folder, limited, 1, 2)
    assert len(child["users"]) <= child["alike"]
    store_batch(folder, 1, 2, results(child["users"]), closed=True, gave_up=False)
    assert folder.stopped_round(2) is None


def test_what_children_missed_is_judged_between_rounds(taken, folder, settings):
    """A child that was lost after it stored its outcomes has judged nothing."""
    taken(60, "step_functions")
    told = settle(folder, settings, None, Next(step="begin"), seconds=60)
    alike(folder, 55)
    told = settle(folder, settings, None, told, seconds=60)
    assert (told.step, told.kind) == ("report", "asked")
