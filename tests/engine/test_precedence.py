"""Of two requests that name one address the later one holds: whom a deletion leaves alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine import precedence
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.precedence import CREATED_SINCE, ENABLED_SINCE, IMPORTED_SINCE, Precedence
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.report.reasons import Reasons
from cognito_import.report.rows import all_outcomes
from cognito_import.run.checkpoints import Checkpoint, Unsettled
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import Manifest

ANNA, BEN, CARA = (f"{name}@example.com" for name in ("anna", "ben", "cara"))
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(settings):
    """Settings of a deployment where nobody approves deletions."""
    return replace(settings, approve_deletions=False)


@pytest.fixture
def asked(resources, settings, monkeypatch):
    """Ingest a run that was requested some seconds from now, and return its folder."""

    def ask(name, jobtype, users, later=0.0):
        folder = RunFolder(resources.s3, resources.bucket, name)
        request = {"data": [{"useremail": user} for user in users], "adminemail": resources.admin, "jobtype": jobtype}
        with monkeypatch.context() as moment:
            at = (datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=later)).isoformat()
            manifest = "cognito_import.ingest.Manifest"
            moment.setattr(manifest, lambda **fields: Manifest(**{**fields, "asked": at}))
            ingest_request(request, settings, resources.s3, folder)
        return folder

    return ask


@pytest.fixture
def outcomes(settings):
    """Process a run, and return each address's code and username."""

    def outcomes(folder):
        manifest = folder.required_manifest()
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        pool = UserPool(client, settings, Pacer(0), jobtype=manifest.jobtype, sleep=lambda _: None)
        for batch in manifest.batches:
            run_batch(folder, batch, pool)
        return {outcome.useremail: (outcome.code, outcome.username) for outcome in all_outcomes(folder, manifest)}

    return outcomes


def names(resources):
    """Return the user pool's users: name by address."""
    return {address: user.username for address, user in resources.users().items()}


def test_who_was_created_after_the_deletion_was_asked_for_stays(asked, outcomes, resources):
    """Hired again after the list was made: nobody can have meant this user."""
    folder = asked("leavers", "delete", [ANNA, BEN], later=-3600)
    resources.add_user(ANNA)
    before = names(resources)
    assert outcomes(folder) == {ANNA: (CREATED_SINCE, before[ANNA]), BEN: ("UserNotFoundException", "")}
    assert names(resources) == before


@pytest.mark.parametrize("later", [0.0, 5.0])
def test_who_was_there_is_deleted(asked, outcomes, resources, later):
    """Within the second of the request, too: a program may create a user and have it deleted at once."""
    resources.add_user(ANNA)
    (name,) = names(resources).values()
    made = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=ANNA)["UserCreateDate"]
    folder = asked("leavers", "delete", [ANNA], later=later)
    assert folder.required_manifest().asked_at >= made.replace(microsecond=0)
    assert outcomes(folder) == {ANNA: ("", name)}


@pytest.mark.parametrize(
    ("later", "stays"), [(-30, False), (0, True), (30, True)], ids=["before", "same-second", "after"]
)
def test_an_import_that_was_asked_for_later_holds(asked, outcomes, resources, later, stays):
    """It finds that the user exists already; the deletion then leaves the user alone, and says for which run."""
    resources.add_user(ANNA)
    resources.add_user(BEN)
    before = names(resources)
    leavers = asked("leavers", "delete", [ANNA, BEN], later=0)
    joiners = asked("joiners", "import", [ANNA.upper(), CARA], later=later)
    assert {code for code, _ in outcomes(joiners).values()} == {"UsernameExistsException", ""}
    told = outcomes(leavers)
    assert told == {ANNA: (IMPORTED_SINCE if stays else "", before[ANNA]), BEN: ("", before[BEN])}
    assert (ANNA in names(resources)) is stays


def test_an_earlier_import_s_user_is_deleted_though_created_later(asked, outcomes, resources):
    """A night's imports go first: the file of joiners arrived before that of leavers, so the deletion holds."""
    joiners = asked("joiners", "import", [ANNA], later=-7200)
    leavers = asked("leavers", "delete", [ANNA, BEN], later=-3600)
    assert outcomes(joiners)[ANNA][0] == ""
    resources.add_user(BEN)  # by somebody else
    told = outcomes(leavers)
    assert {address: code for address, (code, _) in told.items()} == {ANNA: "", BEN: CREATED_SINCE}
    assert set(names(resources)) == {BEN}


@pytest.mark.parametrize(("later", "code"), [("import", IMPORTED_SINCE), ("enable", ENABLED_SINCE), ("disable", "")])
@pytest.mark.parametrize("jobtype", ["delete", "disable"])
def test_whom_a_later_run_wants_is_neither_deleted_nor_disabled(asked, outcomes, resources, jobtype, later, code):
    """It waited for its approval, and meanwhile somebody asked for the user to be there, or to be enabled."""
    resources.add_user(ANNA)
    leavers = asked("leavers", jobtype, [ANNA])
    asked("later", later, [ANNA], later=30)
    assert outcomes(leavers)[ANNA][0] == code


