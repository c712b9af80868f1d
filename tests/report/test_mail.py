"""The administrator's mail: what it says in both languages, and how it is sent."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

import logging
import re
import traceback
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from cognito_import import aws
from cognito_import.errors import PreflightError, ReportError
from cognito_import.report import mail
from cognito_import.report.expected import Expected
from cognito_import.report.link import Link
from cognito_import.report.reasons import Way
from cognito_import.report.results import Reason, Summary
from cognito_import.settings import JOB_TYPES

NOW = datetime(2026, 11, 22, 8, 5, 59, tzinfo=UTC)
URL = (
    "https://example-reports.s3.ap-northeast-1.amazonaws.com/cognitoimportlog/import_result.csv"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=129600&X-Amz-Security-Token="
    + "IQoJb3JpZ2lu%2F" * 80
    + "&X-Amz-Signature=0123"
)
LOCATION = "s3://example-reports/cognitoimportlog/import_result.csv"
SENDER, ADMIN = "noreply@example.com", "Admin.Istrator@example.org"

FINE = Summary(1000, 985, 15, 0, 0)
FAILURES = Summary(1000, 980, 15, 5, 0, 0, (Reason("InvalidParameterException", "Invalid email address format.", 5),))
STOPPED = Summary(12_345, 560, 15, 5, 11_763, 2, (Reason("NotAttempted", "The calls were stopped.", 11_763),))

LOCALES = pytest.mark.parametrize("locale", ["ja", "en"])
JOBS = pytest.mark.parametrize("jobtype", JOB_TYPES)


class Page(HTMLParser):
    """The visible text, the rows of all tables, and the addresses that a page names."""

    def __init__(self, html: str) -> None:
        """Read all of `html`."""
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "a":
            self.links.append(values["href"] or "")
        self.loaded += [values[name] or "" for name in ("src", "background", "srcset") if name in values]
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("html", "body"):
            assert tag in self.tags

    def handle_data(self, data: str) -> None:
        if "style" not in self.tags[-1:]:
            self.text += data
            if self.cells:
                self.cells[-1] += data.strip()


def link(*, expires_at: datetime = NOW + timedelta(hours=36), may_expire_earlier: bool = False) -> Link:
    """Return a link as long as real ones are."""
    return Link(URL, expires_at, may_expire_earlier, LOCATION)


def composed(summary: Summary = FINE, to: Link | None = None, **details: Any) -> mail.Mail:
    """Compose a mail, by default of an import without failures in Japanese."""
    given: dict[str, Any] = {"jobtype": "import", "run": "run-1", "locale": "ja", "time_zone": "Asia/Tokyo", "now": NOW}
    return mail.compose(summary, to or link(), **(given | details))


def parts(message: mail.Mail) -> tuple[str, str]:
    """Return what a person reads: the text part, and the visible text of the HTML part."""
    return message.text, Page(message.html).text


# What it says


@LOCALES
@JOBS
@pytest.mark.parametrize("summary", [FINE, FAILURES, STOPPED], ids=["fine", "failures", "stopped"])
def test_link_is_whole_in_both_parts(locale: str, jobtype: str, summary: Summary) -> None:
    """The link stands on a line of its own in the text, and behind each link of the HTML."""
    message = composed(summary, locale=locale, jobtype=jobtype)
    assert URL in message.text.splitlines()
    assert Page(message.html).links == [URL, URL]


@LOCALES
@pytest.mark.parametrize("denial", ["rejected", "lapsed", "asked"])
def test_a_deletion_that_was_not_approved_says_so(locale: str, denial: str) -> None:
    """Subject and top say that nobody agreed, not that something broke, and what to do to ask again."""
    summary = Summary(3, 0, 0, 0, 3, 0, (Reason("NotAttempted", "The run was rejected by hanako.", 3),))
    usual = composed(summary, locale=locale, jobtype="delete")
    message = composed(summary, locale=locale, jobtype="delete", denial=denial)
    said = {"ja": "ユーザー一括削除は承認されませんでした", "en": "ulk user deletion was not approved"}[locale]
    assert {"ja": "承認されませんでした", "en": "not approved"}[locale] in message.subject
    for part in parts(message):
        assert said in part
        assert "approve" in part
        assert "rejected by hanako" in part
    assert not any(said in part for part in (usual.subject, *parts(usual)))


@LOCALES
@pytest.mark.parametrize(
    ("total", "said"),
    [(7, {"ja": "対象の 7 件はいずれも", "en": "None of the 7"}), (9, {"ja": "9 件のうち 7 件は", "en": "7 of 9"})],
)
def test_a_refused_deletion_says_how_many_are_left_as_they_were(locale: str, total: int, said: dict[str, str]) -> None:
    """All of them, or all but those that an earlier approval had deleted."""
    summary = Summary(total, total - 7, 0, 0, 7, 0, (Reason("NotAttempted", "The run was rejected by hanako.", 7),))
    message = composed(summary, locale=locale, jobtype="delete", denial="rejected")
    for part in parts(message):
        assert said[locale] in part
    assert {"ja": "要対応", "en": "ACTION"}[locale] not in message.subject


@LOCALES
def test_a_deletion_counts_the_deleted(locale: str) -> None:
    """What succeeded is named by what was done."""
    label = {"ja": "削除済み", "en": "Deleted"}[locale]
    unit = {"ja": " 件", "en": ""}[locale]
    assert f"  {label}: 980{unit}" in composed(FAILURES, locale=locale, jobtype="delete").text.splitlines()
    assert f"  {label}:" not in composed(FAILURES, locale=locale).text


@pytest.mark.parametrize(
    ("locale", "yes", "no"),
    [("ja", "Cognito から送信しました", "送信していません"), ("en", "mailed by Cognito", "not sent")],
)
def test_invitations_are_told(locale: str, yes: str, no: str) -> None:
    """Whether the users who were created have heard of it; nothing where nobody is created."""
    for invited, said, other in ((True, yes, no), (False, no, yes)):
        for part in parts(composed(locale=locale, invited=invited)):
            assert said in part
            assert other not in part
    for nobody in (composed(locale=locale), composed(Summary(3, 0, 3, 0, 0), locale=locale, invited=True)):
        assert not any(said in nobody.text for said in (yes, no))


RUN_PAGE = "https://airflow.example.com/dags/cognito_import/runs/manual__1"


@LOCALES
def test_the_run_s_page_in_airflow_is_linked(locale: str) -> None:
    """Where Airflow knows its own address, and nothing but a web page is one."""
    message = composed(locale=locale, page=RUN_PAGE)
    assert any(line.endswith(f": {RUN_PAGE}") for line in message.text.splitlines())
    assert RUN_PAGE in Page(message.html).links
    assert {"ja": "Airflow でこの実行を開く", "en": "Open this run in Airflow"}[locale] in Page(message.html).text
    assert RUN_PAGE in Page(refusal(locale=locale, page=RUN_PAGE).html).links
    for page in ("", "javascript:alert(1)"):
        assert Page(composed(locale=locale, page=page).html).links == [URL, URL]
        assert Page(refusal(locale=locale, page=page).html).links == []


@LOCALES
@JOBS
@pytest.mark.parametrize("summary", [FINE, FAILURES, STOPPED], ids=["fine", "failures", "stopped"])
def test_no_part_is_plain_ascii(locale: str, jobtype: str, summary: Summary) -> None:
    """A part in plain ASCII may travel unencoded, and its long link be wrapped."""
    message = composed(summary, locale=locale, jobtype=jobtype)
    assert not message.text.isascii()
    assert not message.html.isascii()


@pytest.mark.parametrize(
    ("locale", "labels"),
    [
        ("ja", ["成功", "登録済み（変更なし）", "失敗", "未処理", "処理中に中断", "合計"]),
        ("en", ["Succeeded", "Existed already (unchanged)", "Failed", "Not attempted", "Interrupted", "Total"]),
    ],
)
def test_counts_are_told_with_their_names(locale: str, labels: list[str]) -> None:
    """Each count stands beside its name, in both parts."""
    message = composed(STOPPED, locale=locale)
    unit = {"ja": " 件", "en": ""}[locale]
    counts = [f"{users:,}{unit}" for users in (560, 15, 5, 11_763, 2, 12_345)]
    cells = Page(message.html).cells
    for label, count in zip(labels, counts, strict=True):
        assert f"  {label}: {count}" in message.text.splitlines()
        assert cells[cells.index(label) + 1] == count


@pytest.mark.parametrize(
    ("locale", "changed", "listed"),
    [
        ("ja", "登録済み（一覧のとおりに変更）", "登録済み（一覧のとおり）"),
        ("en", "Existed already, changed as listed", "Existed already, as listed"),
    ],
)
def test_users_who_existed_and_are_finished_are_counted_apart(locale: str, changed: str, listed: str) -> None:
    """Neither as created nor as failed, and those who were changed apart from those who were not; no line at nought."""
    unit = {"ja": " 件", "en": ""}[locale]
    summary = Summary(10, 3, 0, 0, 0, existed=5, changed=2)
    lines = composed(summary, locale=locale).text.splitlines()
    assert {f"  {changed}: 2{unit}", f"  {listed}: 5{unit}"} <= set(lines)
    assert not any(label in composed(FINE, locale=locale).text for label in (changed, listed))


@pytest.mark.parametrize(
    ("locale", "subject", "told"),
    [
        (
            "ja",
            "【Cognito】【確認のみ】ユーザー{}の確認結果 2026/11/22 17:05（失敗見込み 2件）",
            ["ユーザープールの変更: ありません", "Cognito の呼び出し 2,040 回、2 分以上", "失敗見込み: 2 件"],
        ),
        (
            "en",
            "[Cognito] [Dry run] Dry run of the {}, 2026-11-22 17:05 JST (2 would fail)",
            [
                "Changes made: none",
                "makes 2,040 calls to Cognito, and takes 2 min or more",
                "Would fail: 2",
            ],
        ),
    ],
)
@JOBS
def test_a_dry_run_says_that_nothing_was_changed(locale: str, subject: str, told: list[str], jobtype: str) -> None:
    """In the subject and the body, with what the real run would take, and the request for that."""
    act = {
        "ja": ("インポート", "一括削除", "一括無効化", "一括有効化"),
        "en": ("user import", "bulk user deletion", "bulk user disabling", "bulk user enabling"),
    }[locale][JOB_TYPES.index(jobtype)]
    expected = Expected(2_040, 2)
    summary = Summary(1_000, 980, 10, 2, 0, 0, (Reason("InvalidAddress", "x", 2),), existed=5, incomplete=3)
    again = '{"source": "s3://b/dry.csv"}'
    message = composed(summary, locale=locale, jobtype=jobtype, expected=expected, again=again)
    assert message.subject == subject.format(act)
    for text in parts(message):
        for words in told:
            assert words.replace(": ", "") in text.replace(": ", "")
        assert again in text
    half = composed(STOPPED, locale=locale, jobtype=jobtype, expected=expected, again=again)
    assert {"ja": "【確認のみ】【要対応】", "en": "[Dry run] ACTION NEEDED"}[locale] in half.subject
    assert again not in half.text  # a list that was not looked at whole


@pytest.mark.parametrize(("locale", "act"), [("ja", "インポートの取り消し"), ("en", "undo of a user import")])
def test_an_undo_says_which_import_it_undid(locale: str, act: str) -> None:
    """And an import says how to undo it, unless users are left."""
    conf = '{"undo": "run-7", "adminemail": "admin@example.com"}'
    undone = composed(FAILURES, locale=locale, jobtype="delete", undone="run-7")
    assert act in undone.subject
    for text in parts(undone):
        assert "run-7" in text
    assert conf in composed(FINE, locale=locale, undo=conf).text
    assert conf not in composed(STOPPED, locale=locale, undo=conf).text


@LOCALES
def test_deletion_speaks_of_no_existing_users(locale: str) -> None:
    """A deletion has no users who existed before, so that count is left out at nought."""
    text = composed(Summary(3, 3, 0, 0, 0), locale=locale, jobtype="delete").text
    assert "登録済み" not in text
    assert "xisted" not in text


@LOCALES
def test_reasons_are_told(locale: str) -> None:
    """The commonest reasons stand in both parts with code, message and number."""
    for text in parts(composed(FAILURES, locale=locale)):
        assert "InvalidParameterException" in text
        assert "Invalid email address format." in text


@LOCALES
def test_run_location_and_prefix_are_told(locale: str) -> None:
    """The mail names the run and where the file stays when the link has ended."""
    for text in parts(composed(locale=locale, run="nightly-2026")):
        assert "nightly-2026" in text
        assert LOCATION in text


@LOCALES
@JOBS
def test_unfinished_run_says_so_first(locale: str, jobtype: str) -> None:
    """A run with users left says in the subject and before all counts that it is not complete, and what to do."""
    message = composed(STOPPED, locale=locale, jobtype=jobtype)
    done = composed(FAILURES, locale=locale, jobtype=jobtype)
    alert, again = {
        "ja": ("完了していません", "失敗したタスクを「下流」を含めて消去してください"),
        "en": ("is not complete", "clear the run's failed tasks in Airflow, with Downstream"),
    }[locale]
    for text in parts(message):
        assert text.index(alert) < text.index("560")
        assert "11,765" in text
        assert again in text[text.index(alert) :]
        assert "インポートを実行してください" not in text
        assert "run the same" not in text
    assert "11,765" in message.subject
    for text in (*parts(done), done.subject):
        assert alert not in text
        assert {"ja": "未完了", "en": "complete"}[locale] not in text


AGAIN = '{"source": "s3://example-reports/cognitoimportlog/import_result.csv", "adminemail": "admin@example.com"}'


@LOCALES
@JOBS
def test_failed_rows_come_with_what_to_do(locale: str, jobtype: str) -> None:
    """A run that is over gives the request that runs them again, on a line of its own; one with users left comes first."""
    over = composed(FAILURES, locale=locale, jobtype=jobtype, again=AGAIN)
    assert AGAIN in over.text.splitlines()
    assert AGAIN in Page(over.html).text
    for summary in (STOPPED, FINE):
        message = composed(summary, locale=locale, jobtype=jobtype, again=AGAIN)
        assert not any(AGAIN in part for part in parts(message))
        assert {"ja": "必要な対応", "en": "What to do"}[locale] in message.text
    direct = composed(FAILURES, locale=locale, jobtype=jobtype, again=AGAIN, way="execution")
    assert {"ja": "ステートマシンを開始", "en": "start the state machine"}[locale] in direct.text
    assert "--request -" in composed(FAILURES, locale=locale, jobtype=jobtype, again=AGAIN, way="command_line").text


@LOCALES
def test_interrupted_users_alone_leave_a_run_unfinished(locale: str) -> None:
    """One user who was under way when the worker died is enough to be told."""
    message = composed(Summary(10, 9, 0, 0, 0, 1), locale=locale)
    assert {"ja": "未完了（1件）", "en": "not complete (1 left)"}[locale] in message.subject


@LOCALES
def test_engine_note_is_told_when_there_is_one(locale: str) -> None:
    """What befell the engine is told, and nothing is said when nothing did."""
    label = {"ja": "実行中に発生した問題", "en": "What went wrong"}[locale]
    for text in parts(composed(STOPPED, locale=locale, engine_note="batch 3: worker killed")):
        assert label in text
        assert "batch 3: worker killed" in text
    for nothing in (None, ""):
        assert label not in composed(STOPPED, locale=locale, engine_note=nothing).text


@LOCALES
@JOBS
@pytest.mark.parametrize(
    ("way", "goes_on", "reports"),
    [
        ("execution", '{"run": "run-7"}', '{"run": "run-7"}'),
        ("command_line", "cognito_import run --name run-7", "cognito_import report run-7"),
    ],
)
def test_a_run_without_airflow_is_continued_in_its_own_way(
    locale: str, jobtype: str, way: Way, goes_on, reports
) -> None:
    """There is no task to clear: the state machine or a command is started with the run's name."""
    for text in parts(composed(STOPPED, locale=locale, jobtype=jobtype, run="run-7", way=way)):
        assert text.count(goes_on) + text.count(reports) >= 2  # to finish the users, and to get the link anew
        assert reports in text
        assert "Airflow でこの実行" not in text
        assert "in Airflow" not in text


