"""One user's calls, against local AWS."""

import boto3
import botocore.session
import pytest

from cognito_import import aws
from cognito_import.decisions import DECISIONS, THROTTLES, Decision, decide
from cognito_import.errors import CallsStoppedError, LeaseLostError
from cognito_import.outcomes import INTERRUPTED, Outcome
from cognito_import.pacing import Pacer
from cognito_import.request import UserRow
from cognito_import.settings import Settings
from cognito_import.user_pool import _CATEGORIES, ATTEMPTS, Turn, UserPool

ROW = UserRow(1, "new@example.com", {"given_name": "花子", "custom:department": "営業部"}, ("BASIC",))
LEFT = Outcome.failed(1, "new@example.com", INTERRUPTED, "The worker ended.")
"""What a worker that died at the user leaves."""


@pytest.fixture
def began(ground):
    """The service's clock before the test, as a run's beginning."""
    from email.utils import parsedate_to_datetime

    answer = ground.s3.head_bucket(Bucket=ground.bucket)
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


@pytest.fixture
def make(ground, began):
    """Make a user pool that never sleeps, with other settings if wanted."""

    def make(**settings):
        made = Settings.parse(ground.variable(pacing_seconds=0.001, **settings))
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        return UserPool(client, made, Pacer(0), began=began, sleep=lambda _: None)

    return make


def names(calls):
    """The operations of a call log."""
    return [call["operation"] for call in calls]


def test_a_user_is_made_as_the_contract_says(make, ground, local_aws):
    """Attributes, verified address, group, no invitation; the outcome carries Cognito's own name."""
    outcome = make().create(ROW)
    user = ground.users()["new@example.com"]
    assert (outcome.status, outcome.message, outcome.code, outcome.username) == ("succeeded", "-", "", user.username)
    assert user.groups == {"BASIC"}
    kept = ground.cognito.admin_get_user(UserPoolId=ground.user_pool_id, Username="new@example.com")
    attributes = {attribute["Name"]: attribute["Value"] for attribute in kept["UserAttributes"]}
    assert attributes["email_verified"] == "true"
    assert (attributes["given_name"], attributes["custom:department"]) == ("花子", "営業部")
    assert kept["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert [mail for mail in local_aws.outbox() if ROW.useremail in mail["To"]] == []


def test_an_address_that_exists_is_a_result(make, ground, local_aws):
    """It fails with the service's own code and message, and no group is touched."""
    ground.add_user("new@example.com")
    local_aws.reset()
    outcome = make().create(ROW)
    assert (outcome.status, outcome.code, outcome.message) == (
        "failed",
        "UsernameExistsException",
        "User account already exists",
    )
    assert names(local_aws.calls()) == ["AdminCreateUser"]


@pytest.mark.parametrize("code", sorted(THROTTLES))
def test_throttling_is_no_result_while_an_attempt_is_left(make, local_aws, code):
    """Every attempt but the last may be throttled, on either call, and the user is still made."""
    local_aws.fault("AdminCreateUser", code=code, times=ATTEMPTS - 1)
    local_aws.fault("AdminAddUserToGroup", code=code, times=ATTEMPTS - 1)
    assert make().create(ROW).status == "succeeded"


def test_throttling_is_a_result_when_no_attempt_is_left(make, local_aws):
    """Then, and only then, the user fails with it."""
    local_aws.fault("AdminCreateUser", code="TooManyRequestsException", message="Rate exceeded", times=ATTEMPTS)
    outcome = make().create(ROW)
    assert (outcome.status, outcome.code, outcome.message) == ("failed", "TooManyRequestsException", "Rate exceeded")


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        pytest.param("drop_before", {}, id="dropped-before-the-effect"),
        pytest.param("drop_after", {}, id="dropped-after-the-effect"),
        pytest.param("error", {"code": "InternalErrorException", "status": 500}, id="fault"),
    ],
)
@pytest.mark.parametrize("operation", ["AdminCreateUser", "AdminAddUserToGroup"])
def test_a_lost_answer_is_made_good(make, ground, local_aws, operation, kind, details):
    """A user whose answer was lost is recognised as the run's own and finished, whatever the call did."""
    local_aws.fault(operation, kind, **details)
    outcome = make().create(ROW)
    user = ground.users()["new@example.com"]
    assert (outcome.status, outcome.username, user.groups) == ("succeeded", user.username, {"BASIC"})


