"""A request is read anew until its users may be called for, and from then on the run is what was read."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest
from tests.run.rereading import AT, OTHER_POOL, called

from cognito_import.errors import (
    NotApprovedError,
    PreflightError,
    RequestError,
    RunFolderError,
)
from cognito_import.ingest import ingest_request
from cognito_import.run import approval
from cognito_import.run.approval import Approval
from cognito_import.run.folder import RunFolder


def test_a_wrong_default_group_is_corrected_by_reading_anew(run, resources):
    """Preflight names the group and the setting; with another one, the same run succeeds, and the users are in it."""
    run = run()
    run.read(default_groups=("GHOST",))
    with pytest.raises(PreflightError, match=r"group 'GHOST'.*correct the setting 'default_groups'") as wrong:
        run.preflight()
    assert "'read_request' with Downstream" in wrong.value.then
    run.read(default_groups=("BASIC",))
    assert run.preflight().groups == ["BASIC"]
    run.work()
    assert {user.groups for user in resources.users().values()} == {frozenset({"BASIC"})}
    assert run.codes() == ["", "", ""]


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        pytest.param({"user_pool_id": OTHER_POOL}, "user_pool_id", OTHER_POOL, id="user-pool"),
        pytest.param({"invite": True}, "invite", True, id="invite"),
        pytest.param({"engine": "step_functions"}, "engine", "step_functions", id="engine"),
        pytest.param({"allowed_groups": ("STAFF",)}, "rejected_rows", 1, id="allowed-groups"),
    ],
)
def test_every_setting_that_is_stored_can_be_corrected(run, resources, change, key, value):
    """The run is then what a new one would be."""
    users = [{"useremail": "a@example.com"}, {"useremail": "b@example.com", "groups": ["VIP"]}]
    run = run(data=users)
    before = run.read()
    manifest = run.read(**change)
    assert getattr(before, key) != value
    assert getattr(manifest, key) == value
    assert run.folder().required_manifest() == manifest
    fresh = ingest_request(run.request, run.settings, resources.s3, RunFolder(resources.s3, resources.bucket, "run-2"))
    assert manifest.tells_the_same(fresh)


def test_a_corrected_file_is_read_anew(run, resources):
    """A list whose group was misspelt goes on in its own run, with every row, cell and rejected row of the new one."""
    run = run(source=f"s3://{resources.bucket}/in/users.csv")
    for content in (
        "useremail,groups,部署\na@example.com,BASIK,x\n",
        "useremail,groups,部署\nnobody,,y\nb@example.com,BASIC,z\n",
    ):
        resources.s3.put_object(Bucket=resources.bucket, Key="in/users.csv", Body=content.encode())
        manifest = run.read()
    folder = run.folder()
    assert [row.useremail for row in folder.all_rows()] == ["b@example.com"]
    assert [cells["部署"] for cells in folder.cells()] == ["y", "z"]
    assert (manifest.users, manifest.rejected_rows) == (2, 1)
    run.work()
    assert run.codes() == ["InvalidAddress", ""]


def test_reading_the_same_again_changes_nothing(run):
    """What was planned and approved for the first reading stays good."""
    run = run(jobtype="delete")
    first = run.read()
    run.approve()
    assert run.read() == first
    approval.require(run.folder())


def test_a_request_that_names_the_invitation_keeps_it(run, resources, local_aws):
    """It goes before the setting, whatever becomes of that, and no worker refuses it."""
    run = run(invite=True)
    manifest = run.read()
    assert (run.settings.invite, manifest.invite) == (False, True)
    assert manifest.applied_to(run.settings).invite
    manifest.raise_if_differs(replace(run.settings, invite=False))
    manifest.raise_if_differs(replace(run.settings, invite=True))
    run.work()
    assert run.codes() == ["", "", ""]


def test_another_request_is_refused_before_the_first_call_too(run):
    """A run id that was used before does not take another request, also while nobody was called for."""
    run = run()
    first = run.read()
    run.request = {**run.request, "jobtype": "delete"}
    with pytest.raises(RequestError, match="another request"):
        run.read()
    assert run.folder().required_manifest() == first


def test_two_tasks_that_read_anew_agree(run, resources):
    """Both at once, with settings that differ: one reading stands, and its rows are those that it names."""
    run = run()
    run.read()
    several = [replace(run.settings, default_groups=(f"G{number}",)) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda one: ingest_request(run.request, one, resources.s3, run.folder()), several))
    folder = run.folder()
    manifest = folder.required_manifest()
    assert [row.groups for row in folder.all_rows()] == [tuple(manifest.groups)] * 3


@pytest.mark.parametrize("change", [{"user_pool_id": OTHER_POOL}, {"data": [{"useremail": "z@example.com"}]}], ids=str)
def test_an_approval_is_for_what_was_asked(run, resources, local_aws, change):
    """Users, or the user pool, have changed since: the yes is none, no worker calls, and the report says how to ask again."""
    run = run(source=f"s3://{resources.bucket}/in/users.csv", jobtype="delete")
    resources.s3.put_object(Bucket=resources.bucket, Key="in/users.csv", Body=b"useremail\na@example.com\n")
    run.read()
    run.approve()
    if "data" in change:
        resources.s3.put_object(Bucket=resources.bucket, Key="in/users.csv", Body=b"useremail\nz@example.com\n")
        run.read()
    else:
        run.read(**change)
    with pytest.raises(NotApprovedError, match="Clear 'approve'"):
        run.work()
    assert called(local_aws) == []
    assert approval.denied(run.folder()).answer == approval.ASKED


def test_an_answer_to_an_earlier_reading_does_not_stick(run, resources):
    """Rejected, then read anew where nobody has to be asked: it is no longer a refusal, and the users are deleted."""
    resources.add_user("user1@example.com")
    run = run(jobtype="delete", data=[{"useremail": "user1@example.com"}])
    run.read()
    approval.write(run.folder(), Approval(approval.REJECTED, AT, 60, "taro"))
    run.read(approve_deletions=False)
    assert approval.denied(run.folder()) is None
    run.work()
    assert resources.users() == {}


def test_a_corrected_address_outlasts_a_new_reading(run):
    """Whom the run's mails go to was corrected by hand: another reading keeps that, and is not made by it."""
    run = run()
    first = run.read()
    run.folder().correct_adminemail("new@example.com")
    assert run.read().rows == first.rows
    assert run.read(default_groups=()).adminemail == "new@example.com"
    run.work()
    assert run.folder().required_manifest().adminemail == "new@example.com"
    assert run.folder().reading().stored.adminemail == first.adminemail


def test_a_run_of_an_older_version_is_refused(run):
    """Its manifest does not tell whether users were called for, so it is not taken for a run that may be read anew."""
    run = run()
    fields = asdict(run.read())
    del fields["begun"]
    run.folder()._put("manifest.json", json.dumps({**fields, "users": "anna@example.com", "odd": 1}).encode())
    with pytest.raises(RunFolderError) as refused:
        run.folder().manifest()
    told = str(refused.value)
    assert all(
        words in told
        for words in ("manifest.json", "'begun'", "'users' is a text of 16 characters", "'odd'", "start a new")
    )
    assert "anna@" not in told
