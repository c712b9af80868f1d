"""The report of a run folder, and whether the run is complete."""

import csv
import io
import re
import time
import urllib.error
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from tests.report.delivering import NOW, finish, report

from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import IncompleteRunError, LeaseLostError
from cognito_import.ingest import ingest_request
from cognito_import.report.complete import failure_reason, raise_if_incomplete
from cognito_import.report.link import sign
from cognito_import.report.rows import all_outcomes
from cognito_import.run.checkpoints import Checkpoint, Unsettled
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of
from sandbox.waiting import until


def test_a_finished_run_is_reported_whole(resources, settings, folder, mails):
    """CSV, link and mail agree, and the link works without credentials."""
    finish(folder)
    delivery = report(resources, settings, folder)
    (mail,) = mails()
    rows = rows_of(fetch(link_in(mail)))
    assert [row["useremail"] for row in rows] == [item.useremail for item in all_outcomes(folder, folder.manifest())]
    assert (len(rows), rows[4]["code"], rows[5]["username"]) == (40, "InvalidAddress", "sub-6")
    assert delivery.counts["succeeded"] == 39
    report_at = f"s3://{resources.bucket}/{delivery.csv_key}"
    assert delivery.note(folder) == f"40 users: 39 succeeded, 1 failed; run run-1; report {report_at}"
    assert delivery.csv_key.endswith("_run-1.csv")
    assert "実行名: run-1\n" in mail["BodyText"]
    assert delivery.unfinished == 0
    assert mail["To"] == [resources.admin]
    raise_if_incomplete(delivery)


def test_a_report_that_was_held_up_is_not_mailed_behind_a_newer_one(resources, settings, folder, mails):
    """It has read the run before its last users were finished, so it would tell the administrator that they are left."""
    finish(folder)
    newer = report(resources, settings, folder)
    outcomes = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix=f"{folder.prefix}outcomes/")["Contents"]
    resources.s3.delete_object(Bucket=resources.bucket, Key=outcomes[-1]["Key"])  # as it was when the older one read it
    assert report(resources, settings, folder) == newer
    assert len(mails()) == 1
    assert newer.unfinished == 0


def test_what_nobody_told_is_reported_as_not_attempted(resources, settings, folder, mails):
    """A batch that died, one that was stopped, one at work: each user is in the CSV with what is known."""
    finish(folder, but={7, 8, 9})
    batches = {batch.first: batch.number for batch in folder.required_manifest().batches}
    folder.write_checkpoint(batches[8], "w", Checkpoint(closed=True, stopped="AccessDeniedException: Not you."))
    at = Unsettled(9, "user09@example.com", NOW.isoformat())
    folder.write_checkpoint(batches[9], "w", Checkpoint(unsettled=[at], closed=True))
    delivery = report(resources, settings, folder)
    rows = rows_of(fetch(link_in(mails()[0])))
    assert [(row["status"], row["code"]) for row in rows[6:9]] == [
        ("failed", "NotAttempted"),
        ("failed", "NotAttempted"),
        ("failed", "Interrupted"),
    ]
    assert "順番になる前に実行が終了した" in rows[6]["message"]
    assert "権限が不足しています。 AccessDeniedException: Not you." in rows[7]["message"]
    assert "結果を確認できていません" in rows[8]["message"]
    assert all("失敗したタスクを「下流」を含めて消去" in row["message"] for row in rows[6:9])
    assert "未完了" in mails()[0]["Subject"]
    assert delivery.unfinished == 3
    with pytest.raises(IncompleteRunError, match="3 of 40 users"):
        raise_if_incomplete(delivery)


def test_a_user_who_lacks_its_group_is_no_failure_of_its_own(resources, settings, folder, mails):
    """It exists, and the run finishes it when it goes on: it counts as interrupted, so the run is no success."""
    finish(folder, but={7, 8})
    batch = folder.required_manifest().batches[6]
    entries = [
        Unsettled(7, "user07@example.com", NOW.isoformat(), "sub-7", "AccessDeniedException: Not you."),
        Unsettled(8, "user08@example.com", NOW.isoformat()),
    ]
    folder.write_checkpoint(batch.number, "w", Checkpoint(unsettled=entries, closed=True))
    delivery = report(resources, replace(settings, locale="en"), folder)
    assert {name: delivery.counts[name] for name in ("interrupted", "failed", "not_attempted")} == {
        "interrupted": 2,
        "failed": 1,  # the refused row
        "not_attempted": 0,
    }
    (mail,) = mails()
    lacking, unknown = rows_of(fetch(link_in(mail)))[6:8]
    assert (lacking["code"], lacking["username"]) == ("Interrupted", "sub-7")
    assert lacking["message"].startswith("This user is not finished: AccessDeniedException: Not you.")
    assert unknown["message"].startswith("It is not known yet what became of this user")
    assert "ACTION NEEDED" in mail["Subject"]
    with pytest.raises(IncompleteRunError, match="2 of 40 users"):
        raise_if_incomplete(delivery)