def test_a_user_made_by_a_dead_worker_is_finished(make, ground):
    """When resuming, a user who was made since the run began is ours: it gets its groups and is a success."""
    made = ground.cognito.admin_create_user(UserPoolId=ground.user_pool_id, Username="new@example.com")
    outcome = make().create(ROW, Turn(LEFT))
    assert (outcome.status, outcome.username) == ("succeeded", made["User"]["Username"])
    assert ground.users()["new@example.com"].groups == {"BASIC"}


def test_a_user_who_signed_up_meanwhile_is_not_ours(make, ground):
    """A live sign-up has another status, so resuming does not claim it."""
    made = ground.cognito.admin_create_user(UserPoolId=ground.user_pool_id, Username="new@example.com")
    ground.cognito.admin_set_user_password(
        UserPoolId=ground.user_pool_id, Username=made["User"]["Username"], Password="Abcdef1!", Permanent=True
    )
    assert make().create(ROW, Turn(LEFT)).code == "UsernameExistsException"


def test_a_user_from_before_the_run_is_not_ours(ground, make, began):
    """Made before the run began: resuming reports that the address exists."""
    from datetime import timedelta

    ground.add_user("new@example.com")
    pool = make()
    pool._began = began + timedelta(hours=1)
    assert pool.create(ROW, Turn(LEFT)).code == "UsernameExistsException"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("AdminCreateUser", "AccessDeniedException"),
        ("AdminCreateUser", "LimitExceededException"),
        ("AdminCreateUser", "ExpiredTokenException"),
        ("AdminCreateUser", "ResourceNotFoundException"),
        ("AdminAddUserToGroup", "ResourceNotFoundException"),
        ("AdminAddUserToGroup", "NotAuthorizedException"),
    ],
)
def test_an_error_that_everybody_would_meet_stops_the_calls(make, ground, local_aws, operation, code):
    """It is raised at once; a user who was made but has no group yet is pending with what is known of it."""
    local_aws.fault(operation, code=code, message="No more.", times=1)
    with pytest.raises(CallsStoppedError, match=rf"{code}: No more\.") as stopped:
        make().create(ROW)
    assert not stopped.value.temporary
    made = ground.users().get("new@example.com")
    if operation == "AdminCreateUser":
        assert stopped.value.pending is None
        assert made is None
    else:
        assert (stopped.value.pending.code, stopped.value.pending.username) == (code, made.username)


def test_a_missing_group_and_pool_stop_the_calls(make, ground):
    """The service's own answers are understood, not only planted ones."""
    with pytest.raises(CallsStoppedError, match="ResourceNotFoundException"):
        make().create(UserRow(1, "a@example.com", {}, ("NO-SUCH-GROUP",)))
    pool = make()
    ground.cognito.delete_user_pool(UserPoolId=ground.user_pool_id)
    ground.user_pool_id = ""
    with pytest.raises(CallsStoppedError, match="ResourceNotFoundException"):
        pool.create(ROW)


def test_a_temporary_password_against_the_policy_stops_the_calls(make):
    """It is the same for every user, so one refusal is enough; the error does not hold it."""
    with pytest.raises(CallsStoppedError, match="InvalidPasswordException") as stopped:
        make(temporary_password="short1").create(ROW)
    assert "short1" not in str(stopped.value)


def test_an_endpoint_that_is_gone_stops_the_calls_for_now(make):
    """When nothing answers for all attempts, the batch stops, and may go on by itself later."""
    pool = make()
    pool._client = boto3.client("cognito-idp", endpoint_url="http://127.0.0.1:9", config=aws.COGNITO)
    with pytest.raises(CallsStoppedError, match="could not be reached") as stopped:
        pool.create(ROW)
    assert stopped.value.temporary


