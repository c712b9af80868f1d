"""What is kept of a mail, and who stopped a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cognito_import.errors import RunFolderError
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report import sent
from cognito_import.report.delivery import deliver
from cognito_import.report.ending import conclude
from cognito_import.run import stopping
from cognito_import.run.checkpoints import Checkpoint, Work
from cognito_import.run.folder import RunFolder
from demo.watch import link_in


@pytest.fixture
def folder(resources, settings):
    """A run of two users, of whom the first is finished."""
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    users = [{"useremail": f"user{number}@example.com"} for number in (1, 2)]
    manifest = ingest_request({"data": users, "adminemail": resources.admin}, settings, resources.s3, folder)
    (row,) = folder.rows(manifest.batches[0])
    outcome = Outcome(row.row, row.useremail, SUCCEEDED)
    folder.write_checkpoint(1, "worker", Checkpoint([outcome], closed=True, work=Work(folder.now().timestamp() - 60.0)))
    return folder


@pytest.fixture
def report(resources, settings, folder):
    """Deliver the run's report."""

    def report(**options):
        return deliver(
            folder,
            replace(settings, locale="en", **options),
            resources.s3,
            resources.ses,
            credentials_expire_at=None,
            now=datetime.now(UTC),
        )

    return report


def test_mail_is_kept_as_it_went_out_but_for_its_link(folder, report, mails):
    """The kept one with the link put back is the mailed one; nothing else is stored that has the link."""
    delivery = report()
    (mail,) = mails()
    kept, link = sent.read(folder, delivery.message_id), link_in(mail)
    assert (kept.subject, kept.to) == (mail["Subject"], mail["To"][0])
    assert kept.html.replace('href="#"', f'href="{link.replace("&", "&amp;")}"').split() == mail["BodyHtml"].split()
    pages = folder.s3.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=folder.prefix)
    stored = [
        folder.s3.get_object(Bucket=folder.bucket, Key=item["Key"])["Body"].read()
        for page in pages
        for item in page["Contents"]
    ]
    assert stored
    assert not [content for content in stored if b"X-Amz-Signature" in content]
    assert sent.read(folder, "of another mail") is None


def test_mail_that_cannot_be_kept_has_gone_out_all_the_same(folder, report, mails, monkeypatch):
    """It is not mailed again for that."""

    def fail(*_):
        message = "S3 is away."
        raise RunFolderError(message)

    monkeypatch.setattr(RunFolder, "write_mail", fail)
    first = report()
    assert report() == first
    assert len(mails()) == 1
    assert sent.read(folder, first.message_id) is None


@pytest.mark.parametrize(("locale", "words"), [("en", "stopped on the page Cognito by maria, "), ("ja", "maria, ")])
def test_report_says_who_stopped_the_run(folder, resources, settings, mails, locale, words):
    """So does the run's failure. The moment is in the time zone of the settings."""
    stopping.note(folder, "maria")
    ending = conclude(
        folder,
        replace(settings, locale=locale),
        resources.ses,
        None,
        request={},
        from_inbox=False,
        signer=None,
        credentials_expire_at=None,
        now=datetime.now(UTC),
    )
    (mail,) = mails()
    assert words in mail["BodyText"]
    assert words in mail["BodyHtml"]
    assert " JST" in mail["BodyText"].partition(words)[2].split("\n")[0]
    assert ending.reason.startswith("The run was stopped by maria, ")


def test_run_that_somebody_had_go_on_was_not_stopped(folder):
    """A worker that began after the stop says so; one that began before was stopped."""
    assert stopping.read(folder, []) is None
    stopping.note(folder, "maria")
    now = folder.now()
    before, after = (Work((now + timedelta(seconds=shift)).timestamp()) for shift in (-60, 60))
    assert stopping.read(folder, [before]).by == "maria"
    assert stopping.read(folder, [before, after]) is None


def test_complete_run_was_not_stopped(folder, report, mails):
    """Whoever pressed the button came too late."""
    (row,) = folder.rows(folder.required_manifest().batches[1])
    folder.write_checkpoint(2, "worker", Checkpoint([Outcome(row.row, row.useremail, SUCCEEDED)], closed=True))
    stopping.note(folder, "maria")
    report()
    assert "maria" not in mails()[0]["BodyText"]
