"""The consent to a deletion: what is asked, and what the report says without a yes."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cognito_import import approval
from cognito_import.approval import Approval
from cognito_import.delivery import deliver
from cognito_import.errors import NotApprovedError
from cognito_import.intake import take_in
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.parts import Part
from cognito_import.run_folder import RunFolder
from demo.watch import fetch, link_in, rows_of

AT = "2026-11-22T08:05:59+00:00"


@pytest.fixture
def folder(ground, settings):
    """A deletion of 7 users, and a row that was refused."""
    folder = RunFolder(ground.s3, ground.bucket, "run-1")
    users = [{"useremail": f"user{number:02}@example.com", "groups": ["STAFF"]} for number in range(1, 8)]
    request = {"data": [*users, {"useremail": "nobody"}], "adminemail": ground.admin, "jobtype": "delete"}
    take_in(request, settings, ground.s3, folder)
    return folder


def test_the_question_shows_what_is_at_stake(ground, settings, folder):
    """How many, five of them at most, who asked, who gets the report, which pool, and how long there is."""
    manifest = folder.required_manifest()
    assert approval.subject(manifest) == "Delete 7 users?"
    asked = approval.question(folder, manifest, settings, "hanako")
    lines = asked.splitlines()
    block = lines[lines.index("```text") + 1 : lines.index("```")]
    assert block == [f"user{number:02}@example.com" for number in range(1, 6)]
    for words in ("**7**", "`hanako`", f"`{ground.admin}`", f"`{settings.user_pool_id}`", "left alone: 1", "24 hours"):
        assert words in asked, words


def test_no_address_changes_the_question(ground, settings, folder):
    """An address made of Markdown or HTML is shown as it is, inside a block that it cannot end."""
    users = [{"useremail": odd} for odd in ("```@example.com", "<b>x</b>@example.com", "[a](http://b)@example.com")]
    other = RunFolder(ground.s3, ground.bucket, "run-2")
    request = {"data": users, "adminemail": "a`*b*`@example.com", "jobtype": "delete"}
    manifest = take_in(request, settings, ground.s3, other)
    lines = approval.question(other, manifest, settings, "a`b").splitlines()
    start = lines.index("```text")
    assert lines[start + 1 : start + 5] == [*(user["useremail"] for user in users), "```"]
    assert "- Asked by: `a'b`" in lines
    assert "- The report goes to: `a'*b*'@example.com`" in lines


@pytest.mark.parametrize("answer", [None, approval.ASKED, approval.REJECTED, approval.LAPSED])
def test_nothing_but_a_yes_is_a_yes(folder, answer):
    """Never asked, asked and not answered, rejected, lapsed: the engine may not begin."""
    if answer:
        approval.write(folder, Approval(answer, AT, 60))
    with pytest.raises(NotApprovedError, match="nobody is deleted"):
        approval.require(folder)
    approval.write(folder, Approval(approval.APPROVED, AT, 60, "hanako"))
    approval.require(folder)


@pytest.mark.parametrize(
    ("answer", "words", "subject"),
    [
        (approval.REJECTED, "The deletion was rejected by hanako on 2026-11-22 17:05 JST.", "却下"),
        (approval.LAPSED, "Nobody approved the deletion within 2 days, by 2026-11-22 17:05 JST.", "期限切れ"),
        (approval.ASKED, "the run ended while the question of 2026-11-22 17:05 JST was open", "回答なし"),
    ],
)
def test_the_report_says_why_nobody_was_deleted(ground, settings, folder, mails, answer, words, subject):
    """Every user is NotAttempted with the reason; who was deleted on an earlier yes stays so; refused rows too."""
    batch = folder.required_manifest().batches[2]
    (row,) = folder.rows(batch)
    folder.write_part(batch.number, "w", Part([Outcome(row.row, row.useremail, SUCCEEDED)], closed=True, stopped="x"))
    approval.write(folder, Approval(answer, AT, 172_800, "hanako"))
    end = {"credentials_end": None, "now": datetime.now(UTC)}
    delivery = deliver(folder, settings, ground.s3, ground.ses, **end)
    (mail,) = mails()
    rows = rows_of(fetch(link_in(mail)))
    assert [row["code"] for row in rows] == ["NotAttempted"] * 2 + [""] + ["NotAttempted"] * 4 + ["InvalidAddress"]
    assert words in rows[0]["message"]
    assert delivery.unfinished == 6
    assert f"承認されませんでした（{subject}" in mail["Subject"]
    assert words in mail["BodyText"]
    assert "approve_deletion" in mail["BodyText"]

    deliver(folder, replace(settings, locale="en"), ground.s3, ground.ses, **end)
    assert len(mails()) == 1  # the same outcomes are not reported twice
    approval.write(folder, Approval(approval.APPROVED, AT, 60))
    deliver(folder, replace(settings, locale="en"), ground.s3, ground.ses, **end)
    assert "ACTION NEEDED" in mails()[-1]["Subject"]
    assert "Delete the address again" in mails()[-1]["BodyText"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(86_400, "24 hours"), (172_800, "2 days"), (3_600, "1 hour"), (5_400, "90 minutes"), (61, "61 seconds")],
)
def test_a_time_is_told_in_round_units(seconds, words):
    """As people would say it."""
    assert words in Approval(approval.LAPSED, AT, seconds).reason("UTC")