def test_what_cognito_refuses_of_one_user_is_its_result(make):
    """An attribute that the pool does not have, and an address that Cognito does not take, fail alone."""
    assert make().create(UserRow(1, "a@example.com", {"custom:none": "x"})).code == "InvalidParameterException"
    assert make().create(UserRow(2, "a@-.", {})).code == "InvalidParameterException"
    assert make().create(UserRow(3, "b@example.com", {})).status == "succeeded"


def test_an_invitation_is_mailed_only_when_asked_for(make, ground):
    """With `invite` Cognito is not told to suppress its message."""
    assert "MessageAction" not in make(invite=True)._arguments(ROW)
    assert make()._arguments(ROW)["MessageAction"] == "SUPPRESS"
    assert make()._arguments(ROW)["DesiredDeliveryMediums"] == ["EMAIL"]
    assert "TemporaryPassword" not in make()._arguments(ROW)


def test_repeating_asks_first_whether_it_may(make, local_aws):
    """A worker that lost its lease makes no further attempt for the user it is at."""
    local_aws.fault("AdminCreateUser", code="TooManyRequestsException", times=5)

    def lost():
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        make().create(ROW, Turn(may_go_on=lost))
    assert names(local_aws.calls()) == ["AdminCreateUser"]


@pytest.mark.parametrize("operation", sorted(_CATEGORIES))
def test_every_modelled_error_has_a_decision(operation):
    """Each code that botocore models for an operation stands in the table: a new one has to be thought about."""
    model = botocore.session.get_session().get_service_model("cognito-idp")
    modelled = {shape.name for shape in model.operation_model(operation).error_shapes}
    assert modelled - set(DECISIONS) == set()


def test_an_unknown_code_is_judged_by_its_status():
    """A server error is worth another attempt; anything else is that user's outcome."""
    assert decide("AdminCreateUser", "Odd", 503) is Decision.RETRY
    assert decide("AdminCreateUser", "Odd", 400) is Decision.RESULT
    assert decide("AdminAddUserToGroup", "UserNotFoundException") is Decision.RETRY
    assert decide("AdminDeleteUser", "UserNotFoundException") is Decision.RESULT


# Deletion


@pytest.fixture
def deleted(ground, local_aws):
    """The user to delete, made by somebody else before the run. Gives its name."""
    ground.add_user("new@example.com")
    username = ground.users()["new@example.com"].username
    local_aws.reset()
    return username


def left(username):
    """What a worker leaves that died after it had found the user."""
    return Outcome.failed(1, "new@example.com", INTERRUPTED, "The worker ended.", username)


def test_a_user_is_deleted_by_its_own_name(make, ground, local_aws, deleted):
    """One look-up, then one deletion; the name is stored between the two, and stands in the outcome."""
    stored = []

    def found(username):
        stored.append((username, names(local_aws.calls())))

    outcome = make().delete(ROW, Turn(found=found))
    assert (outcome.status, outcome.message, outcome.code, outcome.username) == ("succeeded", "-", "", deleted)
    assert stored == [(deleted, ["AdminGetUser"])]
    assert names(local_aws.calls()) == ["AdminGetUser", "AdminDeleteUser"]
    assert ground.users() == {}


@pytest.mark.parametrize("turn", [Turn(), Turn(LEFT)], ids=["first", "after-a-dead-worker"])
def test_a_user_who_never_existed_is_a_failure(make, local_aws, turn):
    """Also when a worker died at the user before it found anybody: nothing was deleted, and nothing says so."""
    outcome = make().delete(ROW, turn)
    assert (outcome.status, outcome.code, outcome.message) == (
        "failed",
        "UserNotFoundException",
        "User does not exist.",
    )
    assert names(local_aws.calls()) == ["AdminGetUser"]


def test_a_user_whom_a_dead_worker_deleted_is_a_success(make, local_aws):
    """The name that it stored says that the user existed; that the user is gone is our doing."""
    outcome = make().delete(ROW, Turn(left("11111111-2222-4333-8444-555555555555")))
    assert (outcome.status, outcome.username) == ("succeeded", "11111111-2222-4333-8444-555555555555")
    assert names(local_aws.calls()) == ["AdminDeleteUser"]


