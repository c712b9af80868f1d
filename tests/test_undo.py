"""Undoing an import: whom it deletes, whom it leaves, and which runs it refuses."""

import json
from dataclasses import replace

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.children import begin_batch
from cognito_import.engine.deletion import CHANGED_SINCE
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import RequestError
from cognito_import.ingest import ingest_request
from cognito_import.report.again import request_again, request_undo
from cognito_import.report.reasons import Reasons
from cognito_import.report.rows import all_outcomes
from cognito_import.run.folder import RunFolder
from cognito_import.undo import pasted_run

NAMES = [f"{name}@example.com" for name in ("anna", "ben", "cara", "dora")]
ANNA, BEN, CARA, DORA = NAMES


@pytest.fixture
def settings(settings):
    """Settings of a deployment where nobody approves deletions."""
    return replace(settings, approve_deletions=False)


@pytest.fixture
def run(resources, settings):
    """Process a request under a name, or read it alone; give its folder."""

    def run(name, *, process=True, **request):
        folder = RunFolder(resources.s3, resources.bucket, name)
        manifest = ingest_request({"adminemail": resources.admin, **request}, settings, resources.s3, folder)
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        pool = UserPool(client, manifest.applied_to(settings), Pacer(0), jobtype=manifest.jobtype, sleep=lambda _: None)
        for batch in manifest.batches if process else ():
            run_batch(folder, batch, pool)
        return folder

    return run


def outcomes(folder):
    """Return the run's outcomes by address."""
    return {outcome.useremail: outcome for outcome in all_outcomes(folder, folder.required_manifest())}


def users(*names, **more):
    """Return a request's `data`."""
    return [{"useremail": name, **more} for name in names]


def test_who_was_created_is_deleted_and_nobody_else(run, resources):
    """Who existed before the import stays; a second undo finds nobody."""
    resources.add_user(DORA)
    folder = run("run-joiners", data=users(*NAMES))
    undone = run("undo", undo="run-joiners")
    assert {name: (one.status, one.code) for name, one in outcomes(undone).items()} == dict.fromkeys(
        (ANNA, BEN, CARA), ("succeeded", "")
    )
    assert {name: one.username for name, one in outcomes(undone).items()}.items() <= {
        name: one.username for name, one in outcomes(folder).items()
    }.items()
    assert resources.users().keys() == {DORA}
    again = outcomes(run("again", undo="run-joiners"))
    assert {one.code for one in again.values()} == {"UserNotFoundException"}


def test_who_was_changed_since_is_left(run, resources):
    """Signed in, disabled or changed by hand: each keeps its account, with the reason in both languages."""
    run("run-joiners", data=users(*NAMES))
    at = {"UserPoolId": resources.user_pool_id}
    resources.cognito.admin_set_user_password(Username=ANNA, Password="Chang3d-since!", Permanent=True, **at)
    resources.cognito.admin_disable_user(Username=BEN, **at)
    told = outcomes(run("undo", undo="run-joiners"))
    assert {name: one.code for name, one in told.items()} == {
        ANNA: CHANGED_SINCE,
        BEN: CHANGED_SINCE,
        CARA: "",
        DORA: "",
    }
    assert "status CONFIRMED" in told[ANNA].message
    assert "was disabled" in told[BEN].message
    assert resources.users().keys() == {ANNA, BEN}
    japanese = Reasons("ja", "undo").told(told[BEN]).message
    assert japanese == "インポートの後に無効化されたため、削除の対象外です。"


def test_a_change_of_an_attribute_counts(run, resources, monkeypatch):
    """By when the user was changed, held against the last moment at which the import may have called for it."""
    folder = run("run-joiners", data=users(ANNA, BEN))
    early = {row: moment.replace(year=moment.year - 1) for row, moment in folder.finished_at().items() if row == 1}
    finished = {**folder.finished_at(), **early}
    monkeypatch.setattr(RunFolder, "finished_at", lambda _: finished)
    told = outcomes(run("undo", undo="run-joiners"))
    assert {name: one.code for name, one in told.items()} == {ANNA: CHANGED_SINCE, BEN: ""}
    assert "was changed, on" in told[ANNA].message
    assert Reasons("ja", "undo").told(told[ANNA]).message.startswith("インポートの後に変更された")


def test_a_user_who_was_imported_disabled_is_unchanged(run, resources):
    """The import has disabled it; who is enabled since has changed."""
    run("run-joiners", data=users(ANNA, BEN, enabled=False))
    resources.cognito.admin_enable_user(UserPoolId=resources.user_pool_id, Username=BEN)
    told = outcomes(run("undo", undo="run-joiners"))
    assert {name: one.code for name, one in told.items()} == {ANNA: "", BEN: CHANGED_SINCE}


