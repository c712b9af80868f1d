"""What the report says of the pace."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.report.delivery import deliver
from cognito_import.report.pace_kept import pace_kept
from cognito_import.run import pace
from cognito_import.run.checkpoints import Progress, Work
from cognito_import.run.folder import RunFolder
from cognito_import.run.pace import RunPace

QUOTAS = {"UserCreation": 50.0, "UserUpdate": 25.0}


@pytest.fixture
def folder(resources):
    """A run folder that preflight has seen."""
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    pace.write(folder, RunPace(20.0, QUOTAS))
    return folder


@pytest.mark.parametrize(
    ("work", "users", "words"),
    [
        pytest.param([Work(0.0, 50.0)] * 20, 1_000, "20.0 users/s of at most 20", id="all-at-once"),
        pytest.param([Work(0.0, 25.0), Work(25.0, 25.0)], 50, "1.0 users/s of at most 20", id="one-after-another"),
        pytest.param([Work(0.0, 30.0), Work(10.0, 30.0)], 60, "1.5 users/s of at most 20", id="overlapping"),
        pytest.param([Work(0.0, 40.0), Work(5.0, 5.0)], 60, "1.5 users/s of at most 20", id="inside-of-another"),
        pytest.param([Work(0.0, 10.0), Work(9_000.0, 10.0)], 20, "1.0 users/s of at most 20", id="hours-between"),
        pytest.param([Work(0.0, 10.0, 5.0, 1)], 10, "1.0 users/s of at most 20, 1 throttle", id="one-throttle"),
        pytest.param(
            [Work(0.0, 10.0, 5.0, 1_000)] * 2, 10, "1.0 users/s of at most 20, 2,000 throttles", id="throttles"
        ),
    ],
)
def test_the_rate_is_that_of_the_time_in_which_somebody_worked(folder, settings, work, users, words):
    """Whether workers ran side by side, one after another, or hours apart."""
    kept = pace_kept(folder, settings, Progress(work=work), users)
    assert str(kept) == words


def test_the_time_of_going_slower_is_that_of_the_run(folder, settings):
    """Throttles slow all slots, so twenty workers that were slow for half of ten minutes are five minutes."""
    kept = pace_kept(folder, settings, Progress(work=[Work(0.0, 600.0, 300.0)] * 20), 9_000)
    assert (kept.slowed, kept.minutes, kept.quota, kept.category) == (300.0, 5, 25.0, "UserUpdate")


@pytest.mark.parametrize(("work", "users"), [([], 10), ([Work(0.0)], 10), ([Work(0.0, 10.0)], 0)])
def test_nothing_is_said_that_nobody_knows(folder, settings, work, users):
    """Of a run of an earlier version, of workers that died at their first user, and of a run that finished nobody."""
    assert pace_kept(folder, settings, Progress(work=work), users) is None


def test_a_run_that_was_throttled_says_so(folder, resources, settings, local_aws, mails):
    """The workers count; mail and note say how fast the run was, why it went slower, and nobody's address."""
    users = [f"user{number}@example.com" for number in range(12)]
    manifest = ingest_request({"data": users, "adminemail": resources.admin}, settings, resources.s3, folder)
    local_aws.fault("AdminAddUserToGroup", code="TooManyRequestsException", message="Rate exceeded", times=3)
    cognito = boto3.client("cognito-idp", config=aws.COGNITO)
    for batch in manifest.batches:
        pacer = Pacer(settings.pacing_seconds)
        run_batch(folder, batch, UserPool(cognito, settings, pacer, sleep=lambda _: None))
    work = folder.progress().work
    assert sum(one.throttles for one in work) == 3
    assert sum(one.slowed for one in work) > 0
    assert all(one.slowed <= one.seconds for one in work)
    delivery = deliver(
        folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=folder.now(), page=""
    )
    note = delivery.note(folder)
    assert note.startswith("12 users: 12 succeeded; ")
    assert " of at most 20, 3 throttles; run run-1; report s3://" in note
    (mail,) = mails()
    assert "3 回の呼び出しがスロットリングされて再試行され、約 1 分間、速度を下げました" in mail["BodyText"]
    assert "クォータ（UserUpdate、毎秒 25 回）" in mail["BodyHtml"]
