"""Why users were not finished, in both languages."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

import json
import re
from pathlib import Path

import pytest

from cognito_import.engine import claims
from cognito_import.engine.error_policy import POLICIES, ErrorPolicy
from cognito_import.errors import RequestError
from cognito_import.outcomes import EXISTS_CODES, INTERRUPTED, NOT_ATTEMPTED, Outcome
from cognito_import.report import reasons
from cognito_import.report.reasons import Reasons, translated
from cognito_import.request.model import ImportRequest
from cognito_import.request.users import check_users
from cognito_import.run.approval import Approval
from cognito_import.settings import Settings

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
ENGLISH_SENTENCE = re.compile(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}")
LOCALES = pytest.mark.parametrize("locale", ["ja", "en"])

WRONG = [
    {"useremail": "ok@example.com"},
    {"useremail": "OK@example.com"},
    {"useremail": None},
    {"useremail": ""},
    {"useremail": 3},
    {"useremail": "x" * 128 + "@example.com"},
    {"useremail": "a b@example.com"},
    {"useremail": "nobody"},
    {"useremail": "f1@example.com", "given_name": "x"},
    {"useremail": "f2@example.com", "group": "x"},
    {"useremail": "f3@example.com", "zzzzz": "x"},
    {"useremail": "a1@example.com", "attributes": "x"},
    {"useremail": "a2@example.com", "attributes": {"email": "x"}},
    {"useremail": "a3@example.com", "attributes": {"given_nam": "x"}},
    {"useremail": "a4@example.com", "attributes": {"qqqqqqq": "x"}},
    {"useremail": "a5@example.com", "attributes": {"given_name": 3}},
    {"useremail": "a6@example.com", "attributes": {"given_name": "x" * 2_049}},
    {"useremail": "g1@example.com", "groups": {}},
    {"useremail": "g2@example.com", "groups": ["A B"]},
    {"useremail": "g3@example.com", "groups": [1, 2]},
    {"useremail": "a7@example.com", "attributes": {"given_name": "a\0"}},
    {"useremail": "e1@example.com", "external_id": 3},
    {"useremail": "e2@example.com", "external_id": "x" * 2_049},
    {"useremail": "e3@example.com", "external_id": "\ud83d"},
    {"useremail": "v1@example.com", "email_verified": "perhaps"},
    {"useremail": "v2@example.com", "attributes": {"email_verified": "true"}},
]


def test_each_reason_of_the_check_is_told_in_japanese():
    """No row of a Japanese report has an English sentence of ours, and what differs between rows is kept."""
    failed = [user for user in check_users(WRONG, ("BASIC",)) if isinstance(user, Outcome)]
    assert len(failed) == len(WRONG) - 1
    told = {outcome.row: translated(outcome.message, "ja") for outcome in failed}
    assert {row: text for row, text in told.items() if not JAPANESE.search(text) or ENGLISH_SENTENCE.search(text)} == {}
    assert told[2].startswith("1 行目と重複しています（大文字")
    assert "140 文字" in told[6]
    assert "U+0020" in told[7]
    assert "'groups' の誤りではありませんか" in told[10]
    assert "useremail が空です" in told[4]
    assert "useremail が数値です" in told[5]
    assert "2 個の配列" in told[20]


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (3, "リクエストが数値です"),
        ({"sorce": "s3://b/k.csv"}, "'sorce' というキーはありません（'source' の誤りではありませんか）"),
        ({"data": ["a"], "zzz": 1}, "'zzz' というキーはありません。"),
        ({"data": ["a"], "adminemail": None}, "'adminemail' がありません"),
        ({"data": ["a"], "adminemail": "a@example.com, b@example.com"}, "1 つのメールアドレスではありません"),
        ({"data": ["a"], "adminemail": "a@example.org"}, "'example.org' にはレポートを送信できません"),
        (
            {"data": ["a"], "jobtype": "delte"},
            "'delte'（'delete' の誤りではありませんか）。'import'、'delete'、'disable'",
        ),
        ({"data": ["a"], "engine": 1, "existing_users": "x"}, "リクエストに 2 件の問題があります"),
        ({"data": {}}, "'data' がオブジェクトです"),
        ({"source": "users.csv"}, "'source' が9 文字の文字列です"),
        ({"undo": 1}, "'undo' が数値です"),
        ({"data": ["a"], "resend_invitation": True}, "'invite' を true にした場合だけ"),
        ({"data": ["a"], "dry_run": "x"}, "true または false"),
        ({"lines": " "}, "'lines' が空です"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_in_japanese(conf, said):
    """Each sentence, so that no mail and no note is in two languages."""
    required = {"user_pool_id": "ap-northeast-1_x", "report_bucket": "reports", "mail_from": "no-reply@example.com"}
    settings = Settings.parse({**required, "allowed_admin_domains": ["example.com"]})
    conf = {"adminemail": "a@example.com", **conf} if isinstance(conf, dict) else conf
    with pytest.raises(RequestError) as wrong:
        ImportRequest.parse(conf, settings)
    told = reasons.lines(str(wrong.value), "ja")
    assert said in "".join(told)
    assert [line for line in told if not JAPANESE.search(line) or ENGLISH_SENTENCE.search(line)] == []


@pytest.mark.parametrize("answer", ["rejected", "lapsed", "asked"])
def test_a_deletion_that_nobody_approved_says_so_and_how_to_ask_again(answer):
    """Who, when and how long are kept; the task to clear is named."""
    given = Approval(answer, "2026-11-22T08:05:59+00:00", 86_400, "hanako")
    said = given.reason("Asia/Tokyo")
    told = Reasons("ja", "run-1").told(Outcome.not_attempted(1, "a@example.com", said)).message
    assert JAPANESE.search(told)
    assert not ENGLISH_SENTENCE.search(told)
    assert "2026-11-22 17:05 JST" in told
    assert ("hanako" in told) is (answer == "rejected")
    assert ("まで 24 時間待ちましたが" in told) is (answer == "lapsed")
    assert "approve を「下流」を含めて消去" in told
    english = Reasons("en", "run-1").told(Outcome.not_attempted(1, "a@example.com", said)).message
    assert said in english
    assert "clear the task approve" in english


@LOCALES
@pytest.mark.parametrize("way", ["airflow", "execution", "command_line"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (INTERRUPTED, ""),
        (NOT_ATTEMPTED, ""),
        (NOT_ATTEMPTED, "AccessDeniedException: User x is not authorized."),
        (INTERRUPTED, "AccessDeniedException: User x is not authorized."),
        (NOT_ATTEMPTED, f"{claims.CODE}: {claims.reason(2)}"),
    ],
    ids=["unsettled", "ended", "stopped", "unfinished", "elsewhere"],
)
def test_who_is_left_is_never_told_to_be_imported_again(locale, way, code, message):
    """A new import would leave an unsettled user without its group: the run itself goes on, and how depends on its engine."""
    told = Reasons(locale, "run-1-abc", way=way).message(code, message)
    assert not re.search(r"[Ii]mport the address|again|インポート|もう一度", told)
    airflow = {"ja": "失敗したタスクを「下流」を含めて消去", "en": "clear the run's failed tasks"}[locale]
    command = "python -m cognito_import run --name run-1-abc"
    assert {"airflow": airflow, "execution": '{"run": "run-1-abc"}', "command_line": command}[way] in told
    if "Access" in message:
        assert "AccessDeniedException: User x is not authorized." in told
        assert ("権限が不足しています" in told) is (locale == "ja")
    assert "<" not in told


def test_a_service_s_sentence_without_a_full_stop_does_not_run_into_ours():
    """As AWS writes that something is not allowed."""
    message = "AccessDeniedException: User x is not authorized to perform: y on resource: z"
    assert f"{message}. When it is fixed" in Reasons("en", "run-1").message(NOT_ATTEMPTED, message)
    assert "。）" not in Reasons("ja", "run-1").message(NOT_ATTEMPTED, f"{message}。")


@LOCALES
def test_a_service_s_own_words_are_quoted(locale):
    """They are what its documentation and its support are asked for."""
    outcome = Outcome.failed(1, "a@example.com", "InvalidParameterException", "Invalid email address format.", "name")
    assert Reasons(locale, "run-1").told(outcome) == outcome
    done = Outcome(1, "a@example.com", "succeeded", username="x")
    assert Reasons(locale, "run-1").told(done) is done


@LOCALES
def test_every_code_that_is_a_user_s_result_has_a_hint(locale):
    """The mail says in its language what each of them means; in Japanese also of those that stop the calls."""
    results = {code for code, policy in POLICIES.items() if policy is ErrorPolicy.RESULT} | EXISTS_CODES
    stops = {code for code, policy in POLICIES.items() if policy is ErrorPolicy.STOP}
    told = Reasons(locale, "run-1")
    wanted = results | stops if locale == "ja" else results
    assert {code for code in wanted if not told.hint(code)} == set()
    assert told.hint("WhoKnows") == ""


def test_translations_fill_in_what_their_originals_name():
    """No place of a translation is left open, and none of a message is lost but an example."""
    dropped = {"<rest>"}  # the end of a sentence that is said in other words
    for table in reasons._texts("ja").values():
        if isinstance(table, dict):
            for original, translation in table.items():
                places = set(re.findall(r"<\w+>", original)) - dropped
                assert set(re.findall(r"<\w+>", translation)) - {"<run>"} == places, original


def test_both_languages_have_the_same_texts():
    """A text that one of them lacks would be an error in the middle of a report."""
    folder = Path(reasons.__file__).with_name("templates")
    english, japanese = (json.loads((folder / f"reasons.{locale}.json").read_text("utf-8")) for locale in ("en", "ja"))
    assert set(english) <= set(japanese)
    for name, text in english.items():
        if isinstance(text, str):
            assert set(re.findall(r"<\w+>", japanese[name])) == set(re.findall(r"<\w+>", text))


TASKS = re.compile(
    r"read_request|(?:task|タスク) approve\b|\breport\b(?= in| を)|<continue>|failed tasks|失敗したタスク|Downstream|「下流」"
)
SAME = {"失敗したタスク": "failed tasks", "タスク approve": "task approve", "「下流」": "Downstream"}


@pytest.mark.parametrize("name", ["{}.jinja", "rejection.{}.jinja", "question.{}.jinja", "reasons.{}.json"])
def test_both_languages_advise_the_same(name):
    """The same tasks are named, as often, in the same order: whoever follows one text ends where the other leads."""
    folder = Path(reasons.__file__).with_name("templates")
    english, japanese = (
        sorted(SAME.get(word, word) for word in TASKS.findall((folder / name.format(locale)).read_text("utf-8")))
        for locale in ("en", "ja")
    )
    assert english == japanese


def test_a_translation_names_what_its_original_names():
    """Settings, tasks, pools and keys are the words that somebody has to look for; the source is a file in Japanese."""
    lost = {
        (original, word)
        for table in reasons._texts("ja").values()
        if isinstance(table, dict)
        for original, translation in table.items()
        for word in re.findall(r"'([a-z_]+)'|\b([A-Z]+_[A-Z_]+)\b", original)
        if (name := "".join(word)) not in translation and name != "source"
    }
    assert lost == set()
