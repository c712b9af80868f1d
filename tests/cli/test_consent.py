"""Who consents to a deletion, or to disabling, on the command line."""

from __future__ import annotations

import pytest

from cognito_import.run import approval
from cognito_import.run.folder import RunFolder


def test_a_deletion_is_approved_at_a_terminal(cli, users, resources, calls):
    """Nobody is deleted without a person, by --yes, by a wrong number, or by whoever asked."""
    assert cli("run", users(2), "--admin", resources.admin)[0] == 0
    deletion = ("run", users(2), "--admin", resources.admin, "--jobtype", "delete", "--name", "leavers-1")
    folder = RunFolder(resources.s3, resources.bucket, "leavers-1")
    refusals = {
        "Nobody is there to answer": cli(*deletion, approve_own=True),
        "--yes does not": cli(*deletion, "--yes", approve_own=True),
        "was not approved": cli(*deletion, typed="3", approve_own=True),
        "asked for this run, so somebody else": cli(*deletion, typed="2"),
        "is none of the setting 'approver_ids'": cli(*deletion, typed="2", approve_own=True, approver_ids=["hanako"]),
    }
    assert {said: (code, said in errors) for said, (code, _, errors) in refusals.items()} == dict.fromkeys(
        refusals, (2, True)
    )
    assert approval.read(folder) is None
    assert calls("AdminDeleteUser") == 0
    code, out, errors = cli(*deletion, typed="2", approve_own=True)
    assert code == 0, errors
    assert "user1@example.com" in errors  # whoever answers sees who it is about
    assert "2 users: 2 succeeded; " in out
    assert (approval.read(folder).answer, approval.read(folder).by[:4]) == ("approved", "arn:")
    assert calls("AdminDeleteUser") == 2


def test_a_deletion_of_airflow_s_is_approved_there(cli, resources, settings, calls):
    """A terminal is no way round the question that waits in Airflow."""
    from cognito_import.ingest import ingest_request

    folder = RunFolder(resources.s3, resources.bucket, "asked-in-airflow")
    request = {"data": ["a@example.com"], "adminemail": resources.admin, "jobtype": "delete"}
    ingest_request(request, settings, resources.s3, folder, asked_by="hanako")
    code, _, errors = cli("run", "--name", "asked-in-airflow", typed="1", approve_own=True)
    assert code == 2
    assert "it is approved there" in errors
    assert calls("AdminDeleteUser") == 0


def test_a_deletion_that_nobody_has_to_approve_is_never_silent(cli, users, resources, calls):
    """A script says --yes, a person types the number."""
    deletion = ("run", users(1), "--admin", resources.admin, "--jobtype", "delete")
    code, _, errors = cli(*deletion, approve_deletions=False)
    assert (code, "Nobody is there to answer" in errors) == (2, True)
    assert calls("AdminGetUser") == 0
    code, out, _ = cli(*deletion, "--yes", approve_deletions=False)
    assert (code, "1 failed" in out) == (0, True)  # there is no such user, which is a result


@pytest.mark.parametrize("approve", [True, False])
def test_disabling_is_asked_about_where_the_setting_says_so(cli, users, resources, approve, calls):
    """As in Airflow; a user who can be enabled again is no deletion."""
    assert cli("run", users(1), "--admin", resources.admin)[0] == 0
    disabling = ("run", users(1), "--admin", resources.admin, "--jobtype", "disable")
    code, _, errors = cli(*disabling, approve_disabling=approve, approve_own=True)
    assert (code, "Nobody is there to answer" in errors) == ((2, True) if approve else (0, False))
    assert calls("AdminDisableUser") == (not approve)


def test_an_import_is_undone(cli, users, resources, calls):
    """As any deletion, after somebody has approved it; the import is named as people find it."""
    assert cli("run", users(2), "--admin", resources.admin, "--name", "wrong-list")[0] == 0
    place = f"s3://{resources.bucket}/runs/wrong-list/"
    code, out, _ = cli("undo", place, "--dry-run")
    assert (code, "dry run, nothing was changed: 2 users" in out) == (0, True)
    undo = ("undo", place, "--name", "undo-wrong-list")
    code, _, errors = cli(*undo, typed="2")
    assert (code, "somebody else has to approve it" in errors) == (2, True)
    assert calls("AdminDeleteUser") == 0
    code, out, errors = cli("run", "--name", "undo-wrong-list", typed="2", approve_own=True)
    assert code == 0, errors
    assert "2 users: 2 succeeded; " in out
    assert calls("AdminDeleteUser") == 2
    assert resources.users() == {}
