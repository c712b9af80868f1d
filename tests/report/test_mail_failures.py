"""What the mail says of failures and of users who are left, and what it tells its reader to do."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

import pytest
from tests.report.mails import FAILURES, FINE, JOBS, LOCALES, NOW, STOPPED, Page, composed, link, parts

from cognito_import.report.reasons import Way
from cognito_import.report.results import Reason, Summary
from cognito_import.run.approval import Answer, Approval


def answered(answer: Answer) -> Approval:
    """Return where a question stands."""
    return Approval(answer, NOW.isoformat(), 86_400, "hanako")


@LOCALES
@pytest.mark.parametrize("denial", ["rejected", "lapsed", "asked"])
def test_a_deletion_that_was_not_approved_says_so(locale: str, denial: Answer) -> None:
    """Subject and top say that nobody agreed, not that something broke, who said no, and what to do to ask again."""
    summary = Summary(3, 0, 0, 0, 3, 0, (Reason("NotAttempted", "repeated", 3),))
    usual = composed(summary, locale=locale, jobtype="delete")
    message = composed(summary, locale=locale, jobtype="delete", denial=answered(denial))
    said = {"ja": "ユーザー一括削除は承認されませんでした", "en": "ulk user deletion was not approved"}[locale]
    assert {"ja": "承認されませんでした", "en": "not approved"}[locale] in message.subject
    for part in parts(message):
        assert said in part
        assert "approve" in part
        assert ("hanako" in part) is (denial == "rejected")
        assert part.index("2026-11-22 17:05 JST") < part.index("run-1")
        assert "repeated" not in part
    assert not any(said in part for part in (usual.subject, *parts(usual)))


@LOCALES
@pytest.mark.parametrize(
    ("total", "said"),
    [(7, {"ja": "対象の 7 件はいずれも", "en": "None of the 7"}), (9, {"ja": "9 件のうち 7 件は", "en": "7 of 9"})],
)
def test_a_refused_deletion_says_how_many_are_left_as_they_were(locale: str, total: int, said: dict[str, str]) -> None:
    """All of them, or all but those that an earlier approval had deleted."""
    summary = Summary(total, total - 7, 0, 0, 7, 0, (Reason("NotAttempted", "The run was rejected by hanako.", 7),))
    message = composed(summary, locale=locale, jobtype="delete", denial=answered("rejected"))
    for part in parts(message):
        assert said[locale] in part
    assert {"ja": "要対応", "en": "ACTION"}[locale] not in message.subject


@LOCALES
@pytest.mark.parametrize(
    ("summary", "said"),
    [
        (FINE, {"ja": "15 件は登録済み", "en": "nobody failed. 15 of 1,000"}),
        (FAILURES, {"ja": "1,000 件のうち 5 件が失敗しました", "en": "5 of 1,000 users failed"}),
        (Summary(3, 3, 0, 0, 0), {"ja": "対象 3 件の処理がすべて完了", "en": "Complete: nobody failed."}),
    ],
    ids=["existed", "failed", "fine"],
)
def test_a_run_that_is_over_says_how_it_went_first(locale: str, summary: Summary, said: dict[str, str]) -> None:
    """Before anything else, where a list of mails shows it."""
    assert said[locale] in composed(summary, locale=locale).text.splitlines()[2]
    assert said[locale] in Page(composed(summary, locale=locale).html).text


@LOCALES
def test_reasons_are_told(locale: str) -> None:
    """The commonest reasons stand in both parts with code, message and number."""
    for text in parts(composed(FAILURES, locale=locale)):
        assert "InvalidParameterException" in text
        assert "Invalid email address format." in text


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
    """One user in progress when the worker died is enough to say so."""
    message = composed(Summary(10, 9, 0, 0, 0, 1), locale=locale)
    assert {"ja": "未完了（1件）", "en": "not complete (1 left)"}[locale] in message.subject


@LOCALES
def test_engine_note_is_told_when_there_is_one(locale: str) -> None:
    """The mail says what went wrong with the engine, and nothing if nothing did."""
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
