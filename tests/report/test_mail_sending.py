"""How a mail is sent by SES, and what is said if that fails."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from tests.report.mails import ADMIN, SENDER, STOPPED, URL, Page, composed

from cognito_import import aws
from cognito_import.errors import ReportError
from cognito_import.report import mail


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
