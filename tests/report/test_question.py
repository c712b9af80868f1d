"""The question of a deletion, in both languages."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cognito_import.ingest import ingest_request
from cognito_import.report.question import question
from cognito_import.run.folder import RunFolder

BY = datetime(2026, 11, 23, 8, 5, tzinfo=UTC)


def deletion(resources, settings, users, asked_by, admin=None):
    """The folder of a deletion that was read."""
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    request = {"data": users, "adminemail": admin or resources.admin, "jobtype": "delete"}
    ingest_request(request, settings, resources.s3, folder, asked_by=asked_by)
    return folder


@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [
        (
            "en",
            "Delete 7 users?",
            [
                "**7**",
                "`hanako`, so somebody else has to approve",
                "left alone: 1",
                "2026-11-23 17:05 JST",
                "The first 5 of them:",
            ],
        ),
        (
            "ja",
            "ユーザー 7 件を削除しますか？",
            ["**7 件**", "`hanako`（本人以外の承認が必要です）", "除いた行: 1 件", "2026/11/23 17:05", "最初の 5 件:"],
        ),
    ],
)
def test_the_question_shows_what_is_at_stake(resources, settings, locale, subject, words):
    """How many, five of them at most, who asked, who gets the report, which run and pool, and until when."""
    settings = replace(settings, locale=locale)
    users = [{"useremail": f"user{number:02}@example.com"} for number in range(1, 8)]
    asked = question(deletion(resources, settings, [*users, {"useremail": "nobody"}], "hanako"), settings, BY)
    assert asked.subject == subject
    lines = asked.body.splitlines()
    block = lines[lines.index("```text") + 1 : lines.index("```")]
    assert block == [user["useremail"] for user in users[:5]]
    for text in (*words, f"`{resources.admin}`", f"`{settings.user_pool_id}`", "`run-1`", "**Approve**", "**Reject**"):
        assert text in asked.body, text


def test_no_address_changes_the_question(resources, settings):
    """An address made of Markdown or HTML is shown as it is, inside a block that it cannot end."""
    settings = replace(settings, locale="en", approve_own=True)
    users = [{"useremail": odd} for odd in ("```@example.com", "<b>x</b>@example.com", "[a](http://b)@example.com")]
    lines = question(deletion(resources, settings, users, "a`b", "a`*b*`@example.com"), settings, BY).body.splitlines()
    start = lines.index("```text")
    assert lines[start + 1 : start + 5] == [*(user["useremail"] for user in users), "```"]
    assert "- Asked by: `a'b`" in lines
    assert "- The report goes to: `a'*b*'@example.com`" in lines