@LOCALES
def test_unsettled_users_are_not_to_be_imported_anew(locale: str) -> None:
    """They may exist without their group, and a new import would leave them so."""
    said = {"ja": "新しいインポートとして実行すると", "en": "A new import would"}[locale]
    unsettled = Summary(10, 9, 0, 0, 0, 1)
    for text in parts(composed(unsettled, locale=locale)):
        assert said in text
    assert said not in composed(unsettled, locale=locale, jobtype="delete").text
    assert said not in composed(Summary(10, 9, 0, 0, 1, 0), locale=locale).text


@LOCALES
def test_a_link_that_has_ended_can_be_had_anew(locale: str) -> None:
    """Whatever ends it early, the mail says how to get another one."""
    said = {
        "ja": "タスク report を消去してください。新しいリンク",
        "en": "clear the run’s task report in Airflow: a new link",
    }
    for text in parts(composed(to=link(may_expire_earlier=True), locale=locale)):
        assert said[locale] in text


@pytest.mark.parametrize(
    ("locale", "said"),
    [("ja", "アドレスと属性をご確認ください"), ("en", "Check the address and the attributes")],
)
def test_a_service_s_reason_is_explained_in_the_mail_s_language(locale: str, said: str) -> None:
    """Its own words stay, with what to do beside them."""
    for text in parts(composed(FAILURES, locale=locale)):
        assert "Invalid email address format." in text
        assert said in text