def test_a_user_made_anew_with_the_address_is_left(run, resources):
    """The name that the import noted is gone, and the address is somebody else's."""
    folder = run("run-joiners", data=users(ANNA))
    name = outcomes(folder)[ANNA].username
    resources.cognito.admin_delete_user(UserPoolId=resources.user_pool_id, Username=name)
    resources.add_user(ANNA)
    assert outcomes(run("undo", undo="run-joiners"))[ANNA].code == "UserNotFoundException"
    assert ANNA in resources.users()


def test_a_child_looks_users_up_by_their_names(run, settings):
    """The state machine gets the name, not the address."""
    folder = run("run-joiners", data=users(ANNA))
    undo = run("undo", process=False, undo="run-joiners", engine="step_functions")
    (user,) = begin_batch(undo, settings, 1, 1)["users"]
    assert user["arguments"]["Username"] == outcomes(folder)[ANNA].username


def test_a_dry_run_says_who_would_be_left(run, resources):
    """It is asked by the same look-up."""
    run("run-joiners", data=users(ANNA))
    folder = run("undo", process=False, undo="run-joiners", dry_run=True)
    assert folder.required_manifest().dry_run
    assert not folder.required_manifest().approve


def test_which_runs_are_refused(run, resources, settings):
    """One that is unknown, a deletion, a dry run, unfinished, of another user pool, or that created nobody."""
    resources.add_user(DORA)
    run("run-leavers", data=users(CARA), jobtype="delete")
    run("run-dry", process=False, data=users(ANNA), dry_run=True)
    run("run-half", process=False, data=users(ANNA))
    run("run-nobody", data=users(DORA))
    for name, why in {
        "unknown-run": "which has no files",
        "run-leavers": "which is of the jobtype 'delete'",
        "run-dry": "which was a dry run",
        "run-half": "which is not finished (1 of 1 users are left",
        "run-nobody": "which created nobody",
    }.items():
        with pytest.raises(RequestError) as refused:
            run(f"undo-{name}", undo=name)
        assert why in str(refused.value)
    run("run-joiners", data=users(ANNA))
    folder = RunFolder(resources.s3, resources.bucket, "elsewhere")
    other = replace(settings, user_pool_id="ap-northeast-1_another")
    with pytest.raises(RequestError, match="which is of the user pool"):
        ingest_request({"undo": "run-joiners", "adminemail": resources.admin}, other, resources.s3, folder)


def test_an_undo_is_a_deletion_that_asks(run, resources, settings):
    """The trigger form's default job type stands beside it; any other is a mistake, and so is a list."""
    run("run-joiners", data=users(ANNA))
    for number, more in enumerate([{}, {"jobtype": "import"}, {"jobtype": "delete"}]):
        folder = RunFolder(resources.s3, resources.bucket, f"undo-{number}")
        request = {"undo": "run-joiners", "adminemail": resources.admin, **more}
        manifest = ingest_request(request, replace(settings, approve_deletions=True), resources.s3, folder)
        assert (manifest.jobtype, manifest.undo, manifest.approve) == ("delete", "run-joiners", True)
    with pytest.raises(RequestError, match="'jobtype' is given beside 'undo'"):
        run("other", undo="run-joiners", jobtype="disable")
    with pytest.raises(RequestError, match="'data' and 'undo' are both given"):
        run("both", undo="run-joiners", data=users(ANNA))


def test_the_mail_has_the_conf(run, resources):
    """Of an import that created somebody, and of no other run; an undo is not offered again."""
    folder = run("run-joiners", data=users(ANNA))
    manifest = folder.required_manifest()
    conf = json.loads(request_undo(manifest, outcomes(folder).values(), "run-joiners", resources.admin))
    assert conf == {"undo": "run-joiners", "adminemail": resources.admin}
    assert request_undo(manifest, [], "run-joiners", resources.admin) == ""
    undo = run("undo", undo="run-joiners")
    assert request_undo(undo.required_manifest(), outcomes(undo).values(), "undo", resources.admin) == ""
    assert request_again(undo.required_manifest(), [], "s3://b/undo.csv", resources.admin) == ""


@pytest.mark.parametrize(
    "pasted",
    [
        "joiners-1a2b3c4d",
        " joiners-1a2b3c4d\n",
        "s3://bucket/runs/joiners-1a2b3c4d/",
        "runs/joiners-1a2b3c4d/manifest.json",
        "s3://bucket/cognitoimportlog/import_result_20261124120000_joiners-1a2b3c4d.csv",
        "https://airflow.example.com/dags/cognito_import/runs/joiners-1a2b3c4d/tasks/report",
        "https://bucket.s3.amazonaws.com/cognitoimportlog/import_result_20261124120000_joiners-1a2b3c4d.csv?X-Amz-Date=1",
    ],
)
def test_a_run_is_named_by_what_people_paste(pasted):
    """The name, the folder, the CSV, its link or the run's page."""
    assert pasted_run(pasted) == "joiners-1a2b3c4d"


def test_a_run_is_named_by_its_id_in_airflow():
    """As the folder of that run is named."""
    assert pasted_run("manual__2026-11-24T10:00:00+00:00").startswith("manual-2026-11-24T10-00-00-00-00-")
