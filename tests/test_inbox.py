"""The inbox: what waits in it, what each file asks for, and that no file is lost on its way out."""

from __future__ import annotations

import dataclasses
import re
import time

import pytest

from cognito_import import inbox as module
from cognito_import.errors import InboxError, IncompleteRunError, SettingsError
from cognito_import.inbox import Inbox
from cognito_import.night import raise_if_incomplete, wait_until_unchanged
from cognito_import.run.manifest import run_name
from cognito_import.settings import Settings

RULES = {
    "": {"adminemail": "all@example.com"},
    "leavers/": {"adminemail": "hr@example.com", "jobtype": "delete"},
    "leavers/by-machine/": {"adminemail": "it@example.com", "jobtype": "delete", "engine": "step_functions"},
}


@pytest.fixture
def inbox(resources):
    """An empty inbox whose files need no rest."""
    return Inbox(resources.s3, configured(resources))


def configured(resources, **change):
    """Return settings with an inbox in the test's bucket."""
    inbox = {"inbox": f"s3://{resources.bucket}/in/box/", "inbox_rules": RULES, "inbox_quiet_seconds": 0}
    return Settings.parse({**resource_settings(resources), **inbox, **change})


def resource_settings(resources):
    """Return what every deployment has to set."""
    return {"user_pool_id": resources.user_pool_id, "report_bucket": resources.bucket, "mail_from": resources.mail_from}


@pytest.fixture
def put(resources):
    """Put a file into the inbox."""
    return lambda name, text="useremail\na@example.com\n": resources.s3.put_object(
        Bucket=resources.bucket, Key=f"in/box/{name}", Body=text.encode()
    )


@pytest.fixture
def stored(resources):
    """Give all that lies in the inbox, by key below it."""

    def stored():
        listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="in/box/").get("Contents", ())
        return {
            item["Key"].removeprefix("in/box/"): resources.s3.get_object(Bucket=resources.bucket, Key=item["Key"])[
                "Body"
            ]
            .read()
            .decode()
            for item in listed
        }

    return stored


def test_what_waits(inbox, put):
    """Files in any folder wait; filed, hidden and unfinished ones and folders' markers do not."""
    for name in (
        "a.csv",
        "hr/b.json",
        "odd.xlsx",
        "",
        "hr/",
        ".hidden.csv",
        "hr/.x/c.csv",
        "d.csv.part",
        "e.TMP",
        "~$f.csv",
    ):
        put(name)
    put("processed/old.csv")
    put("failed/hr/old.csv")
    waiting = inbox.waiting()
    assert {file.key.removeprefix("in/box/") for file in waiting.ready} == {
        "a.csv",
        "hr/b.json",
        "odd.xlsx",
        "hr/.x/c.csv",
    }
    assert waiting.changing == 0


def test_imports_come_first_and_in_the_order_of_arrival(inbox, put, monkeypatch):
    """What came first goes first, and deletions, which may wait for people, go last."""
    for name in ("leavers/1.csv", "z.csv", "a.csv"):
        put(name)
    arrivals = {"in/box/leavers/1.csv": 1, "in/box/z.csv": 2, "in/box/a.csv": 3}
    found = inbox._objects
    monkeypatch.setattr(
        inbox,
        "_objects",
        lambda: (
            ({**item, "LastModified": item["LastModified"].replace(year=2020, second=arrivals[item["Key"]])}, now)
            for item, now in found()
        ),
    )
    assert [file.key for file in inbox.waiting().ready] == ["in/box/z.csv", "in/box/a.csv", "in/box/leavers/1.csv"]


def test_the_longest_rule_holds(inbox, put, resources):
    """A file's request is its place and what the rule with the longest fitting prefix says."""
    for name in ("a.csv", "leavers/b.csv", "leavers/by-machine/c.csv"):
        put(name)
    place = f"s3://{resources.bucket}/in/box/"
    assert {file.key: inbox.request(file) for file in inbox.waiting().ready} == {
        "in/box/a.csv": {"source": f"{place}a.csv", "adminemail": "all@example.com", "jobtype": "import"},
        "in/box/leavers/b.csv": {
            "source": f"{place}leavers/b.csv",
            "adminemail": "hr@example.com",
            "jobtype": "delete",
        },
        "in/box/leavers/by-machine/c.csv": {
            "source": f"{place}leavers/by-machine/c.csv",
            "adminemail": "it@example.com",
            "jobtype": "delete",
            "engine": "step_functions",
        },
    }


