"""The report of a run folder, and the verdict."""

import csv
import io
import re
import time
import urllib.error
from datetime import UTC, datetime, timedelta

import pytest

from cognito_import.delivery import all_outcomes, deliver, shortfall, tell_refusal, verdict
from cognito_import.errors import IncompleteRunError, ReportError
from cognito_import.intake import take_in
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.parts import Part
from cognito_import.run_folder import RunFolder
from demo.watch import fetch, link_in, rows_of

NOW = datetime.now(UTC)


@pytest.fixture
def folder(ground, settings):
    """A run of 40 users in one batch each, of whom user 5 was refused."""
    folder = RunFolder(ground.s3, ground.bucket, "run-1")
    users = [{"useremail": f"user{number:02}@example.com"} for number in range(1, 41)]
    users[4] = {"useremail": "nobody"}
    take_in({"data": users, "adminemail": ground.admin}, settings, ground.s3, folder)
    return folder


def finish(folder, *, but=()):
    """Store an outcome for every user but some."""
    for batch in folder.required_manifest().batches:
        if batch.first not in but:
            (row,) = folder.rows(batch)
            outcome = Outcome(row.row, row.useremail, SUCCEEDED, username=f"sub-{row.row}")
            folder.write_part(batch.number, "worker", Part([outcome], closed=True))


def report(ground, settings, folder, *, end=None, now=NOW):
    """Deliver the report of `folder`."""
    return deliver(folder, settings, ground.s3, ground.ses, credentials_end=end, now=now)


def test_a_finished_run_is_reported_whole(ground, settings, folder, mails):
    """CSV, link and mail agree, and the link works without credentials."""
    finish(folder)
    delivery = report(ground, settings, folder)
    (mail,) = mails()
    rows = rows_of(fetch(link_in(mail)))
    assert [row["useremail"] for row in rows] == [item.useremail for item in all_outcomes(folder, folder.manifest())]
    assert (len(rows), rows[4]["code"], rows[5]["username"]) == (40, "InvalidAddress", "sub-6")
    assert delivery.counts["succeeded"] == 39
    assert delivery.unfinished == 0
    assert mail["To"] == [ground.admin]
    verdict(delivery)


def test_what_nobody_told_is_reported_as_not_attempted(ground, settings, folder, mails):
    """A batch that died, one that was stopped, one at work: each user is in the CSV with what is known."""
    finish(folder, but={7, 8, 9})
    batches = {batch.first: batch.number for batch in folder.required_manifest().batches}
    folder.write_part(batches[8], "w", Part(closed=True, stopped="AccessDeniedException: Not you."))
    folder.write_part(
        batches[9], "w", Part(pending=Outcome.failed(9, "user09@example.com", "Interrupted", "Under way."))
    )
    delivery = report(ground, settings, folder)
    rows = rows_of(fetch(link_in(mails()[0])))
    assert [(row["status"], row["code"]) for row in rows[6:9]] == [
        ("failed", "NotAttempted"),
        ("failed", "NotAttempted"),
        ("failed", "Interrupted"),
    ]
    assert "Not you" in rows[7]["message"]
    assert "未完了" in mails()[0]["Subject"]
    assert delivery.unfinished == 3
    with pytest.raises(IncompleteRunError, match="3 of 40 users"):
        verdict(delivery)


def test_a_report_is_mailed_once_until_there_is_something_new(ground, settings, folder, mails):
    """Running it again mails nothing; new outcomes, or a link that has ended, are mailed."""
    finish(folder, but={7})
    first = report(ground, settings, folder)
    assert report(ground, settings, folder) == first
    assert len(mails()) == 1
    finish(folder)
    second = report(ground, settings, folder)
    assert (second.unfinished, len(mails())) == (0, 2)
    report(ground, settings, folder, now=NOW + timedelta(hours=37))
    assert len(mails()) == 3


