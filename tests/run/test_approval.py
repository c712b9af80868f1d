"""The consent to a deletion: what is asked, and what the report says without a yes."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cognito_import.errors import NotApprovedError
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report.delivery import deliver
from cognito_import.run import approval
from cognito_import.run.approval import Approval
from cognito_import.run.checkpoints import Checkpoint
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of

AT = "2026-11-22T08:05:59+00:00"


@pytest.fixture
def folder(resources, settings):
    """A deletion of 7 users, and a row that was refused."""
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    users = [{"useremail": f"user{number:02}@example.com", "groups": ["STAFF"]} for number in range(1, 8)]
    request = {"data": [*users, {"useremail": "nobody"}], "adminemail": resources.admin, "jobtype": "delete"}
    ingest_request(request, settings, resources.s3, folder, asked_by="hanako")
    return folder


@pytest.mark.parametrize("answer", [None, approval.ASKED, approval.REJECTED, approval.LAPSED])
def test_nothing_but_a_yes_is_a_yes(folder, answer):
    """Never asked, asked and not answered, rejected, lapsed: the engine may not begin."""
    rows = folder.required_manifest().approved
    if answer:
        approval.write(folder, Approval(answer, AT, 60, rows=rows))
    with pytest.raises(NotApprovedError, match="no user is touched"):
        approval.require(folder)
    approval.write(folder, Approval(approval.APPROVED, AT, 60, "taro", rows=rows))
    approval.require(folder)


def test_a_yes_to_other_users_is_none(folder):
    """The answer holds for the version of the rows that was asked about."""
    approval.write(folder, Approval(approval.APPROVED, AT, 60, "taro", rows='"0123"'))
    with pytest.raises(NotApprovedError, match="was given for other users"):
        approval.require(folder)


def test_what_needs_no_approval_needs_none(resources, settings):
    """An import, and a deletion where the setting asks nobody: the run's manifest says so, not a task."""
    for run, change in (("import", {"jobtype": "import"}), ("unasked", {"jobtype": "delete"})):
        folder = RunFolder(resources.s3, resources.bucket, run)
        request = {"data": [{"useremail": "user@example.com"}], "adminemail": resources.admin, **change}
        ingest_request(request, replace(settings, approve_deletions=False), resources.s3, folder)
        approval.require(folder)


@pytest.mark.parametrize(
    ("asked_by", "by", "own", "may"),
    [
        ("hanako", "hanako", False, False),
        ("hanako", "hanako", True, True),
        ("hanako", "taro", False, True),
        ("", "x", False, True),
    ],
)
def test_who_asked_may_not_approve(resources, settings, asked_by, by, own, may):
    """Two people stand behind a deletion, where Airflow knows who asked and the setting does not allow one."""
    folder = RunFolder(resources.s3, resources.bucket, "run-3")
    request = {"data": [{"useremail": "user@example.com"}], "adminemail": resources.admin, "jobtype": "delete"}
    manifest = ingest_request(request, settings, resources.s3, folder, asked_by=asked_by)
    assert approval.may_answer(manifest, replace(settings, approve_own=own), by) is may


@pytest.mark.parametrize(
    ("answer", "words", "subject"),
    [
        (approval.REJECTED, "2026-11-22 17:05 JST に hanako によって却下されました", "却下"),
        (approval.LAPSED, "2026-11-22 17:05 JST まで 2 日待ちましたが", "期限切れ"),
        (approval.ASKED, "2026-11-22 17:05 JST の承認依頼に回答がない", "回答なし"),
    ],
)
def test_the_report_says_why_nobody_was_deleted(resources, settings, folder, mails, answer, words, subject):
    """Every user is NotAttempted with the reason; who was deleted on an earlier yes stays so; refused rows too."""
    batch = folder.required_manifest().batches[1]
    (row,) = (row for row in folder.rows(batch) if row.row == 3)
    folder.write_checkpoint(
        batch.number, "w", Checkpoint([Outcome(row.row, row.useremail, SUCCEEDED)], closed=True, stopped="x")
    )
    approval.write(folder, Approval(answer, AT, 172_800, "hanako"))
    end = {"credentials_expire_at": None, "now": datetime.now(UTC)}
    delivery = deliver(folder, settings, resources.s3, resources.ses, **end)
    (mail,) = mails()
    rows = rows_of(fetch(link_in(mail)))
    assert [row["code"] for row in rows] == ["NotAttempted"] * 2 + [""] + ["NotAttempted"] * 4 + ["InvalidAddress"]
    assert words in rows[0]["message"]
    assert delivery.unfinished == 6
    assert f"承認されませんでした（{subject}" in mail["Subject"]
    assert words in mail["BodyText"]
    assert "approve" in mail["BodyText"]

    deliver(folder, replace(settings, locale="en"), resources.s3, resources.ses, **end)
    assert len(mails()) == 1  # the same outcomes are not reported twice
    approval.write(folder, Approval(approval.APPROVED, AT, 60, rows=folder.required_manifest().approved))
    deliver(folder, replace(settings, locale="en"), resources.s3, resources.ses, **end)
    assert "ACTION NEEDED" in mails()[-1]["Subject"]
    assert "The run ended before this user's turn" in mails()[-1]["BodyText"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(86_400, "24 hours"), (172_800, "2 days"), (3_600, "1 hour"), (5_400, "90 minutes"), (61, "61 seconds")],
)
def test_a_time_is_told_in_round_units(seconds, words):
    """As people would say it."""
    assert words in Approval(approval.LAPSED, AT, seconds).reason("UTC")
