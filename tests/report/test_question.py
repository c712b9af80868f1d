"""The question of a deletion, in both languages."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cognito_import.ingest import ingest_request
from cognito_import.report.question import question
from cognito_import.report.survey import LATELY, survey
from cognito_import.run.folder import RunFolder

BY = datetime(2026, 11, 23, 8, 5, tzinfo=UTC)


def deletion(resources, settings, users, asked_by, admin=None):
    """Return the folder of a deletion that was read."""
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


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "en",
            [
                "Of them:",
                "`CONFIRMED` 1, `FORCE_CHANGE_PASSWORD` 3, not in the user pool 1",
                "Changed in the last 30 days: 4",
                "Groups: `BASIC` 4, `STAFF` 2",
            ],
        ),
        (
            "ja",
            [
                "対象の内訳:",
                "`CONFIRMED` 1 件、`FORCE_CHANGE_PASSWORD` 3 件、ユーザープールにない 1 件",
                "過去 30 日以内に変更: 4 件",
                "グループ: `BASIC` 4 件、`STAFF` 2 件",
            ],
        ),
    ],
)
def test_the_question_says_what_the_users_are_like(resources, settings, locale, words):
    """Their status, their groups and who was changed lately: a wrong list shows in it."""
    pool = resources.user_pool_id
    resources.cognito.create_group(UserPoolId=pool, GroupName="STAFF")
    users = [f"user{number}@example.com" for number in range(1, 6)]
    for number, user in enumerate(users[:4]):
        resources.add_user(user)
        for group in ("BASIC", "STAFF")[: 1 + number % 2]:
            resources.cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)
    resources.cognito.admin_set_user_password(UserPoolId=pool, Username=users[0], Password="Abcdef1!", Permanent=True)
    folder = deletion(resources, settings, [{"useremail": user} for user in users], "hanako")
    found = survey(folder, resources.cognito, datetime.now(UTC))
    body = question(folder, replace(settings, locale=locale), BY, found).body
    for text in words:
        assert f"{text}\n" in body, body
    later = survey(folder, resources.cognito, datetime.now(UTC) + LATELY + timedelta(days=1))
    assert (found.changed, later.changed) == (4, 0)


def test_a_long_list_is_sampled_evenly(resources, settings, local_aws, monkeypatch):
    """At most so many users are looked up, from the whole list, and the question says so."""
    monkeypatch.setattr("cognito_import.report.survey.MAX_USERS", 4)
    users = [{"useremail": f"user{number}@example.com"} for number in range(1, 11)]
    folder = deletion(resources, settings, users, "hanako")
    local_aws.reset()
    found = survey(folder, resources.cognito, datetime.now(UTC))
    asked = [call["username"] for call in local_aws.calls() if call["operation"] == "AdminGetUser"]
    assert asked == [f"user{number}@example.com" for number in (1, 4, 7, 10)]
    assert "Of a sample of 4 users:" in question(folder, replace(settings, locale="en"), BY, found).body


def test_a_question_is_asked_whether_or_not_anybody_can_be_looked_up(resources, settings, local_aws, caplog):
    """Without the permission, or in an outage, the question says nothing of the users, and the log says why."""
    folder = deletion(resources, settings, [{"useremail": "user@example.com"}], "hanako")
    local_aws.fault("AdminGetUser", code="AccessDeniedException", times=None)
    assert survey(folder, resources.cognito, datetime.now(UTC)) is None
    assert "AccessDeniedException" in caplog.text
    assert "Status" not in question(folder, replace(settings, locale="en"), BY, None).body