@pytest.mark.parametrize(("service", "operation"), [("s3", "PutObject"), ("ses", "SendEmail")])
def test_a_report_that_fails_is_an_error_and_can_be_retried(
    ground, settings, folder, local_aws, mails, service, operation
):
    """Nothing is swallowed, nothing half-done is remembered as done, and no user is touched by the retry."""
    finish(folder)
    local_aws.fault(operation, service=service, code="AccessDenied", status=403, times=1)
    with pytest.raises(ReportError, match="AccessDenied"):
        report(ground, settings, folder)
    assert folder.read_report() is None
    report(ground, settings, folder)
    assert len(mails()) == 1
    assert local_aws.calls() == []


def test_the_mail_states_the_earlier_end(ground, settings, folder, mails):
    """Credentials that end before the link end it; the mail gives that moment in local time."""
    finish(folder)
    end = datetime(2033, 1, 2, 3, 4, tzinfo=UTC)
    delivery = report(ground, settings, folder, end=end, now=end - timedelta(hours=2))
    assert delivery.link_ends == end.isoformat()
    assert "2033年1月2日" in mails()[0]["BodyText"]
    assert "12:04" in mails()[0]["BodyText"]


def test_a_link_that_is_tampered_with_or_has_ended_gives_nothing(ground, settings, folder, mails):
    """Only the very link of the mail, in its time, opens the file."""
    from dataclasses import replace

    finish(folder)
    report(ground, replace(settings, link_seconds=1), folder, now=datetime.now(UTC))
    link = link_in(mails()[0])
    tampered = link.replace("X-Amz-Expires=1", "X-Amz-Expires=99999")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(tampered)
    time.sleep(2)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(link)


def test_no_report_is_no_success():
    """A run without a report is failed in words."""
    with pytest.raises(IncompleteRunError, match="did not go out"):
        verdict(None)


def test_what_a_run_fell_short_of(ground, settings, folder):
    """The reason for a file's failure is what the run itself has stored: a refusal, users left, or no report."""
    empty = RunFolder(ground.s3, ground.bucket, "run-2")
    assert "before its users were read" in shortfall(empty, "failed")
    empty.write_refusal("'source' s3://b/k.csv is empty; expected users.")
    assert shortfall(empty, "failed") == "'source' s3://b/k.csv is empty; expected users."
    assert "clear it" in shortfall(folder, "failed")
    finish(folder, but={7})
    key = report(ground, settings, folder).csv_key
    assert re.fullmatch(
        rf"1 of 40 users were not finished.*The report is at s3://{ground.bucket}/{key}\.", shortfall(folder, "failed")
    )
    finish(folder)
    report(ground, settings, folder)
    assert shortfall(folder, "success") is None


def test_a_refusal_is_mailed_once(ground, settings, folder, mails, local_aws):
    """The administrator hears of a refused file once, whatever is retried, and of no other run."""

    def tell(one):
        tell_refusal(one, settings, ground.ses, to=ground.admin, source="in/users.csv", now=NOW)

    tell(folder)
    refused = RunFolder(ground.s3, ground.bucket, "run-2")
    refused.write_refusal("Preflight found 2 problems:\n  - one\n  - <two>")
    local_aws.fault("SendEmail", service="ses", code="AccessDenied", status=403)
    with pytest.raises(ReportError, match="AccessDenied"):
        tell(refused)
    tell(refused)
    tell(refused)
    (mail,) = mails()
    assert "処理できませんでした" in mail["Subject"]
    assert "  - one\n  - <two>" in mail["BodyText"]
    assert "- &lt;two&gt;<br>" in mail["BodyHtml"]
    assert "in/users.csv" in mail["BodyText"]


def test_the_csv_opens_as_a_table(ground, settings, folder, mails):
    """Header, byte order mark and line ends are what spreadsheets expect."""
    finish(folder)
    report(ground, settings, folder)
    content = fetch(link_in(mails()[0]))
    assert content.startswith(b"\xef\xbb\xbfuseremail,status,message,code,username\r\n")
    assert len(list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))) == 41
