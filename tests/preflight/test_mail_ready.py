"""Whether SES would deliver the report."""

import logging

import boto3
import pytest
from botocore.stub import Stubber

from cognito_import import aws
from cognito_import.errors import PreflightError


def _sesv2(**options):
    return boto3.client("sesv2", config=aws.SES, **options)


@pytest.fixture
def sandbox(resources):
    """Put the account into SES's sandbox."""
    client = _sesv2()
    about = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://example.com"}
    client.put_account_details(**about, ProductionAccessEnabled=False)
    yield client
    client.put_account_details(**about, ProductionAccessEnabled=True)


@pytest.mark.parametrize("verified", ["", "address", "domain", "parent"])
def test_in_the_sandbox_the_administrator_has_to_be_verified(preflight, resources, sandbox, caplog, verified):
    """Otherwise the report could not be mailed once all the users are there; the address itself is never shown."""
    to = "boss@mail.sandbox.example.net"
    identity = {"address": to, "domain": "mail.sandbox.example.net", "parent": "sandbox.example.net"}.get(verified)
    with Stubber(sandbox) as stubber:
        answer = {"ProductionAccessEnabled": False, "SendingEnabled": True}
        stubber.add_response("get_account", answer)
        stubber.add_client_error("get_suppressed_destination", "NotFoundException")
        if identity:
            verify = resources.ses.verify_email_identity if "@" in identity else resources.ses.verify_domain_identity
            verify(**{"EmailAddress" if "@" in identity else "Domain": identity})
            try:
                assert preflight(adminemail=to, sesv2=sandbox) == []
            finally:
                resources.ses.delete_identity(Identity=identity)
            return
        with caplog.at_level(logging.INFO), pytest.raises(PreflightError, match="sandbox") as found:
            preflight(adminemail=to, sesv2=sandbox)
    assert "boss@" not in str(found.value) + caplog.text


def test_the_sandbox_is_seen_on_a_whole_aws(preflight, sandbox):
    """What the account says is read as SES says it; what it cannot be asked is a warning."""
    with pytest.raises(PreflightError, match="sandbox"):
        preflight(adminemail="somebody@elsewhere.example", sesv2=sandbox)


ACCOUNT = {
    "ProductionAccessEnabled": True,
    "SendingEnabled": True,
    "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE"]},
}


@pytest.mark.parametrize(
    ("account", "suppressed", "words"),
    [
        pytest.param({}, "BOUNCE", "suppression list (BOUNCE)", id="suppressed"),
        pytest.param({}, "COMPLAINT", "", id="reason-not-chosen"),
        pytest.param({"SendingEnabled": False}, "", "paused the account's sending", id="paused"),
    ],
)
def test_a_recipient_whom_no_mail_would_reach_is_said(preflight, resources, account, suppressed, words):
    """SES takes such a mail without a word and sends nothing."""
    client = _sesv2()
    with Stubber(client) as stubber:
        stubber.add_response("get_account", {**ACCOUNT, **account})
        if suppressed:
            entry = {"EmailAddress": resources.admin, "Reason": suppressed, "LastUpdateTime": 0}
            stubber.add_response("get_suppressed_destination", {"SuppressedDestination": entry})
        else:
            stubber.add_client_error("get_suppressed_destination", "NotFoundException")
        if not words:
            assert preflight(sesv2=client) == []
            return
        with pytest.raises(PreflightError) as found:
            preflight(sesv2=client)
    assert words in str(found.value)
    assert resources.admin not in str(found.value)


def test_what_may_not_be_asked_of_ses_is_a_warning(preflight, resources):
    """These permissions are optional, and a message that names the address does not show it."""
    client = _sesv2()
    with Stubber(client) as stubber:
        stubber.add_client_error("get_account", "AccessDeniedException", "not authorized to perform: ses:GetAccount")
        stubber.add_client_error("get_suppressed_destination", "AccessDeniedException", f"on {resources.admin.upper()}")
        warnings = preflight(sesv2=client)
    assert [name in text for name, text in zip(("ses:GetAccount", "ses:GetSupp"), warnings, strict=True)] == [
        True,
        True,
    ]
    assert resources.admin not in " ".join(warnings).lower()


def test_a_used_up_quota_of_mails_is_a_warning(preflight):
    """The report has to wait; the import does not."""
    client = _sesv2()
    with Stubber(client) as stubber:
        quota = {"Max24HourSend": 200.0, "SentLast24Hours": 200.0, "MaxSendRate": 1.0}
        stubber.add_response("get_account", {**ACCOUNT, "SendQuota": quota})
        stubber.add_client_error("get_suppressed_destination", "NotFoundException")
        (warning,) = preflight(sesv2=client)
    assert "200 mails" in warning


def test_an_address_beyond_ascii_is_said_before_the_import(preflight):
    """SES refuses it, and would do so when the users are all there."""
    with pytest.raises(PreflightError, match="beyond ASCII") as found:
        preflight(adminemail="管理者@example.com", sesv2=_sesv2())
    assert "管理者" not in str(found.value)
