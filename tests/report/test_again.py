"""The failed rows of a report run again: the mail gives the request, and the request takes those rows alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import SourceError
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import Outcome
from cognito_import.report.again import request_again
from cognito_import.report.delivery import deliver
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of


def run(resources, settings, request, name):
    """Run `request` whole, and return its folder."""
    folder = RunFolder(resources.s3, resources.bucket, name)
    manifest = ingest_request(request, settings, resources.s3, folder)
    pool = UserPool(resources.cognito, settings, Pacer(0), jobtype=manifest.jobtype)
    for batch in manifest.batches:
        run_batch(folder, batch, pool)
    return folder


def report(resources, settings, folder):
    """Mail the report of a run."""
    deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))


def request_in(mail):
    """Return the request that the mail's text has on a line of its own."""
    (line,) = [line for line in mail["BodyText"].splitlines() if line.startswith("{")]
    return json.loads(line)


@pytest.fixture
def source(resources):
    """Store a list in S3 and give its address."""

    def store(name, text):
        resources.s3.put_object(Bucket=resources.bucket, Key=name, Body=text.encode())
        return f"s3://{resources.bucket}/{name}"

    return store


@pytest.mark.parametrize("way", ["data", "source"])
def test_the_mail_s_request_runs_the_failed_rows_alone(resources, settings, mails, source, way):
    """With the groups and attributes of the first list, wherever that stood."""
    users = [
        {"useremail": "done@example.com"},
        {"useremail": "late@example.com", "attributes": {"given_name": "花子"}, "groups": ["LATER"]},
    ]
    lines = "\n".join(json.dumps(user) for user in users)
    given = {"data": users} if way == "data" else {"source": source("users.jsonl", lines)}
    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName="LATER")
    settings_then = settings.__class__.parse(resources.variable(pacing_seconds=0.001, allowed_groups=["BASIC"]))
    folder = run(resources, settings_then, {**given, "adminemail": resources.admin}, "first")
    report(resources, settings, folder)
    (mail,) = mails()
    request = request_in(mail)
    assert request["source"].startswith(f"s3://{resources.bucket}/cognitoimportlog/")
    assert request["adminemail"] == resources.admin

    again = run(resources, settings, request, "second")
    (row,) = again.all_rows()
    assert (row.useremail, row.groups, row.attributes) == ("late@example.com", ("LATER",), {"given_name": "花子"})
    report(resources, settings, again)
    rows = rows_of(fetch(link_in(mails()[1])))
    assert [(row["useremail"], row["status"]) for row in rows] == [("late@example.com", "succeeded")]
    assert not [line for line in mails()[1]["BodyText"].splitlines() if line.startswith("{")]


def test_a_deletion_s_failed_rows_are_deleted_again(resources, settings, mails):
    """The request names the job; without it the users would be created."""
    users = ["there@example.com", "nobody@example.com"]
    resources.add_user(users[0])
    settings = settings.__class__.parse(resources.variable(pacing_seconds=0.001, approve_deletions=False))
    folder = run(resources, settings, {"jobtype": "delete", "data": users, "adminemail": resources.admin}, "leavers")
    report(resources, settings, folder)
    request = request_in(mails()[0])
    assert request["jobtype"] == "delete"
    resources.add_user(users[1])
    run(resources, settings, request, "leavers-again")
    assert resources.cognito.list_users(UserPoolId=resources.user_pool_id)["Users"] == []


@pytest.mark.parametrize("jobtype", ["import", "delete"])
def test_a_list_is_corrected_and_run_until_all_rows_have_succeeded(resources, settings, mails, source, jobtype):
    """Each time the CSV of the run before is the source: its groups and attributes are still those of the list."""
    settings = settings.__class__.parse(resources.variable(pacing_seconds=0.001, approve_deletions=False))
    users = ["fine@example.com", "typo@@example.com", "later@example.com"]
    if jobtype == "delete":
        resources.add_user(users[0])
    else:
        resources.add_user(users[2])  # in the way, until somebody has removed it
    table = "\n".join(["useremail,given_name,groups,部署", *(f"{user},花子,BASIC,営業" for user in users)])
    request = {"source": source("list.csv", table), "adminemail": resources.admin, "jobtype": jobtype}
    folder = run(resources, settings, request, "run-1")
    report(resources, settings, folder)
    first = fetch(link_in(mails()[0]))
    assert [row["status"] for row in rows_of(first)] == ["succeeded", "failed", "failed"]

    corrected = first.decode("utf-8-sig").replace("typo@@example.com", "typo@example.com")
    if jobtype == "delete":
        resources.add_user(users[2])
        resources.add_user("typo@example.com")
    else:
        resources.cognito.admin_delete_user(UserPoolId=resources.user_pool_id, Username=users[2])
    request = {**request_in(mails()[0]), "source": source("corrected.csv", corrected)}
    again = run(resources, settings, request, "run-2")
    report(resources, settings, again)
    rows = rows_of(fetch(link_in(mails()[1])))
    assert [(row["useremail"], row["status"]) for row in rows] == [
        ("typo@example.com", "succeeded"),
        ("later@example.com", "succeeded"),
    ]
    assert [row["部署"] for row in rows] == ["営業"] * 2
    left = resources.users()
    assert {user: left[user].groups for user in left} == (
        {} if jobtype == "delete" else {user: {"BASIC"} for user in ("fine@example.com", "typo@example.com", users[2])}
    )
    # Nobody is left, so the CSV is no source any more: an error says so.
    with pytest.raises(SourceError, match="all 2 rows succeeded"):
        run(
            resources, settings, {**request, "source": source("done.csv", fetch(link_in(mails()[1])).decode())}, "run-3"
        )


@pytest.mark.parametrize(
    ("existing_users", "username", "completes"), [("fail", "", False), ("fail", "sub-1", True), ("complete", "", True)]
)
def test_users_who_lack_a_group_are_completed(resources, settings, existing_users, username, completes):
    """A run that created a user without its group would find it as existing; one that completed users goes on to."""
    folder = RunFolder(resources.s3, resources.bucket, "first")
    request = {"data": ["a@example.com"], "adminemail": resources.admin, "existing_users": existing_users}
    manifest = ingest_request(request, settings, resources.s3, folder)
    outcomes = [Outcome.failed(1, "a@example.com", "InternalErrorException", "Later.", username)]
    again = json.loads(request_again(manifest, outcomes, "s3://bucket/report.csv", resources.admin))
    assert again.get("existing_users") == ("complete" if completes else None)


def test_a_list_of_addresses_keeps_the_report_s_five_columns(resources, settings, mails):
    """A run without attributes and groups has nothing to add."""
    report(
        resources,
        settings,
        run(resources, settings, {"data": ["a@example.com"], "adminemail": resources.admin}, "plain"),
    )
    assert fetch(link_in(mails()[0])).splitlines()[0].decode("utf-8-sig") == "useremail,status,message,code,username"
