"""From its first call on a run is what was read, whoever reads the request anew."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import pytest
from tests.run.rereading import OTHER_POOL, called

from cognito_import import aws
from cognito_import.engine import rounds
from cognito_import.engine.next_step import Next
from cognito_import.errors import (
    CallsStoppedError,
    RunFolderError,
    SettingsError,
)
from cognito_import.run.folder import RunFolder
from cognito_import.run.seal import seal


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


def test_an_execution_seals_its_run_before_it_calls(run, local_aws):
    """It ingested a run that was read again since, for another user pool: it calls nobody, and says why."""
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
