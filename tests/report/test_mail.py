"""The administrator's mail: what it says in both languages, and how it is sent."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

import pytest
from tests.report.mails import FAILURES, FINE, JOBS, LOCALES, LOCATION, STOPPED, URL, Page, composed, parts, rejection

from cognito_import.report.another_day import Waiting
from cognito_import.report.expected import Expected
from cognito_import.report.results import Reason, Summary
from cognito_import.settings import JOB_TYPES


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
    again = {"ja": "まだサインインしていない", "en": "had not signed in yet"}[locale]
    assert again in composed(Summary(3, 0, 0, 0, 0, existed=3), locale=locale, invited=True, resent=True).text
    assert again not in composed(locale=locale, invited=True).text
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
    assert RUN_PAGE in Page(rejection(locale=locale, page=RUN_PAGE).html).links
    for page in ("", "javascript:alert(1)"):
        assert Page(composed(locale=locale, page=page).html).links == [URL, URL]
        assert Page(rejection(locale=locale, page=page).html).links == []


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
        ("ja", "登録済み（変更あり）", "登録済み（一覧のとおり）"),
        ("en", "Existed already, changed", "Existed already, as listed"),
    ],
)
def test_users_who_existed_and_are_finished_are_counted_apart(locale: str, changed: str, listed: str) -> None:
    """Neither as created nor as failed, and those who were changed apart from those who were not; no line at nought."""
    unit = {"ja": " 件", "en": ""}[locale]
    summary = Summary(10, 3, 0, 0, 0, existed=5, changed=2)
    lines = composed(summary, locale=locale).text.splitlines()
    assert {f"  {changed}: 2{unit}", f"  {listed}: 5{unit}"} <= set(lines)
    assert not any(label in composed(FINE, locale=locale).text for label in (changed, listed))


@pytest.mark.parametrize("by_night", [True, False])
@pytest.mark.parametrize(
    ("locale", "needed", "subject", "nothing", "another_day"),
    [
        (
            "ja",
            "【要対応】",
            "ユーザーインポートの残りは翌日以降（70件）",
            "対応は不要です。",
            "明日以降に、Airflow で",
        ),
        (
            "en",
            "ACTION NEEDED: ",
            "ser import goes on another day (70 left)",
            "There is nothing to do",
            "From tomorrow, clear",
        ),
    ],
)
def test_users_who_wait_for_another_day_need_something_done_unless_a_night_takes_them_up(
    locale: str, needed: str, subject: str, nothing: str, another_day: str, *, by_night: bool
) -> None:
    """As long as all who are left wait; beside others of whom something has to be done, the mail speaks of these."""
    summary = Summary(120, 50, 0, 0, 70)
    mail_ = composed(summary, locale=locale, jobtype="import", waiting=Waiting(70, by_night))
    assert subject in mail_.subject
    assert (needed in mail_.subject) is not by_night
    assert (nothing in mail_.text) is by_night
    assert (another_day in mail_.text) is not by_night
    others = composed(summary, locale=locale, jobtype="import", waiting=Waiting(69, by_night))
    assert needed in others.subject
    assert subject not in others.subject


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
            "[Cognito] [Dry run] {}, 2026-11-22 17:05 JST (2 would fail)",
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
        "en": ("User import", "Bulk user deletion", "Bulk user disabling", "Bulk user enabling"),
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
    assert f"    {conf}" in composed(FINE, locale=locale, undo=conf).text.splitlines()
    assert conf not in composed(STOPPED, locale=locale, undo=conf).text


@LOCALES
def test_deletion_speaks_of_no_existing_users(locale: str) -> None:
    """A deletion has no users who existed before, so that count is left out at nought."""
    text = composed(Summary(3, 3, 0, 0, 0), locale=locale, jobtype="delete").text
    assert "登録済み" not in text
    assert "xisted" not in text


@LOCALES
def test_run_location_and_prefix_are_told(locale: str) -> None:
    """The mail names the run and where the file stays when the link has ended."""
    for text in parts(composed(locale=locale, run="nightly-2026")):
        assert "nightly-2026" in text
        assert LOCATION in text
