"""The inbox on the page: names and reasons for those who may see them, counts for the others, and few reads of S3."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cognito_import.console.inbox_view import InboxView
from cognito_import.inbox import Inbox
from cognito_import.settings import Settings

pytestmark = pytest.mark.airflow
HOSTILE = (
    "<script>alert('x')</script>.csv",
    "two\nlines.csv",
    f"{'long' * 200}.csv",
    "名簿 &amp; %41+.csv",
    "=1+1.csv",
)


@pytest.fixture(scope="module")
def filed(page):
    """An inbox of hostile names, a file of leavers whose run is there, one that failed and one that was processed."""
    s3, bucket = page.resources.s3, page.resources.bucket

    def put(name):
        s3.put_object(Bucket=bucket, Key=f"inbox/{name}", Body=b"useremail\na@secret.example.com\n")

    box = Inbox(s3, page.settings)
    for name in ("bad.csv", "good/yesterday.csv"):
        put(name)
    good, bad = sorted((one.file for one in box.contents().waiting), key=lambda file: file.key, reverse=True)
    reason = f"The source has no column 'useremail'; it has x@secret.example.com.\n\nRun: {bad.run_id}"
    box.archive(bad, reason=reason)
    box.archive(good)
    for name in (*HOSTILE, "leavers/l.csv", ".hidden.csv"):
        put(name)
    leavers = next(one for one in box.contents().waiting if one.name == "leavers/l.csv")
    page.trigger(box.request(leavers.file), run_id=leavers.run_id)
    page.trigger(box.request(bad), run_id=bad.run_id)
    return leavers.run_id, bad


@pytest.mark.parametrize("role", ["", "viewer", "user", "op", "admin"])
def test_each_role_gets_what_it_may(as_role, filed, role):
    """Counts and nights are for those who may read runs, names of files for those who may start some."""
    client, starts = as_role(role), role not in ("", "viewer")
    for path in ("api/inbox", "api/inbox/nights", "api/quotas"):
        assert client.get(path).status_code == (200 if role else 401), path
    for path in ("api/inbox/files?kind=waiting", "api/inbox/files?kind=failed", "api/inbox/night?run=a"):
        assert client.get(path).status_code == (200 if starts else 403 if role else 401), path
    if role:
        found = client.get("api/inbox").json()
        assert (found["addresses"], found["may_import"]) == (starts, starts)
        assert found["counts"] == {"ready": 6, "later": 0, "changing": 0, "unfinished": 1, "processed": 1, "failed": 1}
        told = "".join(client.get(path).text for path in ("api/inbox", "api/inbox/nights"))
        assert not [name for name in (*HOSTILE, "bad.csv", "yesterday", "secret.example.com") if name in told]


def test_what_waits_is_shown_in_its_turn_with_its_rule_and_its_run(as_role, filed):
    """Imports first; names are given as they are, whatever they are; a file whose run is there says so."""
    found = as_role("user").get("api/inbox/files?kind=waiting").json()
    assert found["total"] == 7
    assert {row["name"] for row in found["rows"]} == {*HOSTILE, ".hidden.csv", "leavers/l.csv"}
    last = found["rows"][-1]
    assert last["name"] == "leavers/l.csv"
    assert last["rule"] | {"engine": ""} == {
        "prefix": "leavers/",
        "adminemail": "hr@secret.example.com",
        "jobtype": "delete",
        "engine": "",
    }
    assert last["run"] == {"run": filed[0], "state": "queued", "asking": False}
    assert {row["name"]: row["state"] for row in found["rows"]}[".hidden.csv"] == "unfinished"


def test_a_failed_file_says_why_in_the_readers_language_and_links_its_run(as_role, filed):
    """The reason is the text beside it; it has the name with which it came, and its place."""
    (row,) = as_role("user").get("api/inbox/files?kind=failed&lang=ja").json()["rows"]
    assert row["name"] == "bad.csv"
    assert row["run"] == {"run": filed[1].run_id, "state": "queued", "asking": False}
    assert row["reason"]
    assert "Run:" not in "".join(row["reason"])
    assert row["place"].endswith(f"inbox/failed/{filed[1].version_id}_bad.csv")
    (row,) = as_role("user").get("api/inbox/files?kind=processed").json()["rows"]
    assert (row["name"], row["run"], row["reason"]) == ("good/yesterday.csv", None, [])
    assert row["arrived"] <= row["filed"]


def test_the_rules_are_shown_as_they_are_written(as_role, page):
    """To whoever may see addresses: they say who gets the reports."""
    shown = {one["name"]: one for one in as_role("user").get("api/settings").json()}
    assert shown["inbox_rules"]["value"] == {
        "": {"adminemail": "all@secret.example.com", "jobtype": "import"},
        "leavers/": {"adminemail": "hr@secret.example.com", "jobtype": "delete"},
    }
    shown = {one["name"]: one for one in as_role("viewer").get("api/settings").json()}
    assert shown["inbox_rules"] == {"name": "inbox_rules", "hidden": True, "value": True}


def test_files_are_searched_and_paged(as_role, filed):
    """By the server, in any case of letters."""
    user = as_role("user")
    assert user.get("api/inbox/files?kind=waiting&q=SCRIPT").json()["total"] == 1
    names = [
        row["name"]
        for offset in range(0, 8, 3)
        for row in user.get(f"api/inbox/files?kind=waiting&offset={offset}&limit=3").json()["rows"]
    ]
    assert len(names) == len(set(names)) == 7


def test_a_night_says_when_the_next_one_is_and_what_came_of_it(page, as_role):
    """A night that nobody has begun has no files yet."""
    run = page.trigger({}, dag="cognito_import_nightly")
    found = as_role("viewer").get("api/inbox/nights").json()
    assert (found["total"], found["nights"][0]["run"], found["nights"][0]["runs"]) == (1, run, {})
    assert found["paused"] is False
    assert as_role("user").get("api/inbox/night", params={"run": run}).json() == {"total": 0, "rows": []}


@pytest.fixture
def view(resources, inbox_settings):
    """The view of an inbox, and the operations that it asks S3 for."""
    settings, asked = Settings.parse(resources.variable(**inbox_settings(resources))), []
    resources.s3.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    return InboxView(resources.s3, settings), Inbox(resources.s3, settings), asked


@pytest.mark.slow
def test_five_thousand_processed_files_are_six_reads_for_any_number_of_viewers(view, resources):
    """S3 lists 1,000 objects at once; whatever page anybody looks at, they are listed once in a while."""
    view, _, asked = view

    def put(number):
        key = f"inbox/processed/20260101T{number:06}Z_{number:08x}_a.csv"
        resources.s3.put_object(Bucket=resources.bucket, Key=key, Body=b"")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(5_001)))
    asked.clear()
    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(lambda number: view.page("processed", "", 100 * number, 100), range(60)))
    assert [(total, len(files)) for total, files in pages] == [(5_001, 100)] * 50 + [(5_001, 1)] + [(5_001, 0)] * 9
    assert view.counts()["processed"] == 5_001
    assert asked == ["ListObjectsV2"] * 6


def test_a_reason_is_read_once_for_all_viewers(view, resources):
    """It changes no more."""
    view, inbox, asked = view
    resources.s3.put_object(Bucket=resources.bucket, Key="inbox/a.csv", Body=b"x")
    inbox.archive(inbox.waiting().ready[0], reason="It is empty.\n\nRun: inbox-1")
    _, (file,) = view.page("failed", "", 0, 20)
    asked.clear()
    assert [view.told(file, "en")["reason"] for _ in range(20)] == [["It is empty."]] * 20
    assert asked == ["GetObject"]
