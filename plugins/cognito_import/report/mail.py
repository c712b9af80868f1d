"""The administrator's mail: composed from the report's counts and link, laid out by `rendering`, sent through SES."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import import aws
from cognito_import.errors import ReportError
from cognito_import.outcomes import NOT_ATTEMPTED
from cognito_import.report.another_day import Waiting
from cognito_import.report.reasons import Reasons, Way, lines, translated
from cognito_import.report.rendering import Mail, one_line, render, templates
from cognito_import.values import aware, is_mail_address

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_ses.client import SESClient
    from mypy_boto3_ses.type_defs import ContentTypeDef

    from cognito_import.report.expected import Expected
    from cognito_import.report.link import Link
    from cognito_import.report.pace_kept import PaceKept
    from cognito_import.report.results import Summary
    from cognito_import.run.approval import Approval

ADVICE: Final = {
    "AccountSendingPausedException": "SES has paused the account's sending: see its reputation there",
    "ConfigurationSetDoesNotExistException": "correct the default configuration set of {sender} in SES",
    "ConfigurationSetSendingPausedException": "SES has paused the configuration set's sending: see it there",
    "InvalidParameterValue": "check 'mail_from' and 'adminemail': SES takes addresses in ASCII alone",
    "MailFromDomainNotVerifiedException": "correct the MX record of the custom MAIL FROM domain of {sender}",
    "MessageRejected": (
        "verify {sender} or its domain with SES in this Region, and while the account is in the SES sandbox the "
        "administrator's address as well (or ask AWS for production access)"
    ),
    "Throttling": "wait until SES's quota allows it (a day's quota counts 24 hours back), or raise it",
}
"""What to do about an error of SES: all that SendEmail models, and those met beside them."""

_MAX_NOTE_LENGTH: Final = 1_000


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
    denial: Approval | None = None,
    again: str = "",
    undo: str = "",
    undone: str = "",
    page: str = "",
    invited: bool | None = None,
    resent: bool = False,
    expected: Expected | None = None,
    pace: PaceKept | None = None,
    waiting: Waiting = Waiting(),  # noqa: B008 - a tuple
    way: Way = "airflow",
) -> Mail:
    """Compose the mail that says what ran and what became of the users, with the link and its true end.

    `jobtype` is one of `settings.JOB_TYPES`, `locale` `ja` or `en`, `time_zone` an IANA name; `now` has a time zone.
    `page` is the run's http(s) address in Airflow, or empty; `invited` says whether Cognito mailed invitations to those
    who were created, None where nobody is created, and `resent` whether also to those who had not signed in yet.
    `again` is the request that runs the failed rows again, `undo` the one that undoes this run, as JSON in one line, and
    `undone` the import that it has undone; all may be empty. `expected` is what a dry run expects of the real run, None
    for a run that was none. `pace` is how fast the run was, None where nobody knows, and `waiting` who waits for another day.
    `denial` is the answer to a question that was not approved, if there is one. `way` says how the run is continued,
    `engine_note` what went wrong with the engine ("batch 3: worker killed"). A run with users left says so in the subject
    and at the top.
    """
    zone = ZoneInfo(time_zone)
    reasons = Reasons(locale, one_line(run), way=way)
    values = {
        "summary": summary,
        "reasons": [
            {**reason._asdict(), "message": one_line(reason.message), "hint": reasons.hint(reason.code)}
            for reason in summary.reasons
            if not (denial and reason.code == NOT_ATTEMPTED)  # the top of the mail says it
        ],
        "to_continue": reasons.to_continue,
        "way": way,
        "link": link,
        "jobtype": jobtype,
        "run": one_line(run),
        "locale": locale,
        "japan": time_zone == "Asia/Tokyo",
        "now": aware(now).astimezone(zone),
        "expires_at": link.expires_at.astimezone(zone),
        "denial": denial.answer if denial else "",
        "denial_reason": translated(denial.reason(time_zone), locale) if denial else "",
        "again": one_line(again),
        "undo": one_line(undo),
        "undone": undone,
        "page": _page(page),
        "invited": invited,
        "resent": resent,
        "expected": expected,
        "pace": pace,
        "waiting": waiting,
        "note": one_line(engine_note or "")[:_MAX_NOTE_LENGTH],
    }
    return render("mail", values)


def compose_rejection(  # noqa: PLR0913 - what the mail depends on
    reason: str,
    *,
    source: str,
    run: str,
    locale: str,
    time_zone: str,
    now: datetime,
    way: Literal["inbox", "airflow", "execution"] = "inbox",
    inbox: str = "",
    page: str = "",
) -> Mail:
    """Compose the mail that says that no user of a request was processed, and why.

    `reason` is a message of a RequestError or a PreflightError, of one line or more; `source` is the file that holds the
    users, or empty; `way` is how the request came, which decides how to hand it in again; `inbox` is the s3:// address
    of the inbox, if it came from there. The others are as for :func:`compose`.
    """
    values = {
        "lines": lines(reason, locale),
        "source": one_line(source),
        "way": way,
        "inbox": one_line(inbox),
        "page": _page(page),
    }
    return render("rejection", {**values, **_about(run, locale, time_zone, now)})


def compose_question(  # noqa: PLR0913 - what the mail depends on
    *,
    jobtype: str,
    users: int,
    undone: str,
    asked_by: str,
    answer_by: datetime,
    page: str,
    run: str,
    locale: str,
    time_zone: str,
    now: datetime,
    others_only: bool = True,
) -> Mail:
    """Ask whoever may approve to answer for a run that waits.

    `users` is how many users the run of this `jobtype` would process, `undone` the import that it would undo, or empty,
    `asked_by` who asked for it, or empty; `answer_by` is when the question lapses. `page` is the http(s) address where it
    is answered, or empty if nobody knows it. With `others_only` whoever asked cannot approve. The others are as for
    :func:`compose`.
    """
    values = {
        "jobtype": jobtype,
        "users": users,
        "undone": undone,
        "asked_by": one_line(asked_by),
        "answer_by": aware(answer_by).astimezone(ZoneInfo(time_zone)),
        "page": _page(page),
        "others_only": others_only and bool(asked_by),
        "lines": [],
    }
    return render("question", {**values, **_about(run, locale, time_zone, now)})


def _page(address: str) -> str:
    """Return a web page's address, or nothing where it is none."""
    return address if address.startswith(("https://", "http://")) and address.isprintable() else ""