# A request that is refused, a deletion that waits


def refusal(**details: Any) -> mail.Mail:
    """Compose a refusal, by default of a file of the inbox in Japanese."""
    given: dict[str, Any] = {
        "reason": "Preflight found 1 problem:\n  - The group 'X' <b>",
        "source": "in/users.csv",
        "run": "run-1",
        "locale": "ja",
        "time_zone": "Asia/Tokyo",
        "now": NOW,
    }
    return mail.compose_rejection(**(given | details))


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
def test_a_refusal_says_how_to_hand_the_request_in_again(
    locale: str, way: str, words: list[str], others: list[str]
) -> None:
    """That depends on how it came; the reason stands line by line, as text."""
    message = refusal(locale=locale, way=way)
    for text in parts(message):
        assert [word for word in words if word not in text] == []
        assert [word for word in others if word in text] == []
        assert "The group 'X' <b>" in text
        assert "in/users.csv" in text
    assert {"ja": "【要対応】", "en": "ACTION NEEDED"}[locale] in message.subject


def test_a_refusal_s_reasons_are_in_the_mail_s_language() -> None:
    """The preflight's own sentences are translated; ids and a service's words stay."""
    problem = (
        "The group 'STAFF' cannot be looked at: ResourceNotFoundException (Group not found.); create it in the user pool, or "
        "correct the setting 'default_groups' or the users' groups."
    )
    reason = str(PreflightError([problem]))
    for text in parts(refusal(reason=reason, way="airflow")):
        assert "事前チェックで 1 件の問題が見つかりました。" in text
        assert "- グループ 'STAFF' を確認できませんでした（ResourceNotFoundException: Group not found.）。" in text
        assert "create it" not in text
    assert problem in refusal(reason=reason, way="airflow", locale="en").text


