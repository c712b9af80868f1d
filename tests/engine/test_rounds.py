"""What the children of the state machine hand over, and what is stored of it."""

from datetime import timedelta

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.children import begin_batch, store_batch
from cognito_import.engine.next_step import Next
from cognito_import.engine.precedence import CREATED_SINCE
from cognito_import.engine.rounds import settle
from cognito_import.ingest import ingest_request
from cognito_import.run.checkpoints import Progress
from cognito_import.run.folder import RunFolder

GONE = {
    "error": "UserNotFoundException",
    "message": "User does not exist. (Service: X, Status Code: 400, Request ID: 0)",
}


@pytest.fixture
def folder(resources, settings):
    """A deletion of two users, each in a batch that a child of the state machine has begun."""
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    users = [{"useremail": "user1@example.com"}, {"useremail": "user2@example.com"}]
    request = {"data": users, "adminemail": resources.admin, "jobtype": "delete", "engine": "step_functions"}
    one_slot = type(settings).parse(resources.variable(slots=1, approve_deletions=False))
    manifest = ingest_request(request, one_slot, resources.s3, folder)
    assert len(manifest.batches) == 2
    assert len(begin_batch(folder, one_slot, 1, 1)["users"]) == 1
    assert len(begin_batch(folder, one_slot, 2, 1)["users"]) == 1
    return folder


def look_up(row, **failure):
    """Return the result of a look-up."""
    found = {"username": ""} if failure else {"username": f"name-{row}"}
    return {"row": row, "call": "AdminGetUser", "error": "", "message": "", "at": 0, **found, **failure}


def deletion(row):
    """Return the result of a deletion."""
    return {"row": row, "call": "AdminDeleteUser", "username": f"name-{row}", "error": "", "message": "", "at": 0}


def progress(folder):
    """Return all checkpoints, merged."""
    told = Progress()
    for _, checkpoint, _ in folder.all_checkpoints():
        told.add(checkpoint)
    return told


def test_outcomes_stored_twice_are_kept(folder):
    """Step Functions calls a function again if it missed the answer; what was stored the first time stays."""
    for _ in range(2):
        store_batch(folder, 1, 1, [look_up(1), deletion(1)], closed=True, gave_up=False)
    assert [outcome.status for outcome in progress(folder).outcomes.values()] == ["succeeded"]


def test_a_look_up_that_failed_is_kept_when_the_child_ends(folder):
    """Usernames are stored midway, with the outcomes of those who were not found; the last call adds to them."""
    store_batch(folder, 1, 1, [look_up(1, **GONE)], closed=False, gave_up=False)
    store_batch(folder, 1, 1, [look_up(1, **GONE)], closed=True, gave_up=False)
    assert [outcome.code for outcome in progress(folder).outcomes.values()] == ["UserNotFoundException"]


def test_what_was_stored_late_undoes_nothing(folder, monkeypatch):
    """An invocation that Step Functions gave up may store the usernames after its successors stored all outcomes."""
    read = folder.checkpoint
    early = read(2, "round-001")
    store_batch(folder, 2, 1, [look_up(2), deletion(2)], closed=True, gave_up=False)
    answers = iter([early])
    monkeypatch.setattr(folder, "checkpoint", lambda *place: next(answers, None) or read(*place))
    store_batch(folder, 2, 1, [look_up(2)], closed=False, gave_up=False)
    told = progress(folder)
    assert [outcome.status for outcome in told.outcomes.values()] == ["succeeded"]
    assert list(told.unsettled) == [1]
    assert read(2, "round-001")[0].closed


