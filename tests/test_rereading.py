"""A request is read anew until its users may be called for, and from then on the run is what was read."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine import rounds
from cognito_import.engine.batches import run_batch
from cognito_import.engine.next_step import Next
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import (
    CallsStoppedError,
    NotApprovedError,
    PreflightError,
    RequestError,
    RunFolderError,
    SettingsError,
)
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.report.rows import all_outcomes
from cognito_import.run import approval
from cognito_import.run.approval import Approval
from cognito_import.run.folder import RunFolder
from cognito_import.run.seal import seal

AT = "2026-11-22T08:05:59+00:00"
OTHER_POOL = "ap-northeast-1_Another01"


class Run:
    """One run as its tasks see it: each opens the folder for itself, with the settings that hold by then."""

    def __init__(self, resources, settings, **request):
        self.resources, self.settings = resources, settings
        users = [{"useremail": f"user{number}@example.com"} for number in range(1, 4)]
        self.request = {
            "adminemail": resources.admin,
            **({"data": users} if "source" not in request else {}),
            **request,
        }

    def folder(self):
        return RunFolder(self.resources.s3, self.resources.bucket, "run-1")

    def read(self, **change):
        """Do what `read_request` does, with these settings changed for good."""
        self.settings = replace(self.settings, **change)
        return ingest_request(self.request, self.settings, self.resources.s3, self.folder())

    def preflight(self):
        """Do what `preflight` does; gives the manifest that it looked at."""
        folder = self.folder()
        manifest = folder.required_manifest()
        manifest.raise_if_differs(self.settings)
        clients = Clients(boto3.client("cognito-idp", config=aws.COGNITO), self.resources.s3, self.resources.ses, None)
        steady = replace(self.settings, pacing_seconds=1.0)
        check(manifest, steady, clients, None, rows=folder.all_rows(), sleep=lambda _: None)
        return manifest

    def work(self, folder=None):
        """Do what the tasks of `process_users` do."""
        folder = folder or self.folder()
        manifest = folder.required_manifest()
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        for batch in manifest.batches:
            run_batch(folder, batch, UserPool(client, self.settings, Pacer(0), jobtype=manifest.jobtype))

    def approve(self):
        manifest = self.folder().required_manifest()
        approval.write(self.folder(), Approval(approval.APPROVED, AT, 60, "taro", rows=manifest.approved))

    def codes(self):
        folder = self.folder()
        return [outcome.code for outcome in all_outcomes(folder, folder.required_manifest())]


@pytest.fixture
def run(resources, settings):
    """Make the run of a request."""
    return lambda **request: Run(resources, settings, **request)


def called(local_aws):
    """The users' calls that were made."""
    return [call["operation"] for call in local_aws.calls() if call["operation"].startswith("Admin")]


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


@pytest.mark.parametrize("jobtype", ["import", "delete"])
def test_from_the_first_call_on_nothing_is_read_anew(run, resources, jobtype):
    """A worker has begun, whatever came of it: other settings change nothing, and those that decide are refused."""
    run = run(jobtype=jobtype)
    first = run.read()
    run.approve()
    run.work()
    second = run.read(default_groups=("STAFF",), user_pool_id=OTHER_POOL)
    assert second == replace(first, begun=True)
    with pytest.raises(
        SettingsError, match=r"'user_pool_id' was .* have been called for.* set it back.* or start a new one"
    ):
        run.preflight()


def test_a_difference_after_the_first_call_is_set_back(run, resources, local_aws):
    """Two users are left: no call is made for them with the other setting, and with the first one both are finished."""
    run = run()
    run.read()
    local_aws.fault("AdminCreateUser", code="AccessDeniedException", message="No.", after=1, times=1)
    with pytest.raises(CallsStoppedError):
        run.work()
    run.settings = replace(run.settings, invite=True)
    calls = called(local_aws)
    with pytest.raises(SettingsError, match="set it back and continue the run"):
        run.work()
    assert called(local_aws) == calls
    run.settings = replace(run.settings, invite=False)
    run.work()
    assert run.codes() == ["", "", ""]
    assert {user.groups for user in resources.users().values()} == {frozenset({"BASIC"})}


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