@LOCALES
def test_a_refused_file_s_mail_names_the_inbox(locale: str) -> None:
    """By its path: nobody has to know what the inbox is."""
    for text in parts(refusal(locale=locale, inbox="s3://reports/inbox/")):
        assert " s3://reports/inbox/ " in text
    assert "s3://" not in refusal(locale=locale, way="airflow").text


@LOCALES
def test_a_refusal_of_users_in_the_request_names_no_file(locale: str) -> None:
    """There is none, so no empty line says so."""
    for text in parts(refusal(locale=locale, way="airflow", source="")):
        assert {"ja": "ファイル:", "en": "File:"}[locale] not in text


PAGE = "https://airflow.example.com/dags/cognito_import/runs/manual__1/tasks/approve/required_actions"


def question(**details: Any) -> mail.Mail:
    """Compose the question of a deletion that waits, by default in Japanese."""
    given: dict[str, Any] = {
        "jobtype": "delete",
        "users": 1_234,
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
            "【Cognito】【承認依頼】ユーザー一括削除（1,234 件） 2026/11/22 17:05",
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


# Subjects and times


@pytest.mark.parametrize(
    ("locale", "jobtype", "summary", "subject"),
    [
        ("ja", "import", FINE, "【Cognito】ユーザーインポート結果 2026/11/22 17:05"),
        ("ja", "delete", FAILURES, "【Cognito】【要対応】ユーザー一括削除結果 2026/11/22 17:05（失敗 5件）"),
        ("ja", "import", STOPPED, "【Cognito】【要対応】ユーザーインポート未完了（11,765件） 2026/11/22 17:05"),
        ("en", "import", FINE, "[Cognito] User import result, 2026-11-22 17:05 JST"),
        (
            "en",
            "delete",
            FAILURES,
            "[Cognito] ACTION NEEDED: bulk user deletion result, 2026-11-22 17:05 JST (5 failed)",
        ),
        (
            "en",
            "import",
            STOPPED,
            "[Cognito] ACTION NEEDED: user import not complete (11,765 left), 2026-11-22 17:05 JST",
        ),
    ],
)
def test_subject_tells_job_result_and_local_time(locale: str, jobtype: str, summary: Summary, subject: str) -> None:
    """The subject says what ran, how it went and when, in local time."""
    assert composed(summary, locale=locale, jobtype=jobtype).subject == subject


def test_subject_of_a_test_has_its_prefix() -> None:
    """Outside production the subject begins with the prefix, so that it is not mistaken."""
    assert composed(test_prefix="[staging]").subject.startswith("[staging] 【Cognito】")


@pytest.mark.parametrize(
    ("locale", "time_zone", "ends"),
    [
        ("ja", "Asia/Tokyo", "2026年11月23日(月) 05:05（日本時間）"),
        ("ja", "America/New_York", "2026年11月22日(日) 15:05（EST (UTC-05:00)）"),
        ("en", "Asia/Tokyo", "Mon 23 Nov 2026, 05:05 JST (UTC+09:00)"),
        ("en", "America/Sao_Paulo", "Sun 22 Nov 2026, 17:05 UTC-03:00"),
        ("en", "UTC", "Sun 22 Nov 2026, 20:05 UTC"),
    ],
)
def test_end_of_the_link_is_its_own_in_local_time(locale: str, time_zone: str, ends: str) -> None:
    """The end is the link's, with its day and zone, and never later than it is: seconds are cut off."""
    end = NOW + timedelta(hours=12)
    for text in parts(composed(to=link(expires_at=end), locale=locale, time_zone=time_zone)):
        assert ends in text


@LOCALES
def test_unsure_end_is_told(locale: str) -> None:
    """A link that may end earlier says so, and one that may not does not."""
    caution = {"ja": "期限より早く", "en": "may end earlier"}[locale]
    for text in parts(composed(to=link(may_expire_earlier=True), locale=locale)):
        assert caution in text
    assert caution not in composed(locale=locale).text


# The form


@LOCALES
def test_html_loads_nothing_and_closes_what_it_opens(locale: str) -> None:
    """The HTML needs no network, runs nothing, and is well-formed for dark and narrow screens."""
    html = composed(STOPPED, link(may_expire_earlier=True), locale=locale, engine_note="x").html
    page = Page(html)
    assert page.loaded == []
    assert not {"script", "img", "link", "iframe", "form"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html
    for tag in ("table", "tr", "td", "a", "strong", "span", "style", "body", "html", "head", "title"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


@LOCALES
@given(text=st.text(min_size=1, max_size=50))
def test_what_comes_from_outside_stays_text(locale: str, text: str) -> None:
    """A message, a run's name or a note adds no tag to the HTML and no line to the text."""
    plain, full = (
        composed(Summary(1, 0, 0, 0, 1, 0, (Reason("Code", value, 1),)), locale=locale, run=value, engine_note=value)
        for value in ("x", f"a{text}<b><script>'\"&amp;")
    )
    assert Page(full.html).tags == Page(plain.html).tags
    assert len(full.text.split("\n")) == len(plain.text.split("\n"))


@given(text=st.text(max_size=50))
def test_subject_is_one_line(text: str) -> None:
    """Nothing puts a line break or another control character into the subject."""
    assert composed(test_prefix=text).subject.isprintable()


def test_mail_s_repr_hides_the_link() -> None:
    """Logs of a mail don't hold the link."""
    message = composed()
    assert "X-Amz" not in repr(message)
    assert message.subject in repr(message)


def test_template_that_names_a_missing_text_fails() -> None:
    """A text that a locale lacks is an error and not a gap in the mail."""
    with pytest.raises(UndefinedError):
        mail.templates().from_string("{{ missing }}").render()


def test_compose_refuses_a_moment_without_zone() -> None:
    """A naive moment would silently be the machine's own time."""
    with pytest.raises(ValueError, match="no time zone"):
        composed(now=NOW.replace(tzinfo=None))


# Sending


def client() -> Any:
    """Return an SES client that no network is needed for."""
    return boto3.client(
        "ses", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test", config=aws.SES
    )


def test_send_says_that_all_is_utf8() -> None:
    """SES gets one sender, one recipient, and subject, text and HTML in UTF-8; its id is returned."""
    message = composed()
    ses = client()
    with Stubber(ses) as stubber:
        expected = {
            "Source": SENDER,
            "Destination": {"ToAddresses": [ADMIN]},
            "Message": {
                "Subject": {"Data": message.subject, "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": message.text, "Charset": "UTF-8"},
                    "Html": {"Data": message.html, "Charset": "UTF-8"},
                },
            },
        }
        stubber.add_response("send_email", {"MessageId": "id-1"}, expected)
        assert mail.send(ses, message, SENDER, ADMIN) == "id-1"


def failed(code: str, text: str) -> ReportError:
    """Send a mail that SES refuses, and return the error."""
    ses = client()
    with Stubber(ses) as stubber:
        stubber.add_client_error("send_email", code, text)
        with pytest.raises(ReportError) as caught:
            mail.send(ses, composed(), SENDER, ADMIN)
    return caught.value


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("MessageRejected", "sandbox"),
        ("AccessDenied", "ses:SendEmail"),
        ("Throttling", "quota"),
        ("ExpiredToken", "credentials"),
        ("ServiceUnavailable", "wait a little"),
    ],
)
def test_refused_mail_says_what_to_do(code: str, advice: str) -> None:
    """A failure names the sender, the code, SES's message and the remedy, and keeps its cause."""
    error = failed(code, "It says so.")
    for part in (SENDER, code, "It says so.", advice, "run the report again"):
        assert part in str(error)
    assert isinstance(error.__cause__, ClientError)