@pytest.mark.parametrize("seconds", [False, True], ids=["iso-8601", "seconds"])
def test_a_child_is_told_whom_it_may_not_delete(folder, seconds):
    """Who was created since is finished when the usernames are stored, also when they are stored again for a lost answer."""
    asked = folder.required_manifest().asked_at

    def found(row, created):
        told = created.timestamp() if seconds else created.isoformat().replace("+00:00", "Z")
        return {**look_up(row), "user": {"UserCreateDate": told, "UserStatus": "CONFIRMED", "Enabled": True}}

    since, before = found(1, asked + timedelta(hours=1)), found(2, asked - timedelta(hours=1))
    for _ in range(2):
        assert store_batch(folder, 1, 1, [since], closed=False, gave_up=False) == [1]
    assert store_batch(folder, 2, 1, [before], closed=False, gave_up=False) == []
    assert store_batch(folder, 1, 1, [since], closed=True, gave_up=False) == [1]
    assert store_batch(folder, 2, 1, [before, deletion(2)], closed=True, gave_up=False) == [2]
    told = progress(folder).outcomes
    assert {row: (outcome.code, outcome.username) for row, outcome in told.items()} == {
        1: (CREATED_SINCE, "name-1"),
        2: ("", "name-2"),
    }


def test_a_child_that_was_throttled_slows_the_next_ones_down(folder, resources, settings):
    """A child that ends slower than it began cuts the shared rate, and those that begin later go by it."""
    steady = type(settings).parse(resources.variable())

    def begun(number, round_number):
        child = begin_batch(folder, steady, number, round_number, nobody=True)
        return child["pause"], child["first_pause"]

    store_batch(folder, 1, 1, [look_up(1), deletion(1)], closed=True, gave_up=False)
    assert [begun(number, 2) for number in (1, 2)] == [(1, 1), (1, 1)]
    store_batch(folder, 2, 1, [look_up(2), deletion(2)], closed=True, gave_up=False, slowed=True)
    assert [begun(number, 2) for number in (1, 2)] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("invited", [True, False])
def test_a_child_invites_as_the_request_says(resources, settings, invited):
    """The request goes before the setting, which says the opposite."""
    folder = RunFolder(resources.s3, resources.bucket, "run-2")
    deployed = type(settings).parse(resources.variable(invite=not invited))
    request = {
        "data": ["user1@example.com"],
        "adminemail": resources.admin,
        "invite": invited,
        "engine": "step_functions",
    }
    ingest_request(request, deployed, resources.s3, folder)
    (user,) = begin_batch(folder, deployed, 1, 1)["users"]
    assert user["arguments"].get("MessageAction") == (None if invited else "SUPPRESS")


@pytest.mark.parametrize(("repeated", "code"), [(False, "Existed"), (True, "")], ids=["certain", "doubtful"])
def test_a_user_of_somebody_else_is_completed_however_new_it_is(resources, settings, repeated, code):
    """Cognito said that it existed. Only where Step Functions had repeated the call may the user be the run's own."""
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    request = {
        "data": [{"useremail": "user1@example.com"}],
        "adminemail": resources.admin,
        "engine": "step_functions",
        "existing_users": "complete",
    }
    ingest_request(request, settings, resources.s3, folder)
    begin_batch(folder, settings, 1, 1)
    resources.cognito.admin_create_user(UserPoolId=resources.user_pool_id, Username="user1@example.com")
    attempts = " (SDK Attempt Count: 2)" if repeated else ""
    exists = {
        "row": 1,
        "call": "AdminCreateUser",
        "error": "UsernameExistsException",
        "message": f"User account already exists (Service: X, Status Code: 400, Request ID: 0){attempts}",
        "at": int(folder.now().timestamp() * 1_000),
    }
    store_batch(folder, 1, 1, [exists], closed=True, gave_up=False)
    assert (
        settle(folder, settings, boto3.client("cognito-idp", config=aws.COGNITO), Next(), seconds=60).step == "report"
    )
    assert [outcome.code for outcome in progress(folder).outcomes.values()] == [code]