def test_a_difference_before_the_first_call_says_how_to_read_anew(run, local_aws):
    """The worker refuses it; to clear the task that its error names makes the new setting hold."""
    run = run()
    run.read()
    run.settings = replace(run.settings, invite=True)
    with pytest.raises(SettingsError, match=r"'invite' was False .* is True now; no call was made\. .*'read_request'"):
        run.work()
    assert called(local_aws) == []
    run.read()
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


def test_a_worker_of_an_earlier_reading_calls_nobody(run, local_aws):
    """It read the manifest, then the request was read anew: it makes no call, and the new reading is not sealed by it."""
    run = run()
    run.read()
    late = run.folder()
    late.required_manifest()
    run.read(default_groups=())
    with pytest.raises(RunFolderError, match="Clear 'read_request' with Downstream"):
        run.work(late)
    assert called(local_aws) == []
    assert not run.folder().required_manifest().begun


def test_a_worker_remembers_its_reading_while_s3_fails(run, local_aws, monkeypatch):
    """S3 was away when it looked again at what had been read anew: it must not take that for its own plan."""
    run = run()
    run.read()
    late = run.folder()
    late.required_manifest()
    run.read(default_groups=())
    reading, failures = RunFolder.reading, []

    def away_once(folder):
        if folder is late and folder._reading is None and not failures:
            failures.append(RunFolderError("S3 is away."))
            failures[0].temporary = True
            raise failures[0]
        return reading(folder)

    monkeypatch.setattr(RunFolder, "reading", away_once)
    with pytest.raises(RunFolderError, match="Clear 'read_request' with Downstream"):
        run.work(late)
    assert len(failures) == 1
    assert called(local_aws) == []
    assert not run.folder().required_manifest().begun


def test_a_reading_that_comes_too_late_changes_nothing(run, monkeypatch):
    """A worker began while the request was read anew: its manifest stays."""
    run = run()
    first = run.read()
    write = RunFolder.write_manifest

    def begun_meanwhile(folder, manifest, before):
        monkeypatch.setattr(RunFolder, "write_manifest", write)
        seal(run.folder(), replace(run.settings, default_groups=()), first)
        return folder.write_manifest(manifest, before)

    monkeypatch.setattr(RunFolder, "write_manifest", begun_meanwhile)
    assert run.read(default_groups=()) == replace(first, begun=True)


@pytest.mark.parametrize("shared", [True, False], ids=["threads", "processes"])
def test_workers_that_begin_together_all_begin(run, shared):
    """One of them seals the run, and the others find it so; threads may share a folder."""
    run = run()
    first = run.read()
    with ThreadPoolExecutor(8) as threads:
        folder = run.folder()
        folders = [folder if shared else run.folder() for _ in range(8)]
        sealed = list(threads.map(lambda folder: seal(folder, run.settings, first), folders))
    assert all(manifest.begun for manifest in sealed)


def test_tasks_of_another_plan_are_refused(run):
    """Another engine, or batches of an earlier reading: the error names the task that plans all of them anew."""
    manifest = run().read()
    manifest.raise_if_planned_otherwise("mapped", manifest.rows)
    manifest.raise_if_planned_otherwise("mapped")
    for engine, rows in (("mapped", "rows-of-before.jsonl"), ("step_functions", None)):
        with pytest.raises(RunFolderError, match="Clear 'read_request' with Downstream"):
            manifest.raise_if_planned_otherwise(engine, rows)


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


def test_an_execution_seals_its_run_before_it_calls(run, local_aws):
    """It took a run in that was read anew since, for another user pool: it calls nobody, and says why."""
    run = run(engine="step_functions")
    manifest = run.read()
    client = boto3.client("cognito-idp", config=aws.COGNITO)
    begin = Next()
    with pytest.raises(SettingsError, match="'user_pool_id'"):
        rounds.settle(run.folder(), replace(run.settings, user_pool_id=OTHER_POOL), client, begin, seconds=60)
    assert not run.folder().required_manifest().begun
    assert rounds.settle(run.folder(), run.settings, client, begin, seconds=60).step == "map"
    assert run.folder().required_manifest() == replace(manifest, begun=True)
    assert called(local_aws) == []


def test_the_function_names_the_stack(run):
    """Its settings are the stack's: to read the request anew would not change them."""
    manifest = run().read()
    with pytest.raises(SettingsError, match=r"is True for the state machine; .*stack's parameter"):
        manifest.raise_if_differs(replace(run().settings, invite=True), in_function=True)


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
