"""A report goes out once, whatever fails and however often it is asked for."""

import errno
import json
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import boto3
import pytest
from botocore.config import Config
from tests.report.delivering import NOW, finish, report

from cognito_import import aws
from cognito_import.errors import ReportError
from cognito_import.report import mail_claim
from cognito_import.report import results as report_csv
from cognito_import.report.complete import failure_reason
from cognito_import.report.rejection import mail_rejection
from cognito_import.run.folder import RunFolder
from demo.watch import link_in


def test_a_report_is_mailed_once_until_there_is_something_new(resources, settings, folder, mails):
    """Running it again mails nothing; new outcomes, or a link that has ended, are mailed."""
    finish(folder, but={7})
    first = report(resources, settings, folder)
    assert report(resources, settings, folder) == first
    assert len(mails()) == 1
    finish(folder)
    second = report(resources, settings, folder)
    assert (second.unfinished, len(mails())) == (0, 2)
    report(resources, settings, folder, now=NOW + timedelta(hours=37))
    assert len(mails()) == 3


def test_a_link_that_may_have_ended_unnoticed_can_be_had_anew(resources, settings, folder, mails):
    """A role's credentials may end before the link says so. To ask again mails another, but a retry right after does not."""
    finish(folder)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_session_token": "a"}
    signer = boto3.client("s3", config=aws.S3, **keys)
    first = report(resources, settings, folder, signer=signer)
    assert first.may_expire_earlier
    assert report(resources, settings, folder, signer=signer, now=NOW + timedelta(minutes=9)) == first
    assert len(mails()) == 1
    report(resources, settings, folder, signer=signer, now=NOW + timedelta(minutes=11))
    report(resources, settings, folder, signer=signer, now=NOW + timedelta(minutes=12))
    assert len(mails()) == 2
    assert link_in(mails()[0]) != link_in(mails()[1])


def test_what_an_earlier_version_reported_is_still_known(resources, settings, folder, mails):
    """It did not say whether its link may have ended, so that link is taken to last."""
    finish(folder)
    report(resources, settings, folder)
    key = f"{folder.prefix}report.json"
    stored = json.loads(resources.s3.get_object(Bucket=folder.bucket, Key=key)["Body"].read())
    del stored["delivery"]["may_expire_earlier"], stored["delivery"]["mailed"]
    resources.s3.put_object(Bucket=folder.bucket, Key=key, Body=json.dumps(stored).encode())
    report(resources, settings, folder, now=NOW + timedelta(hours=1))
    assert failure_reason(folder, "success") is None
    assert len(mails()) == 1


@pytest.mark.parametrize(("service", "operation"), [("s3", "PutObject"), ("ses", "SendEmail")])
def test_a_report_that_fails_is_an_error_and_can_be_retried(
    resources, settings, folder, local_aws, mails, service, operation
):
    """Nothing is swallowed, nothing half-done is remembered as done, and no user is touched by the retry."""
    finish(folder)
    local_aws.fault(operation, service=service, code="AccessDenied", status=403, times=1)
    with pytest.raises(ReportError, match="AccessDenied"):
        report(resources, settings, folder)
    assert not folder.is_reported()
    report(resources, settings, folder)
    assert len(mails()) == 1
    assert local_aws.calls() == []


@pytest.mark.parametrize(
    "written", [b"\xef\xbb\xbfother@example.com\r\n", b"other@example.com"], ids=["editor", "plain"]
)
def test_an_address_that_is_wrong_can_be_corrected(resources, settings, folder, local_aws, written):
    """SES takes no mail to it: the error says where to store another, and the report then goes there, once."""
    finish(folder)
    local_aws.fault("SendEmail", service="ses", code="MessageRejected", message="No.", times=1)
    with pytest.raises(ReportError, match=r"If the address is wrong: .* as s3://") as failed:
        report(resources, settings, folder)
    bucket, _, key = re.search(r"s3://(\S+)/adminemail", str(failed.value))[1].partition("/")
    resources.s3.put_object(Bucket=bucket, Key=f"{key}/adminemail", Body=written)
    before = len(local_aws.outbox())
    for _ in range(2):
        report(resources, settings, RunFolder(resources.s3, resources.bucket, folder.run))
    assert [mail["To"] for mail in local_aws.outbox()[before:]] == [["other@example.com"]]


def test_a_corrected_address_is_mailed_what_went_elsewhere(resources, settings, folder, mails):
    """SES took the mail, and nobody reads it there."""
    folder.correct_adminemail("other@example.com")
    finish(folder)
    report(resources, settings, folder)
    assert mails() == []
    folder.correct_adminemail(resources.admin)
    report(resources, settings, folder)
    assert len(mails()) == 1