def test_every_error_that_ses_models_has_advice() -> None:
    """No error of SendEmail that botocore knows is left without a remedy."""
    modelled = client().meta.service_model.operation_model("SendEmail").error_shapes
    assert {shape.name for shape in modelled} <= mail.ADVICE.keys()


def test_recipient_stays_out_of_errors_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    """The administrator's address is personal data: neither the error, nor its causes, nor a log line has it."""
    with caplog.at_level(logging.INFO):
        error = failed(
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in region US-EAST-1: "
            f"{ADMIN.lower()}, {ADMIN}, {SENDER}",
        )
    shown = "".join(traceback.format_exception(error)) + caplog.text
    assert "istrator" not in shown.lower().replace("the administrator's", "")
    assert "failed the check in region US-EAST-1: the administrator's address" in shown
    assert "X-Amz" not in shown


@pytest.mark.parametrize("named", ["", ADMIN])
def test_unreachable_ses_is_an_error_too(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """An error that no service answered becomes a ReportError as well."""

    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url=f"https://email.example.com/{named}")

    ses = client()
    monkeypatch.setattr(ses, "send_email", fail)
    with pytest.raises(ReportError, match="EndpointConnectionError") as caught:
        mail.send(ses, composed(), SENDER, ADMIN)
    assert ADMIN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.temporary


