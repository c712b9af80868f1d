"""What the tests of mails share: summaries of runs, and the mails composed of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from cognito_import.report import mail
from cognito_import.report.link import Link
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


def rejection(**details: Any) -> mail.Mail:
    """Compose the mail about a rejected request, by default of a file of the inbox in Japanese."""
    given: dict[str, Any] = {
        "reason": "Preflight found 1 problem:\n  - The group 'X' <b>",
        "source": "in/users.csv",
        "run": "run-1",
        "locale": "ja",
        "time_zone": "Asia/Tokyo",
        "now": NOW,
    }
    return mail.compose_rejection(**(given | details))
