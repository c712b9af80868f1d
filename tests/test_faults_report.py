"""What befalls the report's mail."""

from datetime import UTC, datetime

import pytest

from cognito_import.ingest import ingest_request
from cognito_import.report.delivery import deliver
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of


@pytest.fixture
def report(resources, settings):
    """Report a run of two users, of whom nobody was called for yet; each time as another task."""
    request = {"data": ["a@example.com", "b@example.com"], "adminemail": resources.admin}
    ingest_request(request, settings, resources.s3, RunFolder(resources.s3, resources.bucket, "run-1"))

    def report():
        folder = RunFolder(resources.s3, resources.bucket, "run-1")
        return deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))

    return report


def test_a_mail_that_went_out_unanswered_is_mailed_once_more(report, local_aws, mails):
    """SES knows no mail again, so nobody can tell whether it went out: the same report goes out a second time, not a third."""
    local_aws.fault("SendEmail", "error_after", service="ses")
    first = report()
    assert report() == first
    told = mails()
    assert len(told) == 2
    assert len({str(rows_of(fetch(link_in(mail)))) for mail in told}) == 1


def test_a_throttled_mail_goes_out_once(report, local_aws, mails):
    """SES refuses it at first: it is tried again, and one goes out."""
    local_aws.fault("SendEmail", service="ses", code="Throttling", message="Maximum sending rate exceeded.", times=2)
    report()
    assert len(mails()) == 1