def test_a_user_whom_a_dead_worker_only_found_is_deleted(make, ground, deleted):
    """It died between the look-up and the deletion."""
    assert make().delete(ROW, Turn(left(deleted))).status == "succeeded"
    assert ground.users() == {}


def test_a_user_made_anew_meanwhile_stays(make, ground, deleted):
    """Deleted by a dead worker, signed up again with the same address: the one who goes on leaves that user alone."""
    make().delete(ROW)
    ground.add_user("new@example.com")
    assert make().delete(ROW, Turn(left(deleted))).status == "succeeded"
    assert "new@example.com" in ground.users()


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        pytest.param("drop_before", {}, id="dropped-before-the-effect"),
        pytest.param("drop_after", {}, id="dropped-after-the-effect"),
        pytest.param("error", {"code": "InternalErrorException", "status": 500}, id="fault"),
        pytest.param("error", {"code": "TooManyRequestsException"}, id="throttle"),
    ],
)
@pytest.mark.parametrize("operation", ["AdminGetUser", "AdminDeleteUser"])
@pytest.mark.usefixtures("deleted")
def test_a_lost_answer_to_a_deletion_is_made_good(make, ground, local_aws, operation, kind, details):
    """Whether or not the lost call deleted the user, it is a success and the user is gone."""
    local_aws.fault(operation, kind, **details)
    assert make().delete(ROW).status == "succeeded"
    assert ground.users() == {}


def test_a_user_whom_somebody_else_deletes_meanwhile_is_a_failure(make, ground, local_aws, deleted):
    """Gone between look-up and deletion, with no attempt of ours that may have reached Cognito: not our doing."""
    local_aws.fault("AdminDeleteUser", code="TooManyRequestsException", times=1)

    def found(username):
        ground.cognito.admin_delete_user(UserPoolId=ground.user_pool_id, Username=username)

    outcome = make().delete(ROW, Turn(found=found))
    assert (outcome.status, outcome.code, outcome.username) == ("failed", "UserNotFoundException", deleted)


@pytest.mark.parametrize("operation", ["AdminGetUser", "AdminDeleteUser"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "ResourceNotFoundException"])
def test_an_error_that_everybody_would_meet_stops_a_deletion(make, ground, local_aws, deleted, operation, code):
    """It is raised at once, and nothing is pending of a user to whom surely nothing was done."""
    local_aws.fault(operation, code=code, message="No more.", times=1)
    with pytest.raises(CallsStoppedError, match=rf"{code}: No more\.") as stopped:
        make().delete(ROW)
    assert stopped.value.pending is None
    assert ground.users()["new@example.com"].username == deleted


def test_a_stop_after_a_lost_deletion_keeps_the_name(make, local_aws, deleted):
    """The user may be gone already: what is pending lets the next worker tell."""
    local_aws.fault("AdminDeleteUser", "drop_after", times=1)
    local_aws.fault("AdminDeleteUser", code="AccessDeniedException", message="No more.", times=1)
    with pytest.raises(CallsStoppedError) as stopped:
        make().delete(ROW)
    assert (stopped.value.pending.code, stopped.value.pending.username) == ("AccessDeniedException", deleted)
    assert make().delete(ROW, Turn(stopped.value.pending)).status == "succeeded"


def test_a_worker_that_may_not_go_on_deletes_nobody(make, ground, local_aws, deleted):
    """It lost its lease while it looked the user up."""

    def lost(_):
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        make().delete(ROW, Turn(found=lost))
    assert names(local_aws.calls()) == ["AdminGetUser"]
    assert ground.users()["new@example.com"].username == deleted


def test_a_user_pool_does_its_job(make, ground, deleted):
    """`process` deletes in a deletion and creates in an import."""
    pool = make()
    assert pool.process(ROW, Turn()).code == "UsernameExistsException"
    pool._jobtype = "delete"
    assert pool.process(ROW, Turn()).username == deleted
    assert ground.users() == {}