def test_who_was_enabled_was_not_created_by_that(asked, outcomes, resources):
    """Only an import says whom it created: who came since the deletion was asked for stays, although it was enabled."""
    resources.add_user(ANNA)
    outcomes(asked("back", "enable", [ANNA], later=-7200))
    assert outcomes(asked("leavers", "delete", [ANNA], later=-3600))[ANNA][0] == CREATED_SINCE


def test_an_import_into_another_user_pool_says_nothing(asked, outcomes, resources):
    """Two user pools may share a bucket."""
    resources.add_user(ANNA)
    leavers = asked("leavers", "delete", [ANNA])
    joiners = asked("joiners", "import", [ANNA], later=30)
    stored = replace(joiners.required_manifest(), user_pool_id="ap-northeast-1_another")
    resources.s3.delete_object(Bucket=resources.bucket, Key=f"{joiners.prefix}manifest.json")
    joiners.write_manifest(stored, None)
    assert outcomes(leavers)[ANNA][0] == ""


def test_an_import_without_a_manifest_says_nothing(asked, outcomes, resources):
    """It was refused, or is just being read, and then finds what the deletion has done."""
    resources.add_user(ANNA)
    leavers = asked("leavers", "delete", [ANNA])
    precedence.enter(RunFolder(resources.s3, resources.bucket, "nothing"), "import", datetime.now(UTC))
    assert outcomes(leavers)[ANNA][0] == ""


@pytest.mark.parametrize("goes_on", [False, True], ids=["refused", "cleared"])
def test_an_import_that_was_refused_says_nothing(asked, outcomes, resources, goes_on):
    """Preflight found a problem and nobody was called for, so it asks for nobody until it is cleared and goes on."""
    resources.add_user(ANNA)
    name = names(resources)[ANNA]
    leavers = asked("leavers", "delete", [ANNA])
    joiners = asked("joiners", "import", [ANNA], later=30)
    joiners.reject("Preflight found 1 problem; no user was touched:\n  - The sender is not verified.")
    if goes_on:
        joiners.withdraw_rejection()
    assert outcomes(leavers)[ANNA] == (IMPORTED_SINCE if goes_on else "", name)


@pytest.mark.parametrize("there", [True, False], ids=["still-there", "already-deleted"])
def test_a_deletion_that_goes_on_looks_anew(asked, outcomes, resources, there):
    """Of a user whom a dead worker may have deleted it is told what is so; who is still there and was imported since stays."""
    resources.add_user(ANNA)
    name = names(resources)[ANNA]
    leavers = asked("leavers", "delete", [ANNA])
    if not there:
        resources.cognito.admin_delete_user(UserPoolId=resources.user_pool_id, Username=name)
    entry = Unsettled(1, ANNA, leavers.required_manifest().began, name)
    leavers.write_checkpoint(1, "dead", Checkpoint(unsettled=[entry], closed=True))
    asked("joiners", "import", [ANNA], later=30)
    assert outcomes(leavers)[ANNA] == (IMPORTED_SINCE if there else "", name)


def test_a_file_of_the_inbox_was_asked_for_when_it_arrived(resources, settings):
    """And any other request when it was read, also one with a file that may be old."""
    resources.s3.put_object(Bucket=resources.bucket, Key="inbox/a.csv", Body=b"useremail\nanna@example.com\n")
    arrived = resources.s3.head_object(Bucket=resources.bucket, Key="inbox/a.csv")["LastModified"]
    request = {"source": f"s3://{resources.bucket}/inbox/a.csv", "adminemail": resources.admin}
    for name, from_inbox in (("night", True), ("manual", False)):
        manifest = ingest_request(
            request, settings, resources.s3, RunFolder(resources.s3, resources.bucket, name), from_inbox=from_inbox
        )
        assert manifest.asked == (arrived.isoformat() if from_inbox else "")
        assert manifest.asked_at == (arrived if from_inbox else manifest.began_at)


def test_the_reasons_are_told_in_japanese(asked, resources):
    """Who reads the report reads why a user is still there, and for which run."""
    leavers = asked("leavers", "delete", [ANNA, BEN], later=-3600)
    asked("joiners", "import", [ANNA])
    now = datetime.now(UTC)
    held = Precedence(leavers, leavers.all_rows())
    for address, code in ((ANNA, IMPORTED_SINCE), (BEN, CREATED_SINCE)):
        told = held.objection(address, "name", now)
        assert told
        assert told[0] == code
        japanese = Reasons("ja", "leavers").message(*told)
        assert japanese.endswith("何も行っていません。")
        assert ("joiners" in japanese) is (code == IMPORTED_SINCE)
        assert Reasons("ja", "leavers").hint(code)
        assert Reasons("en", "leavers").hint(code)
    assert held.objection(BEN, "name", now - 2 * HOUR) is None