def _about(run: str, locale: str, time_zone: str, now: datetime) -> dict[str, object]:
    return {"run": one_line(run), "locale": locale, "now": aware(now).astimezone(ZoneInfo(time_zone))}


def engine_note(kind: str, detail: str, locale: str) -> str:
    """Return what went wrong with the engine, as a note for :func:`compose`.

    `kind` is `stopped` (an error that every further user would meet), `asked` (see `breaker`), `by` (somebody stopped the
    run), `unfinished` or `failed`; `detail` is what the service, the engine or the breaker said, or who stopped it.
    """
    notes = templates().get_template(f"notes.{locale}.jinja")
    return notes.render(kind=kind, detail=translated(detail, locale)).strip()


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
        response = ses.send_email(
            Source=sender,
            Destination={"ToAddresses": [to]},
            Message={
                "Subject": utf8(mail.subject),
                "Body": {"Text": utf8(mail.text), "Html": utf8(mail.html)},
            },
        )
        return str(response["MessageId"])
    except (BotoCoreError, ClientError) as error:
        failure = _without(to, error)
    # Raised out here, so that the traceback has the cause without the address and no other.
    raise aws.failure(
        ReportError,
        failure,
        "sent",
        f"The mail from {sender}",
        allow=f"ses:SendEmail on the identity of {sender}",
        then="run the report again",
        advice={code: advice.format(sender=sender) for code, advice in ADVICE.items()},
    ) from failure


def _without(address: str, error: Exception) -> Exception:
    """Make an error like `error` that does not name `address`: SES does, and tracebacks show causes."""
    code, text = aws.error_details(error)
    # SES quotes an address as it was given or in lower case.
    shown = re.sub(re.escape(address), "the administrator's address", text, flags=re.IGNORECASE)
    if isinstance(error, ClientError):
        response = {**error.response, "Error": {"Code": code, "Message": shown}}
        return ClientError(response, error.operation_name)  # type: ignore[arg-type]
    masked = type(error).__new__(type(error))
    masked.args = (shown,)
    return masked
