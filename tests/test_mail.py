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

from cognito_import import aws, mail
from cognito_import.errors import ReportError
from cognito_import.link import Link
from cognito_import.report import Reason, Summary

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
JOBS = pytest.mark.parametrize("jobtype", ["import", "delete"])


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


def link(*, ends: datetime = NOW + timedelta(hours=36), may_end_earlier: bool = False) -> Link:
    """Return a link as long as real ones are."""
    return Link(URL, ends, may_end_earlier, LOCATION)


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
@pytest.mark.parametrize("refused", ["rejected", "lapsed", "asked"])
def test_a_deletion_that_was_not_approved_says_so(locale: str, refused: str) -> None:
    """Subject and top say that nobody agreed, not that something broke, and what to do to ask again."""
    summary = Summary(3, 0, 0, 0, 3, 0, (Reason("NotAttempted", "The deletion was rejected by hanako.", 3),))
    usual = composed(summary, locale=locale, jobtype="delete")
    message = composed(summary, locale=locale, jobtype="delete", refused=refused)
    said = {"ja": "ユーザー一括削除は承認されませんでした", "en": "ulk user deletion was not approved"}[locale]
    assert {"ja": "承認されませんでした", "en": "not approved"}[locale] in message.subject
    for part in parts(message):
        assert said in part
        assert "approve_deletion" in part
        assert "rejected by hanako" in part
    assert not any(said in part for part in (usual.subject, *parts(usual)))


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
        "ja": ("完了していません", "もう一度"),
        "en": ("is not complete", "again"),
    }[locale]
    for text in parts(message):
        assert text.index(alert) < text.index("560")
        assert "11,765" in text
        assert again in text[text.index(alert) :]
    assert "11,765" in message.subject
    for text in (*parts(done), done.subject):
        assert alert not in text
        assert {"ja": "未完了", "en": "complete"}[locale] not in text


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


# Subjects and times


@pytest.mark.parametrize(
    ("locale", "jobtype", "summary", "subject"),
    [
        ("ja", "import", FINE, "【Cognito】ユーザーインポート結果 2026/11/22 17:05"),
        ("ja", "delete", FAILURES, "【Cognito】ユーザー一括削除結果 2026/11/22 17:05（失敗 5件）"),
        ("ja", "import", STOPPED, "【Cognito】【要対応】ユーザーインポート未完了（11,765件） 2026/11/22 17:05"),
        ("en", "import", FINE, "[Cognito] User import result, 2026-11-22 17:05 JST"),
        ("en", "delete", FAILURES, "[Cognito] Bulk user deletion result, 2026-11-22 17:05 JST (5 failed)"),
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
    for text in parts(composed(to=link(ends=end), locale=locale, time_zone=time_zone)):
        assert ends in text


@LOCALES
def test_unsure_end_is_told(locale: str) -> None:
    """A link that may end earlier says so, and one that may not does not."""
    caution = {"ja": "期限より早く", "en": "may end earlier"}[locale]
    for text in parts(composed(to=link(may_end_earlier=True), locale=locale)):
        assert caution in text
    assert caution not in composed(locale=locale).text


# The form


@LOCALES
def test_html_loads_nothing_and_closes_what_it_opens(locale: str) -> None:
    """The HTML needs no network, runs nothing, and is well-formed for dark and narrow screens."""
    html = composed(STOPPED, link(may_end_earlier=True), locale=locale, engine_note="x").html
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
        mail._templates().from_string("{{ missing }}").render()


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
        ("ServiceUnavailable", "Wait a little"),
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
    with pytest.raises(ReportError, match=r"MessageRejected.*Verify other@example\.com"):
        mail.send(ses, message, "other@example.com", ADMIN)
