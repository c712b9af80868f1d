"""SES: only verified senders, and every mail can be read in the outbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.process import LocalAws

SENDER = "sender@example.com"
READER = "admin@example.com"


BODY = {"Text": {"Data": "本文"}, "Html": {"Data": "<p>本文</p>"}}


def test_both_parts_of_a_mail_can_be_read(aws: LocalAws, client: Callable[..., Any]) -> None:
    """The outbox has sender, readers, subject, text and HTML."""
    client("ses").verify_email_identity(EmailAddress=SENDER)
    client("ses").send_email(
        Source=SENDER, Destination={"ToAddresses": [READER]}, Message={"Subject": {"Data": "件名"}, "Body": BODY}
    )
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