def test_a_child_tells_when_its_users_were_finished(resources, settings):
    """By the end of each user's last call; when it was throttled only the child's end tells."""
    folder = RunFolder(resources.s3, resources.bucket, "run-5")
    users = [f"timed{number}@example.com" for number in (1, 2, 3)]
    request = {"data": users, "adminemail": resources.admin, "engine": "step_functions"}
    one_slot = type(settings).parse(resources.variable(slots=1))
    ingest_request(request, one_slot, resources.s3, folder)
    rows = [user["row"] for user in begin_batch(folder, one_slot, 1, 1)["users"]]
    began = folder.checkpoint(1, "round-001")[0].work.began
    results = [
        {
            "row": row,
            "call": call,
            "username": f"name-{row}",
            "error": "",
            "message": "",
            "at": int(1000 * (began + at)),
        }
        for row, first, last in zip(rows, (1, 2, 30), (3, 7, 31), strict=True)
        for call, at in (("AdminCreateUser", first), ("AdminAddUserToGroup", last))
    ]
    store_batch(folder, 1, 1, results, closed=True, gave_up=False, throttles=4)
    steps = folder.checkpoint(1, "round-001")[0].work.steps
    assert [users for _, users, _ in steps if users] == [1, 1, 1]
    assert steps[0][0] == 1
    assert sum(throttles for _, _, throttles in steps) == 4


@pytest.mark.parametrize("disabled", [True, False])
def test_a_child_is_done_with_a_user_when_all_its_calls_are(resources, settings, disabled):
    """A user who is to be disabled, and is not yet, has no outcome; settling disables it."""
    folder = RunFolder(resources.s3, resources.bucket, "run-3")
    request = {
        "data": [{"useremail": "new@example.com", "groups": [], "enabled": False}],
        "adminemail": resources.admin,
        "engine": "step_functions",
    }
    ingest_request(request, settings, resources.s3, folder)
    (user,) = begin_batch(folder, settings, 1, 1)["users"]
    assert (user["groups"], user["disable"]) == ([], True)
    name = resources.cognito.admin_create_user(**user["arguments"])["User"]["Username"]
    done = {"row": 1, "username": name, "error": "", "message": "", "at": 0}
    results = [{**done, "call": "AdminCreateUser"}, *[{**done, "call": "AdminDisableUser"}] * disabled]
    store_batch(folder, 1, 1, results, closed=True, gave_up=False)
    assert set(progress(folder).outcomes) == ({1} if disabled else set())
    client = boto3.client("cognito-idp", config=aws.COGNITO)
    assert settle(folder, settings, client, Next("begin", round=1), seconds=60).step == "report"
    assert progress(folder).outcomes[1].status == "succeeded"
    if not disabled:  # the child's call was only said to be made
        found = resources.cognito.admin_get_user(UserPoolId=settings.user_pool_id, Username=name)
        assert found["Enabled"] is False


def test_a_user_who_exists_is_invited_again_by_settling(resources, settings, local_aws):
    """The child's call finds that the user exists; the core's worker sends the invitation."""
    folder = RunFolder(resources.s3, resources.bucket, "run-4")
    resources.add_user("again@example.com")
    request = {
        "data": ["again@example.com"],
        "adminemail": resources.admin,
        "engine": "step_functions",
        "invite": True,
        "resend_invitation": True,
    }
    ingest_request(request, settings, resources.s3, folder)
    begin_batch(folder, settings, 1, 1)
    exists = {
        "error": "UsernameExistsException",
        "message": "User account already exists (Service: X, Status Code: 400, Request ID: 0)",
    }
    exists |= {"row": 1, "call": "AdminCreateUser", "username": "", "at": 0}
    store_batch(folder, 1, 1, [exists], closed=True, gave_up=False)
    client = boto3.client("cognito-idp", config=aws.COGNITO)
    assert settle(folder, settings, client, Next("begin", round=1), seconds=60).step == "report"
    assert progress(folder).outcomes[1].message == "Existed already; invited again."
    assert sum("again@example.com" in mail["To"] for mail in local_aws.outbox()) == 1
