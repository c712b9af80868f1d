"""How a run ends: one true word to its administrator, whatever happened before, and the cause first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cognito_import.errors import IncompleteRunError
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.report.ending import UNREAD, conclude
from cognito_import.run import approval
from cognito_import.run.approval import Approval
from cognito_import.run.checkpoints import Checkpoint
from cognito_import.run.folder import RunFolder
from demo.watch import fetch, link_in, rows_of

USERS = [{"useremail": f"user{number}@example.com"} for number in (1, 2)]


@pytest.fixture
def folder(resources):
    """A run folder without a manifest."""
    return RunFolder(resources.s3, resources.bucket, "run-1")


@pytest.fixture
def request_(resources):
    """A request of two users."""
    return {"data": USERS, "adminemail": resources.admin}


@pytest.fixture
def end(folder, settings, resources, request_):
    """Conclude the run."""

    def end(*, from_inbox=False, **change):
        return conclude(
            folder,
            replace(settings, **{name: change.pop(name) for name in list(change) if name == "allowed_admin_domains"}),
            resources.ses,
            None,  # no execution of a mapped run is looked for
            request={**request_, **change},
            from_inbox=from_inbox,
            signer=None,
            credentials_expire_at=None,
            now=datetime.now(UTC),
        )

    return end


def finish(folder, *numbers, stopped=None):
    """Store that the users of these batches were created, and why their workers stopped."""
    for number in numbers:
        batch = folder.required_manifest().batches[number - 1]
        outcomes = [Outcome(row.row, row.useremail, SUCCEEDED) for row in folder.rows(batch)]
        folder.write_checkpoint(
            number, "worker", Checkpoint(outcomes if not stopped else [], closed=True, stopped=stopped)
        )


def test_a_rejected_request_is_told_once(folder, end, mails):
    """Whoever the request names gets the reason by mail, the run fails with it, and nothing is mailed again."""
    folder.write_rejection("'data' is an empty array; expected users.")
    for _ in range(2):
        ending = end()
        with pytest.raises(IncompleteRunError, match=r"^'data' is an empty array"):
            ending.raise_if_incomplete()
    (mail,) = mails()
    assert "'data' が空の配列です" in mail["BodyText"]


def test_the_note_of_a_rejected_request_says_why_without_addresses(folder, end):
    """In the list of runs, which everybody may see, in the settings' language and short enough for it."""
    folder.write_rejection(f"The request has 2 problems:\n- 'adminemail' is x@example.com.\n- {'long ' * 400}")
    note = end().note(folder, "ja")
    assert note.startswith("リクエストに 2 件の問題があります。 - 'adminemail' is … - long")
    assert note.endswith(f"; run {folder.run}")
    assert len(note) < 1_000


@pytest.mark.parametrize(
    ("from_inbox", "advice", "told"),
    [(False, "clear 'read_request' with Downstream", "read_request"), (True, "into the inbox again", "受信フォルダ")],
)
def test_what_to_do_about_a_rejection_depends_on_where_it_came_from(folder, end, mails, from_inbox, advice, told):
    """A run is read anew; a file of the inbox is put there again, since it lies elsewhere when its run has ended."""
    folder.write_rejection("Wrong.")
    ending = end(from_inbox=from_inbox)
    with pytest.raises(IncompleteRunError, match=f"^Wrong. .*{advice}"):
        ending.raise_if_incomplete()
    (mail,) = mails()
    assert told in mail["BodyText"]


@pytest.mark.parametrize(
    "change",
    [
        {"adminemail": "no address"},
        {"adminemail": ["a@example.com"]},
        {"allowed_admin_domains": ("example.jp",)},
    ],
)
def test_nobody_is_mailed_who_could_not_get_a_report(folder, end, mails, local_aws, change):
    """A mail goes to valid addresses of allowed domains alone; the run says the reason all the same."""
    folder.write_rejection("Wrong.")
    before = len(local_aws.outbox())
    assert end(**change).reason == "Wrong."
    assert len(local_aws.outbox()) == before


def test_a_run_that_was_not_read_says_where_to_look(end, mails):
    """Nobody was touched, and nothing but the first task's log knows why."""
    assert end().reason == UNREAD
    assert mails() == []


def test_a_run_rejected_by_preflight_is_told_until_users_are_touched(folder, settings, resources, request_, end, mails):
    """The rejection stands while nobody was called for; then the outcomes are what is reported."""
    ingest_request(request_, settings, resources.s3, folder)
    folder.write_rejection("Preflight found 1 problem.")
    assert end().delivery is None
    assert "Preflight found" in mails()[-1]["BodyText"]
    finish(folder, 1, 2)
    ending = end()
    ending.raise_if_incomplete()
    assert [row["status"] for row in rows_of(fetch(link_in(mails()[-1])))] == ["succeeded"] * 2
    folder.withdraw_rejection()
    assert end() == ending


def test_what_refused_a_run_amid_its_users_is_their_reason(folder, settings, resources, request_, end, mails):
    """Users who were not attempted fail with why the run was refused when it went on, not with what stopped it before."""
    ingest_request(request_, settings, resources.s3, folder)
    finish(folder, 1)
    finish(folder, 2, stopped="AccessDeniedException: Not authorized.")
    folder.reject("Preflight found 1 problem; no user was touched:\n  - The setting 'state_machine_arn' is missing.")
    with pytest.raises(IncompleteRunError, match=r"^Preflight found 1 problem"):
        end().raise_if_incomplete()
    done, left = rows_of(fetch(link_in(mails()[-1])))
    assert done["status"] == "succeeded"
    assert (
        "事前チェックで 1 件の問題が見つかりました。 - The setting 'state_machine_arn' is missing." in left["message"]
    )


def test_what_has_changed_is_reported_again(folder, settings, resources, request_, end, mails):
    """Once for each state of the outcomes; an incomplete one fails with the reason of its stop ahead."""
    ingest_request(request_, settings, resources.s3, folder)
    finish(folder, 1)
    finish(folder, 2, stopped="AccessDeniedException: Not authorized.")
    for _ in range(2):
        with pytest.raises(IncompleteRunError, match=r"^AccessDeniedException: Not authorized\. 1 of 2 users"):
            end().raise_if_incomplete()
    assert len(mails()) == 1
    finish(folder, 2)
    for _ in range(2):
        end().raise_if_incomplete()
    assert len(mails()) == 2


def test_a_deletion_without_a_yes_says_so_first(folder, settings, resources, request_, end, mails):
    """The cause is that nobody approved, not that users are left."""
    ingest_request({**request_, "jobtype": "delete"}, settings, resources.s3, folder)
    approval.write(folder, Approval(approval.REJECTED, "2026-11-22T08:05:59+00:00", 60, "taro"))
    with pytest.raises(IncompleteRunError, match=r"^The run was rejected by taro .* 2 of 2 users"):
        end(jobtype="delete").raise_if_incomplete()
    assert len(mails()) == 1