def test_a_version_has_one_run(inbox, put):
    """The same version gives the same run id, another content, name or arrival another; Airflow takes all of them."""
    put("社員 名簿.csv")
    (file,) = inbox.waiting().ready
    assert inbox.waiting().ready[0].run_id == file.run_id
    others = [
        dataclasses.replace(file, etag="0" * 32),
        dataclasses.replace(file, key="in/box/other.csv"),
        dataclasses.replace(file, arrived="2026-01-01T00:00:00+00:00"),
        dataclasses.replace(file, key="in/box/" + "x" * 900 + ".csv"),
    ]
    ids = {file.run_id, *(other.run_id for other in others)}
    assert len(ids) == 5
    assert [run_name(run_id) for run_id in ids] == list(ids)


def test_a_processed_file_moves(inbox, put, stored):
    """It leaves the inbox with its folder and content; doing it again changes nothing."""
    put("hr/users.csv", "content")
    (file,) = inbox.waiting().ready
    key = inbox.archive(file)
    assert stored() == {f"processed/hr/{file.version_id}_users.csv": "content"}
    assert inbox.archive(file) == key == f"in/box/processed/hr/{file.version_id}_users.csv"
    assert stored() == {f"processed/hr/{file.version_id}_users.csv": "content"}


def test_a_failed_file_has_its_reason_beside_it(inbox, put, stored):
    """The reason is a text of the same name."""
    put("users.csv", "content")
    (file,) = inbox.waiting().ready
    inbox.archive(file, reason="The file has no users.")
    assert stored() == {
        f"failed/{file.version_id}_users.csv": "content",
        f"failed/{file.version_id}_users.csv.txt": "The file has no users.\n",
    }


@pytest.mark.parametrize(
    ("operation", "after"),
    [("PutObject", 0), ("PutObject", 1), ("DeleteObject", 0)],
    ids=["before-the-copy", "before-the-text", "before-the-delete"],
)
def test_a_move_that_broke_off_is_finished(inbox, put, stored, local_aws, operation, after):
    """Whatever step fails, the file is in one place at least, and the next attempt ends as if nothing had been."""
    put("users.csv", "content")
    (file,) = inbox.waiting().ready
    local_aws.fault(operation, service="s3", code="AccessDenied", status=403, after=after)
    with pytest.raises(InboxError, match=r"users\.csv.*AccessDenied"):
        inbox.archive(file, reason="Broken.")
    assert "content" in stored().values()
    inbox.archive(file, reason="Broken.")
    assert set(stored()) == {f"failed/{file.version_id}_users.csv", f"failed/{file.version_id}_users.csv.txt"}


def test_a_file_that_was_replaced_before_it_was_read_goes_as_it_was_read(inbox, put, stored):
    """What the run imported is what is archived, so it is not imported once more."""
    put("users.csv", "one")
    (file,) = inbox.waiting().ready
    etag = put("users.csv", "two")["ETag"].strip('"')
    inbox.archive(file, etag=etag)
    assert stored() == {f"processed/{file.version_id}_users.csv": "two"}


def test_a_file_that_was_replaced_after_it_was_read_stays(inbox, put, stored):
    """The new content is a new file for the next night, and never deleted for the old one."""
    put("users.csv", "one")
    (file,) = inbox.waiting().ready
    put("users.csv", "two")
    assert inbox.archive(file) is None
    assert stored() == {"users.csv": "two"}
    assert [new.run_id for new in inbox.waiting().ready] != [file.run_id]


def test_a_file_that_has_only_just_changed_is_waited_for(resources, put):
    """The night begins when all files are at rest, and leaves those alone that never are."""
    put("users.csv")
    inbox = Inbox(resources.s3, configured(resources, inbox_quiet_seconds=2))
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 1:
            put("users.csv", "useremail\nb@example.com\n")
        time.sleep(seconds)

    assert inbox.waiting().changing == 1
    assert len(wait_until_unchanged(inbox, sleep=sleep)) == 1
    assert len(slept) > 1

    put("users.csv", "never at rest")
    assert (
        wait_until_unchanged(Inbox(resources.s3, configured(resources, inbox_quiet_seconds=3600)), sleep=lambda _: None)
        == []
    )


