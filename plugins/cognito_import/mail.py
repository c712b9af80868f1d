"""The administrator's mail: composed from the report's counts and link, sent through SES.

Every text of a locale stands in `templates/{locale}.jinja`, those of notes and of refused requests in
`notes.{locale}.jinja` and `refusal.{locale}.jinja`, and nowhere else; `mail.*` and `refusal.*` lay the texts
out. Whatever comes from outside (a service's message, a run's name) is made one line in both parts, and
escaped in the HTML part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from cognito_import.aws import explain
from cognito_import.errors import ReportError
from cognito_import.values import aware, is_mail_address

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_ses.client import SESClient
    from mypy_boto3_ses.type_defs import ContentTypeDef

    from cognito_import.link import Link
    from cognito_import.report import Summary

_CREDENTIALS: Final = "Check the credentials of the AWS connection or the role"

ADVICE: Final = {
    "AccessDenied": "Allow the role ses:SendEmail on the identity of {sender}",
    "AccessDeniedException": "Allow the role ses:SendEmail on the identity of {sender}",
    "AccountSendingPausedException": "SES has paused the account's sending: see its reputation there",
    "ConfigurationSetDoesNotExistException": "Correct the default configuration set of {sender} in SES",
    "ConfigurationSetSendingPausedException": "SES has paused the configuration set's sending: see it there",
    "ExpiredToken": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidParameterValue": "Check 'mail_from' and 'adminemail': SES takes addresses in ASCII alone",
    "MailFromDomainNotVerifiedException": "Mend the MX record of the custom MAIL FROM domain of {sender}",
    "MessageRejected": (
        "Verify {sender} or its domain with SES in this Region. While the account is in the SES sandbox, "
        "verify the administrator's address as well, or ask AWS for production access"
    ),
    "NoCredentialsError": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "Throttling": "Wait until SES's quota allows it (a day's quota counts 24 hours back), or raise it",
}
"""What to do about an error of SES: all that SendEmail models, and those met beside them."""

_LONGEST_NOTE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail ready to send. Both parts hold the link, which is a secret, so the repr leaves them out."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def compose(  # noqa: PLR0913 - what a mail depends on
    summary: Summary,
    link: Link,
    *,
    jobtype: str,
    run: str,
    locale: str,
    time_zone: str,
    now: datetime,
    engine_note: str | None = None,
    refused: str = "",
    test_prefix: str = "",
) -> Mail:
    """Tell the administrator what ran and what became of the users, with the link and its true end.

    `jobtype` is `import` or `delete`, `locale` `ja` or `en`, `time_zone` an IANA name; `now` has a time zone.
    `refused` is the answer to a deletion that was not approved (see `approval`), else empty.
    `engine_note` says what befell the engine ("batch 3: worker killed"). `test_prefix` goes before the
    subject, so that a test's mail is not taken for a real one. A run with users left says so in the subject
    and at the top.
    """
    zone = ZoneInfo(time_zone)
    values = {
        "summary": summary,
        "reasons": [reason._replace(message=_one_line(reason.message)) for reason in summary.reasons],
        "link": link,
        "jobtype": jobtype,
        "run": _one_line(run),
        "locale": locale,
        "japan": time_zone == "Asia/Tokyo",
        "now": aware(now).astimezone(zone),
        "ends": link.ends.astimezone(zone),
        "refused": refused,
        "note": _one_line(engine_note or "")[:_LONGEST_NOTE],
    }
    mail = _render("mail", values)
    return replace(mail, subject=_one_line(f"{test_prefix} {mail.subject}"))


def compose_refusal(  # noqa: PLR0913 - what the mail depends on
    reason: str, *, source: str, run: str, locale: str, time_zone: str, now: datetime
) -> Mail:
    """Tell the administrator that the users in `source` were not imported at all, and why.

    `reason` is a message of a RequestError or a PreflightError, of one line or more; the others as for :func:`compose`.
    """
    values = {
        "lines": [line for text in reason.splitlines() if (line := _one_line(text))],
        "source": _one_line(source),
        "run": _one_line(run),
        "locale": locale,
        "now": aware(now).astimezone(ZoneInfo(time_zone)),
    }
    return _render("refusal", values)


def _render(kind: str, values: dict[str, object]) -> Mail:
    templates = _templates()
    subject, text, html = (templates.get_template(name) for name in ("subject.txt", f"{kind}.txt", f"{kind}.html"))
    # The texts of a result and of a refusal are apart: those of a result need its counts and its link.
    values = {**values, "texts": f"{values['locale']}.jinja" if kind == "mail" else f"{kind}.{values['locale']}.jinja"}
    return Mail(_one_line(subject.render(values)), text.render(values), html.render(values))


def engine_note(kind: str, detail: str, locale: str) -> str:
    """What befell the engine, as a note for :func:`compose`.

    `kind` is `stopped` (an error that every further user would meet), `unfinished` or `failed`; `detail` is what the
    service or the engine said.
    """
    return _templates().get_template(f"notes.{locale}.jinja").render(kind=kind, detail=detail).strip()


def send(ses: SESClient, mail: Mail, sender: str, to: str) -> str:
    """Send `mail` from the verified identity `sender` to the administrator; return SES's id of it.

    SES makes the MIME message. It has to encode both parts, since neither is pure ASCII, so nothing wraps
    the link, which can be longer than the 998 characters of a line (RFC 5322, 2.1.1). `ses`, made with
    :data:`cognito_import.aws.SES`, repeats throttled calls. Raises ReportError, which never holds the
    administrator's address.
    """
    for what, address in (("The setting 'mail_from'", sender), ("The administrator's address", to)):
        if not (is_mail_address(address) and address.isprintable()):
            message = f"{what} is not one plain e-mail address, so the report was not mailed."
            raise ReportError(message)

    def utf8(text: str) -> ContentTypeDef:
        return {"Data": text, "Charset": "UTF-8"}

    failure: Exception
    try:
        answer = ses.send_email(
            Source=sender,
            Destination={"ToAddresses": [to]},
            Message={
                "Subject": utf8(mail.subject),
                "Body": {"Text": utf8(mail.text), "Html": utf8(mail.html)},
            },
        )
        return str(answer["MessageId"])
    except (BotoCoreError, ClientError) as error:
        failure = _without(to, error)
    # Raised out here, so that the traceback has the cause without the address and no other.
    code, text = explain(failure)
    advice = ADVICE.get(code, "Wait a little").format(sender=sender)
    what = f"Mailing the report from {sender} failed: {code} ({text})"
    message = f"{what}. {advice}; then run the report again."
    raise ReportError(message) from failure


def _without(address: str, error: Exception) -> Exception:
    """Make an error like `error` that does not name `address`: SES does, and tracebacks show causes."""
    code, text = explain(error)
    # SES quotes an address as it was given or in lower case.
    shown = re.sub(re.escape(address), "the administrator's address", text, flags=re.IGNORECASE)
    if isinstance(error, ClientError):
        masked: Exception = ClientError({"Error": {"Code": code, "Message": shown}}, error.operation_name)
        return masked
    return error if shown == text else RuntimeError(f"{code}: {shown}")


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _zone(moment: datetime) -> str:
    """Name the zone of `moment` so that nobody can mistake it: `JST (UTC+09:00)`, `UTC-03:00`, `UTC`."""
    name = moment.tzname() or ""
    if name == "UTC":
        return name
    offset = f"UTC{moment.isoformat()[-6:]}"
    return f"{name} ({offset})" if name.isalpha() else offset


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        # The texts of a locale are escaped once, where mail.html puts them.
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["number"] = "{:,}".format
    templates.filters["zone"] = _zone
    return templates