@pytest.mark.parametrize("way", ["airflow", "execution", "command_line"])
def test_csv_and_mail_say_alike_how_to_go_on(resources, settings, folder, mails, way):
    """Whoever reads one of them is not sent elsewhere by the other; an execution is continued by another."""
    finish(folder, but={7})
    report(resources, settings, folder, way=way)
    (mail,) = mails()
    (left,) = (row for row in rows_of(fetch(link_in(mail))) if row["code"] == "NotAttempted")
    for text in (left["message"], mail["BodyText"]):
        assert ('{"run": "run-1"}' in text) is (way == "execution")
        assert ("失敗したタスクを" in text) is (way == "airflow")
        assert ("python -m cognito_import run --name run-1" in text) is (way == "command_line")


def test_who_signs_the_link_may_be_somebody_else(resources, settings, folder, mails):
    """The link carries the credentials of the one who signs."""
    finish(folder)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_session_token": "a"}
    report(resources, settings, folder, signer=boto3.client("s3", config=aws.S3, **keys))
    assert "X-Amz-Security-Token=a" in link_in(mails()[0])


def test_what_is_reported_stays_true_while_a_worker_is_still_at_it(resources, settings, mails):
    """A task that was marked as failed by hand works on: the report takes its batch, so nobody is made behind its back."""
    folder = RunFolder(resources.s3, resources.bucket, "run-2")
    users = [{"useremail": f"user{number:02}@example.com"} for number in range(1, 41)]
    request = {"data": users, "adminemail": resources.admin}
    (batch,) = ingest_request(request, replace(settings, slots=1), resources.s3, folder).batches
    pool = UserPool(boto3.client("cognito-idp", config=aws.COGNITO), settings, Pacer(0.2))
    with ThreadPoolExecutor() as executor:
        working = executor.submit(run_batch, folder, batch, pool)
        until("five users", lambda: len(resources.users()), lambda seen: seen >= 5, every=0.05)
        report(resources, settings, folder)
        rows = rows_of(fetch(link_in(mails()[0])))
        with pytest.raises(LeaseLostError):
            working.result()
    assert 5 <= len(resources.users()) < 40
    assert {row["useremail"] for row in rows if row["status"] == "succeeded"} == set(resources.users())
    told = Counter(row["code"] for row in rows)
    assert (told["NotAttempted"], told["Interrupted"]) == (
        40 - told[""],
        0,
    )  # the next user was named, and not called for
    assert {address: user.groups for address, user in resources.users().items()} == {
        key: {"BASIC"} for key in resources.users()
    }


def test_the_mail_states_the_earlier_end(resources, settings, folder, mails):
    """Credentials that end before the link end it; the mail gives that moment in local time."""
    finish(folder)
    end = datetime(2033, 1, 2, 3, 4, tzinfo=UTC)
    delivery = report(resources, settings, folder, end=end, now=end - timedelta(hours=2))
    assert delivery.link_expires_at == end.isoformat()
    assert "2033年1月2日" in mails()[0]["BodyText"]
    assert "12:04" in mails()[0]["BodyText"]


def test_a_link_that_is_tampered_with_or_has_ended_gives_nothing(resources, settings, folder, mails):
    """Only the very link of the mail, in its time, opens the file."""
    finish(folder)
    now = datetime.now(UTC)
    key = report(resources, replace(settings, link_seconds=60), folder, now=now).csv_key
    link = link_in(mails()[0])
    tampered = link.replace("X-Amz-Expires=60", "X-Amz-Expires=99999")
    assert tampered != link
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(tampered)
    short = sign(resources.s3, resources.bucket, key, link_seconds=1, now=now, credentials_expire_at=None)
    time.sleep(2)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(short.url)


def test_no_report_is_no_success():
    """A run without a report is failed in words."""
    with pytest.raises(IncompleteRunError, match="did not go out"):
        raise_if_incomplete(None)


def test_what_a_run_fell_short_of(resources, settings, folder):
    """The reason for a file's failure is what the run itself has stored: a refusal, users left, or no report."""
    empty = RunFolder(resources.s3, resources.bucket, "run-2")
    assert "before its users were read" in failure_reason(empty, "failed")
    empty.write_rejection("'source' s3://b/k.csv is empty; expected users.")
    assert failure_reason(empty, "failed") == "'source' s3://b/k.csv is empty; expected users."
    assert "clear it" in failure_reason(folder, "failed")
    finish(folder, but={7})
    key = report(resources, settings, folder).csv_key
    assert re.fullmatch(
        rf"1 of 40 users were not finished.*The report is at s3://{resources.bucket}/{key}\.",
        failure_reason(folder, "failed"),
    )
    finish(folder)
    report(resources, settings, folder)
    assert failure_reason(folder, "success") is None


def test_the_csv_opens_as_a_table(resources, settings, folder, mails):
    """Header, byte order mark and line ends are what spreadsheets expect."""
    finish(folder)
    report(resources, settings, folder)
    content = fetch(link_in(mails()[0]))
    assert content.startswith(b"\xef\xbb\xbfuseremail,status,message,code,username\r\n")
    assert len(list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))) == 41
