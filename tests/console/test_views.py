"""What the page reads of runs: as often for twenty viewers as for one, and no more than is needed while a run goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from cognito_import.console.shared import Shared
from cognito_import.console.views import WAITING, RunView
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.run.folder import RunFolder


class Counted:
    """An S3 client that counts its calls."""

    def __init__(self, s3):
        self.s3, self.calls = s3, 0

    def __getattr__(self, name):  # noqa: D105 - the client itself
        self.calls += 1
        return getattr(self.s3, name)


@pytest.fixture
def folder(resources, settings):
    """A run of 40 users of whom the first batch is finished."""
    folder = RunFolder(Counted(resources.s3), resources.bucket, "run-1")
    users = [{"useremail": f"user{number:02}@example.com"} for number in range(1, 41)]
    manifest = ingest_request({"data": users, "adminemail": resources.admin}, settings, resources.s3, folder)
    run_batch(folder, manifest.batches[0], UserPool(resources.cognito, settings, Pacer(0.0)))
    return folder


def test_s3_is_read_as_often_for_twenty_viewers_as_for_one(folder):
    """All ask at once, each for everything; what was read a moment ago is read for nobody."""

    def look(_):
        view = RunView(folder, "running")
        return view.details("en", addresses=True)["counts"], view.outcomes("en", "", [], 0, 50)["total"]

    first = look(0)
    once = folder.s3.calls
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(look, range(40))) == [first] * 40
    assert folder.s3.calls == once


def test_users_whose_turn_has_not_come_wait_while_the_run_goes_on(folder):
    """The same users are left when it has ended."""
    done = len(folder.progress().outcomes)
    running, ended = RunView(folder, "running"), RunView(folder, "failed", "2026-01-01")
    assert 0 < done < 40
    assert running.summary()["counts"] | {"reasons": []} == {
        **dict.fromkeys(("changed", "existed", "incomplete", "exists", "failed", "interrupted", "not_attempted"), 0),
        "total": 40,
        "succeeded": done,
        WAITING: 40 - done,
        "reasons": [],
    }
    assert running.outcomes("en", "", [WAITING], 0, 5)["total"] == 40 - done
    assert ended.summary()["counts"]["not_attempted"] == 40 - done
    assert ended.outcomes("ja", "", ["not_attempted"], 0, 5)["rows"][0]["message"]


def test_a_value_that_took_long_is_kept_for_long(monkeypatch):
    """So that a large run does not take a processor of the API server. Of too many values the oldest goes."""
    now = [0.0]
    monkeypatch.setattr("cognito_import.console.shared.time", SimpleNamespace(monotonic=lambda: now[0]))
    shared, made = Shared(2), []

    def look(key: str, cost: float = 0.0) -> None:
        def make() -> None:
            now[0] += cost
            made.append(key)

        shared.get(key, 2.0, make)

    for key in ("a", "a", "b", "c", "a"):
        look(key)
    assert made == ["a", "b", "c", "a"]
    look("large", cost=10.0)
    now[0] += 39.0
    look("large")
    look("a")
    assert made[4:] == ["large", "a"]
    now[0] += 2.0
    look("large")
    assert made[6:] == ["large"]
