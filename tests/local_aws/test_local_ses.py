"""SES: only verified senders, and every mail can be read in the outbox."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws

SENDER = "sender@example.com"
READER = "admin@example.com"


def raw_mail() -> bytes:
    """Return a MIME mail with a text and an HTML part."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, READER, "件名"
    mail.set_content("本文")
    mail.add_alternative("<p>本文</p>", subtype="html")
    return mail.as_bytes()


BODY = {"Text": {"Data": "本文"}, "Html": {"Data": "<p>本文</p>"}}
WAYS = {
    "SendEmail": lambda client: client("ses").send_email(
        Source=SENDER, Destination={"ToAddresses": [READER]}, Message={"Subject": {"Data": "件名"}, "Body": BODY}
    ),
    "SendRawEmail": lambda client: client("ses").send_raw_email(RawMessage={"Data": raw_mail()}),
    "v2 simple": lambda client: client("sesv2").send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": [READER]},
        Content={"Simple": {"Subject": {"Data": "件名"}, "Body": BODY}},
    ),
    "v2 raw": lambda client: client("sesv2").send_email(FromEmailAddress=SENDER, Content={"Raw": {"Data": raw_mail()}}),
}


@pytest.mark.parametrize("way", WAYS)
def test_both_parts_of_a_mail_can_be_read(aws: LocalAws, client: Callable[..., Any], way: str) -> None:
    """The outbox has sender, readers, subject, text and HTML, whichever operation sent it."""
    client("ses").verify_email_identity(EmailAddress=SENDER)
    WAYS[way](client)
    mail = aws.outbox()[-1]
    assert (mail["Source"], mail["To"], mail["Subject"]) == (SENDER, [READER], "件名")
    assert (mail["BodyText"].strip(), mail["BodyHtml"].strip()) == ("本文", "<p>本文</p>")


def test_an_unverified_sender_is_refused(aws: LocalAws, client: Callable[..., Any]) -> None:
    """MessageRejected names the address, and nothing reaches the outbox."""
    before = len(aws.outbox())
    with pytest.raises(ClientError, match=r"MessageRejected.*stranger@example\.org"):
        client("ses").send_email(
            Source="stranger@example.org",
            Destination={"ToAddresses": [READER]},
            Message={"Subject": {"Data": "-"}, "Body": BODY},
        )
    assert len(aws.outbox()) == before