def test_a_crowded_inbox_is_taken_in_parts(inbox, put, monkeypatch):
    """More files than one run of the DAG can map wait for the next night."""
    monkeypatch.setattr(module, "MAX_FILES", 2)
    for number in range(3):
        put(f"{number}.csv")
    assert [file.key for file in inbox.waiting().ready] == ["in/box/0.csv", "in/box/1.csv"]
    assert [one.state for one in inbox.contents().waiting] == ["ready", "ready", "later"]


def test_the_contents_say_what_was_filed_from_where_and_why(inbox, put, resources):
    """Under the name with which it came, the latest first; what somebody put there by hand has no run."""
    put("hr/users.csv")
    put("a.csv.txt")
    files = {one.name: one.file for one in inbox.contents().waiting}
    inbox.archive(files["hr/users.csv"])
    inbox.archive(files["a.csv.txt"], reason="It is no CSV.")
    time.sleep(1.1)  # S3 tells whole seconds
    put("processed/by-hand.csv")
    contents = inbox.contents()
    assert contents.waiting == []
    assert [(one.name, one.run_id, one.reason_key) for one in contents.processed] == [
        ("by-hand.csv", None, None),
        ("hr/users.csv", files["hr/users.csv"].run_id, None),
    ]
    (failed,) = contents.failed
    assert (failed.name, failed.run_id, failed.size) == ("a.csv.txt", files["a.csv.txt"].run_id, 24)
    assert failed.arrived.isoformat() == files["a.csv.txt"].arrived
    assert inbox.reason(failed.reason_key) == "It is no CSV.\n"
    assert inbox.reason("in/box/failed/none.txt") == ""


def test_an_inbox_that_is_not_there_is_said(resources):
    """The error names the place, the code and what to do."""
    inbox = Inbox(resources.s3, configured(resources, inbox="s3://no-such-bucket-anywhere/in/"))
    with pytest.raises(
        InboxError, match=r"s3://no-such-bucket-anywhere/in/ cannot be listed: NoSuchBucket .* setting 'inbox'"
    ):
        inbox.waiting()
    with pytest.raises(InboxError, match="'inbox' is missing"):
        Inbox(resources.s3, configured(resources, inbox=None))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"inbox_rules": {}}, "needs a rule for all files"),
        ({"inbox_rules": {"a/": {"adminemail": "a@example.com"}}}, "needs a rule for all files"),
        ({"inbox_rules": {"": {"jobtype": "import"}}}, "'inbox_rules' is an object"),
        ({"inbox_rules": {"": {"adminemail": "a@example.com", "jobtyp": "import"}}}, "'inbox_rules' is an object"),
        ({"inbox_rules": {"": {"adminemail": "a@example.com", "jobtype": "destroy"}}}, "'inbox_rules' is an object"),
        ({"inbox_rules": {**RULES, "/a": {"adminemail": "a@example.com"}}}, "'inbox_rules' is an object"),
        ({"inbox_rules": ["admin@example.com"]}, "'inbox_rules' is an array of 1"),
        ({"allowed_admin_domains": ["example.jp"]}, "'adminemail' at 'example.com' for ''; expected one at example.jp"),
    ],
)
def test_a_wrong_rule_is_said(resources, change, expected):
    """No night begins with a file that nobody would hear of."""
    with pytest.raises(SettingsError, match=re.escape(expected)):
        configured(resources, **change)


def test_the_verdict_is_what_lies_where(inbox, put):
    """Only a night whose files all left for processed/, or were replaced, is a success; a night without any is one."""
    for name in ("a.csv", "hr/b.csv", "replaced.csv"):
        put(name)
    files = inbox.waiting().ready
    with pytest.raises(IncompleteRunError, match=r"^3 of 3 files are still in the inbox"):
        raise_if_incomplete(inbox, files)
    by_name = {file.key.rpartition("/")[2]: file for file in files}
    put("replaced.csv", "useremail\nb@example.com\n")
    inbox.archive(by_name["a.csv"])
    with pytest.raises(IncompleteRunError, match=r"^1 of 3 files are still in the inbox"):
        raise_if_incomplete(inbox, files)
    inbox.archive(by_name["b.csv"], reason="Broken.")
    with pytest.raises(IncompleteRunError, match=r"^1 of 3 files failed, .*: in/box/failed/hr/\w+_b\.csv\.$"):
        raise_if_incomplete(inbox, files)
    raise_if_incomplete(inbox, [file for file in files if file.key.endswith(("a.csv", "replaced.csv"))])
    raise_if_incomplete(inbox, [])