@pytest.mark.parametrize("address", ["", "a@example.com\nBcc: b@example.com", "a@x.org, b@x.org", "a\x7f@x.org", "a@x"])
def test_address_that_is_not_one_plain_address_is_refused(address: str) -> None:
    """No header can be slipped in by an address, which the error does not show."""
    for sender, to, named in ((SENDER, address, "administrator's address"), (address, ADMIN, "'mail_from'")):
        with pytest.raises(ReportError, match=named) as caught:
            mail.send(client(), composed(), sender, to)
        assert "example" not in str(caught.value)


def test_mail_arrives(local_aws: Any) -> None:
    """SES takes the mail as it is, link included, and refuses a sender that is not verified."""
    where = local_aws.environment()
    ses = boto3.client(
        "ses",
        endpoint_url=local_aws.endpoint_url,
        region_name=where["AWS_DEFAULT_REGION"],
        aws_access_key_id=where["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=where["AWS_SECRET_ACCESS_KEY"],
        config=aws.SES,
    )
    ses.verify_email_identity(EmailAddress=SENDER)
    message = composed(STOPPED)
    assert mail.send(ses, message, SENDER, ADMIN)
    arrived = local_aws.outbox()[-1]
    assert (arrived["Source"], arrived["To"], arrived["Subject"]) == (SENDER, [ADMIN], message.subject)
    assert arrived["BodyText"] == message.text
    assert Page(arrived["BodyHtml"]).links == [URL, URL]
    with pytest.raises(ReportError, match=r"MessageRejected.*verify unverified@example\.com"):
        mail.send(ses, message, "unverified@example.com", ADMIN)
