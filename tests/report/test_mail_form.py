"""The form of the mail: its link, subject, times and HTML."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from tests.report.mails import FAILURES, FINE, JOBS, LOCALES, NOW, STOPPED, URL, Page, composed, link, parts

from cognito_import.report import mail
from cognito_import.report.results import Reason, Summary


@LOCALES
@JOBS
@pytest.mark.parametrize("summary", [FINE, FAILURES, STOPPED], ids=["fine", "failures", "stopped"])
def test_link_is_whole_in_both_parts(locale: str, jobtype: str, summary: Summary) -> None:
    """The link stands on a line of its own in the text, and behind each link of the HTML."""
    message = composed(summary, locale=locale, jobtype=jobtype)
    assert URL in message.text.splitlines()
    assert Page(message.html).links == [URL, URL]


@LOCALES
@JOBS
@pytest.mark.parametrize("summary", [FINE, FAILURES, STOPPED], ids=["fine", "failures", "stopped"])
def test_no_part_is_plain_ascii(locale: str, jobtype: str, summary: Summary) -> None:
    """A part in plain ASCII may travel unencoded, and its long link be wrapped."""
    message = composed(summary, locale=locale, jobtype=jobtype)
    assert not message.text.isascii()
    assert not message.html.isascii()


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
