"""The mails that tell of a rejected request, and that ask for an approval."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.mails import LOCALES, NOW, Page, parts, rejection

from cognito_import.errors import PreflightError
from cognito_import.report import mail


@pytest.mark.parametrize(
    ("locale", "way", "words", "others"),
    [
        ("ja", "inbox", ["ファイルを処理できませんでした", "受信フォルダ"], ["ステートマシン", "消去"]),
        ("ja", "airflow", ["リクエストを処理できませんでした", "「下流」を含めて消去"], ["受信フォルダ", "failed"]),
        ("ja", "execution", ["リクエストを処理できませんでした", "ステートマシン"], ["受信フォルダ", "消去"]),
        ("en", "inbox", ["No user of this file", "inbox"], ["state machine", "Downstream"]),
        ("en", "airflow", ["No user of this request", "with Downstream"], ["inbox", "state machine"]),
        ("en", "execution", ["No user of this request", "start the state machine again"], ["inbox", "Downstream"]),
    ],
)
def test_a_rejection_says_how_to_hand_the_request_in_again(
    locale: str, way: str, words: list[str], others: list[str]
) -> None:
    """That depends on how it came; the reason stands line by line, as text."""
    message = rejection(locale=locale, way=way)
    for text in parts(message):
        assert [word for word in words if word not in text] == []
        assert [word for word in others if word in text] == []
        assert "The group 'X' <b>" in text
        assert "in/users.csv" in text
    assert {"ja": "【要対応】", "en": "ACTION NEEDED"}[locale] in message.subject


def test_a_rejection_s_reasons_are_in_the_mail_s_language() -> None:
    """The preflight's own sentences are translated; ids and a service's words stay."""
    problem = (
        "The group 'STAFF' cannot be looked at: ResourceNotFoundException (Group not found.); create it in the user pool, or "
        "correct the setting 'default_groups' or the users' groups."
    )
    reason = str(PreflightError([problem]))
    for text in parts(rejection(reason=reason, way="airflow")):
        assert "事前チェックで 1 件の問題が見つかりました。" in text
        assert "- グループ 'STAFF' を確認できませんでした（ResourceNotFoundException: Group not found.）。" in text
        assert "create it" not in text
    assert problem in rejection(reason=reason, way="airflow", locale="en").text


@LOCALES
def test_a_rejected_file_s_mail_names_the_inbox(locale: str) -> None:
    """By its path: nobody has to know what the inbox is."""
    for text in parts(rejection(locale=locale, inbox="s3://reports/inbox/")):
        assert " s3://reports/inbox/ " in text
    assert "s3://" not in rejection(locale=locale, way="airflow").text


@LOCALES
def test_a_rejection_of_users_in_the_request_names_no_file(locale: str) -> None:
    """There is none, so no empty line says so."""
    for text in parts(rejection(locale=locale, way="airflow", source="")):
        assert {"ja": "ファイル:", "en": "File:"}[locale] not in text


PAGE = "https://airflow.example.com/dags/cognito_import/runs/manual__1/tasks/approve/required_actions"


def question(**details: Any) -> mail.Mail:
    """Compose the question of a deletion that waits, by default in Japanese."""
    given: dict[str, Any] = {
        "jobtype": "delete",
        "users": 1_234,
        "undone": "",
        "asked_by": "hanako",
        "answer_by": NOW + timedelta(days=1),
        "page": PAGE,
        "run": "run-1",
        "locale": "ja",
        "time_zone": "Asia/Tokyo",
        "now": NOW,
    }
    return mail.compose_question(**(given | details))


@pytest.mark.parametrize(
    ("locale", "words", "subject", "own"),
    [
        (
            "ja",
            ["1,234 件", "hanako", "2026/11/23 17:05 JST", "Approve", "元に戻せません"],
            "【Cognito】【承認依頼】ユーザー一括削除（1,234件） 2026/11/22 17:05",
            "依頼者本人は承認できません",
        ),
        (
            "en",
            ["1,234", "hanako", "2026-11-23 17:05 JST", "Approve", "cannot be undone"],
            "[Cognito] APPROVAL NEEDED: bulk user deletion (1,234), 2026-11-22 17:05 JST",
            "Whoever asked for it cannot approve it",
        ),
    ],
)
def test_a_deletion_that_waits_asks_whoever_may_approve(locale: str, words: list[str], subject: str, own: str) -> None:
    """How many, who asked, until when, and the page where it is answered."""
    message = question(locale=locale)
    for text in parts(message):
        assert [word for word in words if word not in text] == []
        assert own in text
    assert message.subject == subject
    assert PAGE in message.text.splitlines()
    assert Page(message.html).links == [PAGE]
    assert own not in question(locale=locale, others_only=False).text
    assert own not in question(locale=locale, asked_by="").text


@pytest.mark.parametrize(("locale", "words"), [("ja", "ユーザーインポートの取り消し"), ("en", "undo of a user import")])
def test_a_question_about_an_undo_names_the_import(locale: str, words: str) -> None:
    """Whoever approves sees which import it is about."""
    message = question(locale=locale, undone="run-7")
    assert words in message.subject
    for text in parts(message):
        assert words in text
        assert "run-7" in text
    assert words not in question(locale=locale).text


@pytest.mark.parametrize(("locale", "words"), [("ja", "ユーザー一括無効化"), ("en", "bulk user disabling")])
def test_a_question_about_disabling_speaks_of_that(locale: str, words: str) -> None:
    """Nothing is deleted, and users can be enabled again."""
    message = question(locale=locale, jobtype="disable")
    assert words in message.subject
    assert not re.search("delet|削除|undone|元に戻せません", message.text)


@LOCALES
@pytest.mark.parametrize("page", ["", "javascript:alert(1)", "https://x/\ny"])
def test_a_question_without_a_page_says_where_to_look(locale: str, page: str) -> None:
    """An Airflow that does not know its own address has no link, and nothing but a web page is one."""
    message = question(locale=locale, page=page)
    for text in parts(message):
        assert {"ja": "「要対応項目」", "en": "Required Actions"}[locale] in text
        assert "javascript" not in text
    assert Page(message.html).links == []


@given(text=st.text(min_size=1, max_size=50))
def test_whoever_asked_adds_no_tag_and_no_line(text: str) -> None:
    """A name from outside stays text."""
    plain, full = question(asked_by="x"), question(asked_by=f"a{text}<b><script>'\"&amp;")
    assert Page(full.html).tags == Page(plain.html).tags
    assert len(full.text.split("\n")) == len(plain.text.split("\n"))