@pytest.mark.parametrize("address", ["x@example.org", "no address"])
def test_no_correction_leads_a_report_where_none_may_be_mailed(resources, settings, folder, local_aws, address):
    """Whoever may write into the run folder is held to the setting, too; the error does not hold the address."""
    finish(folder)
    folder.correct_adminemail(address)
    before = local_aws.outbox()
    with pytest.raises(ReportError, match=r"'adminemail' is an? .*; expected .* Store the right one") as failed:
        report(resources, replace(settings, allowed_admin_domains=("example.com",)), folder)
    assert address not in str(failed.value)
    assert local_aws.outbox() == before


def test_what_fails_after_the_mail_went_out_is_repeated_at_once(resources, settings, folder, local_aws, mails):
    """S3 is out while the report is to be remembered: the same attempt waits for it, so that no retry mails twice."""
    finish(folder)
    once = boto3.client("s3", config=aws.S3.merge(Config(retries={"total_max_attempts": 1})))
    folder = RunFolder(once, resources.bucket, folder.run)
    local_aws.fault("PutObject", service="s3", code="ServiceUnavailable", status=503, after=2, times=2)
    first = report(resources, settings, folder)
    assert report(resources, settings, folder) == first
    assert len(mails()) == 1


def test_two_who_report_at_the_same_time_mail_once(resources, settings, folder, local_aws, mails):
    """A worker that was taken for dead and its retry: the second waits for the first, and finds that it has mailed."""
    finish(folder)
    local_aws.fault("SendEmail", "hang", service="ses", seconds=2)
    with ThreadPoolExecutor() as executor:
        same = [RunFolder(resources.s3, resources.bucket, folder.run) for _ in range(4)]
        told = list(executor.map(lambda one: report(resources, settings, one), same))
    assert len(mails()) == 1
    assert len({delivery.message_id for delivery in told}) == 1


def test_the_claim_of_a_process_that_died_lapses(folder):
    """Until then nobody else mails; whoever takes it over is the only one."""
    assert mail_claim.claim(folder, "dead")
    assert not mail_claim.claim(folder, "next")
    claim, version = folder.read_mail_claim(mail_claim.MailClaim)
    long_ago = folder.now() - mail_claim.LAPSE - timedelta(seconds=2)  # S3 tells whole seconds
    assert folder.write_mail_claim(replace(claim, since=long_ago.isoformat()), IfMatch=version)
    assert mail_claim.claim(folder, "next")
    assert not mail_claim.claim(folder, "late")
    assert mail_claim.claim(folder, "next")  # its own
    mail_claim.release(folder)
    assert mail_claim.claim(folder, "late")


def test_a_full_disk_is_said_and_can_be_retried(resources, settings, folder, monkeypatch, mails):
    """The worker's own disk has no room for the CSV: the error says so, nothing is mailed, and a retry reports."""
    finish(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as on_a_full_disk:
        on_a_full_disk.setattr(report_csv, "write_csv", full)
        with pytest.raises(ReportError, match="temporary folder: No space left on device") as failed:
            report(resources, settings, folder)
        assert failed.value.temporary
        on_a_full_disk.undo()
        on_a_full_disk.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(ReportError, match="No space left on device"):
            report(resources, settings, folder)
    assert mails() == []
    report(resources, settings, folder)
    assert len(mails()) == 1


def test_a_refusal_is_mailed_once(resources, settings, folder, mails, local_aws):
    """The administrator hears of a refused file once, whatever is retried, and of no other run."""

    def tell(one, **way):
        mail_rejection(one, settings, resources.ses, to=resources.admin, source="in/users.csv", now=NOW, **way)

    tell(folder)
    rejected = RunFolder(resources.s3, resources.bucket, "run-2")
    rejected.write_rejection("Preflight found 2 problems:\n  - one\n  - <two>")
    local_aws.fault("SendEmail", service="ses", code="AccessDenied", status=403)
    with pytest.raises(ReportError, match="AccessDenied"):
        tell(rejected)
    tell(rejected)
    tell(rejected)
    (mail,) = mails()
    assert "処理できませんでした" in mail["Subject"]
    assert "  - one\n  - <two>" in mail["BodyText"]
    assert "- &lt;two&gt;<br>" in mail["BodyHtml"]
    assert "in/users.csv" in mail["BodyText"]
    assert "受信フォルダ" in mail["BodyText"]
    started = RunFolder(resources.s3, resources.bucket, "run-3")
    started.write_rejection("There are no users; expected at least one.")
    tell(started, way="execution")
    assert "ステートマシンをもう一度実行" in mails()[-1]["BodyText"]
    elsewhere = RunFolder(resources.s3, resources.bucket, "run-4")
    elsewhere.write_rejection("'adminemail' is at an address where no report may be mailed.")
    settings = replace(settings, allowed_admin_domains=("example.org",))
    tell(elsewhere)
    assert len(mails()) == 2
