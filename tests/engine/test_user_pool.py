"""One user's calls, against local AWS."""

from dataclasses import replace

import boto3
import botocore.session
import pytest

from cognito_import import aws
from cognito_import.engine.calls import BACKOFF, OPERATIONS
from cognito_import.engine.creation import creation
from cognito_import.engine.error_policy import POLICIES, THROTTLES, ErrorPolicy, policy_for
from cognito_import.engine.jobs import ResumeState
from cognito_import.engine.pacing import Category, Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, LeaseLostError
from cognito_import.request.model import UserRow
from cognito_import.run.checkpoints import Unsettled
from cognito_import.settings import Settings

ROW = UserRow(1, "new@example.com", {"given_name": "花子", "custom:department": "営業部"}, ("BASIC",))


@pytest.fixture
def left(resources):
    """Give what a worker that died at the user leaves: begun now, and the name if it knew one."""
    from email.utils import parsedate_to_datetime

    answer = resources.s3.head_bucket(Bucket=resources.bucket)
    since = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return lambda username="": Unsettled(1, "new@example.com", since.isoformat(), username)


@pytest.fixture
def make(resources):
    """Make a user pool that never sleeps, with other settings if wanted."""

    def make(jobtype="import", pacer=None, **settings):
        made = Settings.parse(resources.variable(pacing_seconds=0.001, **settings))
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        return UserPool(client, made, pacer or Pacer(0), jobtype=jobtype, sleep=lambda _: None)

    return make


DISABLED = replace(ROW, enabled=False)


def is_enabled(resources):
    """Whether the new user may sign in."""
    return resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username="new@example.com")["Enabled"]


def names(calls):
    """The operations of a call log."""
    return [call["operation"] for call in calls]


def test_a_user_is_made_as_the_contract_says(make, resources, local_aws):
    """Attributes, verified address, group, no invitation; the outcome carries Cognito's own name."""
    outcome = make().process(ROW, ResumeState())
    user = resources.users()["new@example.com"]
    assert (outcome.status, outcome.message, outcome.code, outcome.username) == ("succeeded", "-", "", user.username)
    assert user.groups == {"BASIC"}
    kept = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username="new@example.com")
    attributes = {attribute["Name"]: attribute["Value"] for attribute in kept["UserAttributes"]}
    assert attributes["email_verified"] == "true"
    assert (attributes["given_name"], attributes["custom:department"]) == ("花子", "営業部")
    assert kept["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert [mail for mail in local_aws.outbox() if ROW.useremail in mail["To"]] == []


def test_an_address_that_exists_is_a_result(make, resources, local_aws):
    """It fails with the service's own code and message, and no group is touched."""
    resources.add_user("new@example.com")
    local_aws.reset()
    outcome = make().process(ROW, ResumeState())
    assert (outcome.status, outcome.code, outcome.message) == (
        "failed",
        "UsernameExistsException",
        "User account already exists",
    )
    assert names(local_aws.calls()) == ["AdminCreateUser"]


@pytest.mark.parametrize("code", sorted(THROTTLES))
def test_throttling_is_no_result_while_an_attempt_is_left(make, local_aws, code):
    """Every attempt but the last may be throttled, on either call, and the user is still made."""
    local_aws.fault("AdminCreateUser", code=code, times=BACKOFF.attempts - 1)
    local_aws.fault("AdminAddUserToGroup", code=code, times=BACKOFF.attempts - 1)
    assert make().process(ROW, ResumeState()).status == "succeeded"


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 400), ("InternalErrorException", 500), ("Odd", 503)]
)
def test_what_is_the_services_fault_is_never_a_result(make, local_aws, code, status):
    """When no attempt is left the calls stop for a while; nothing is pending of a user who was only throttled."""
    local_aws.fault("AdminCreateUser", code=code, message="Sorry.", status=status, times=BACKOFF.attempts)
    with pytest.raises(CallsStoppedError, match=rf"{code}: Sorry\.") as stopped:
        make().process(ROW, ResumeState())
    assert stopped.value.temporary
    assert (stopped.value.pending is None) == (status == 400)


def test_a_trigger_that_keeps_failing_is_the_users_result(make, resources, local_aws):
    """The pool's own trigger may fail for one user alone, so it holds up nobody else."""
    local_aws.fault("AdminCreateUser", code="UnexpectedLambdaException", message="Trigger.", times=BACKOFF.attempts)
    assert make().process(ROW, ResumeState()).code == "UnexpectedLambdaException"
    assert resources.users() == {}


@pytest.mark.parametrize(
    "fault",
    [{"code": "TooManyRequestsException"}, {"code": "InternalErrorException", "status": 500}],
    ids=["throttles", "faults"],
)
def test_a_user_is_not_given_up_while_it_is_uncertain(make, resources, local_aws, fault):
    """Created, the answer lost, then throttles or faults to the end: pending until a later turn finishes the user."""
    local_aws.fault("AdminCreateUser", "drop_after")
    local_aws.fault("AdminCreateUser", **fault, times=BACKOFF.attempts - 1)
    with pytest.raises(CallsStoppedError) as stopped:
        make().process(ROW, ResumeState())
    assert stopped.value.temporary
    assert stopped.value.pending.outcome().code == "Interrupted"
    outcome = make().process(ROW, ResumeState(stopped.value.pending))
    user = resources.users()["new@example.com"]
    assert (outcome.status, outcome.username, user.groups) == ("succeeded", user.username, {"BASIC"})


def test_a_stop_does_not_forget_an_uncertain_user(make, resources, local_aws):
    """Created, the answer lost, then the credentials expire: the user is pending, and is finished later."""
    local_aws.fault("AdminCreateUser", "drop_after")
    local_aws.fault("AdminCreateUser", code="ExpiredTokenException", message="Over.")
    with pytest.raises(CallsStoppedError) as stopped:
        make().process(ROW, ResumeState())
    assert not stopped.value.temporary
    told = stopped.value.pending.outcome()
    assert (told.code, told.message) == ("Interrupted", "ExpiredTokenException: Over.")
    assert make().process(ROW, ResumeState(stopped.value.pending)).status == "succeeded"
    assert resources.users()["new@example.com"].groups == {"BASIC"}


def test_a_user_who_lacks_a_group_is_not_created_again(make, resources, local_aws):
    """Its name is known, so a later turn goes on with the groups."""
    local_aws.fault("AdminAddUserToGroup", code="InternalErrorException", status=500, times=BACKOFF.attempts)
    with pytest.raises(CallsStoppedError) as stopped:
        make().process(ROW, ResumeState())
    local_aws.reset()
    assert make().process(ROW, ResumeState(stopped.value.pending)).status == "succeeded"
    assert names(local_aws.calls()) == ["AdminAddUserToGroup"]


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        pytest.param("drop_before", {}, id="dropped-before-the-effect"),
        pytest.param("drop_after", {}, id="dropped-after-the-effect"),
        pytest.param("error", {"code": "InternalErrorException", "status": 500}, id="fault"),
    ],
)
@pytest.mark.parametrize("operation", ["AdminCreateUser", "AdminAddUserToGroup", "AdminDisableUser"])
def test_a_lost_answer_is_made_good(make, resources, local_aws, operation, kind, details):
    """A user whose answer was lost is recognised as the run's own and finished, whatever the call did."""
    local_aws.fault(operation, kind, **details)
    outcome = make().process(DISABLED, ResumeState())
    user = resources.users()["new@example.com"]
    assert (outcome.status, outcome.username, user.groups) == ("succeeded", user.username, {"BASIC"})
    assert not is_enabled(resources)


def test_a_user_is_disabled_and_unverified_if_its_row_says_so(make, resources, local_aws):
    """The two flags of a row; the user is disabled once it is in its groups."""
    assert make().process(replace(DISABLED, email_verified=False), ResumeState()).message == "-"
    assert names(local_aws.calls()) == ["AdminCreateUser", "AdminAddUserToGroup", "AdminDisableUser"]
    kept = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username="new@example.com")
    assert kept["Enabled"] is False
    assert {"Name": "email_verified", "Value": "false"} in kept["UserAttributes"]


def test_a_user_who_is_not_disabled_yet_is_no_success(make, resources, local_aws):
    """It stays unsettled, and whoever goes on disables it without creating it again."""
    local_aws.fault("AdminDisableUser", code="InternalErrorException", status=500, times=BACKOFF.attempts)
    with pytest.raises(CallsStoppedError) as stopped:
        make().process(DISABLED, ResumeState())
    assert stopped.value.pending.outcome().code == "Interrupted"
    assert make().process(DISABLED, ResumeState(stopped.value.pending)).status == "succeeded"
    assert not is_enabled(resources)


def test_a_user_made_by_a_dead_worker_is_finished(make, resources, left):
    """When resuming, a user who was made since the user was begun is ours: it gets its groups and is a success."""
    made = resources.cognito.admin_create_user(UserPoolId=resources.user_pool_id, Username="new@example.com")
    outcome = make().process(ROW, ResumeState(left()))
    assert (outcome.status, outcome.username) == ("succeeded", made["User"]["Username"])
    assert resources.users()["new@example.com"].groups == {"BASIC"}


def test_a_user_who_signed_up_meanwhile_is_not_ours(make, resources, left):
    """A live sign-up has another status, so resuming does not claim it."""
    made = resources.cognito.admin_create_user(UserPoolId=resources.user_pool_id, Username="new@example.com")
    resources.cognito.admin_set_user_password(
        UserPoolId=resources.user_pool_id, Username=made["User"]["Username"], Password="Abcdef1!", Permanent=True
    )
    assert make().process(ROW, ResumeState(left())).code == "UsernameExistsException"


def test_a_user_whom_somebody_deletes_before_the_look_up_is_created_again(make, resources, local_aws):
    """Created, the answer lost, answered to exist, and gone: the address is free, so it does not "exist already"."""

    class Meddled(Pacer):
        def wait(self, category):
            if category is Category.USER_READ:
                resources.cognito.admin_delete_user(UserPoolId=resources.user_pool_id, Username="new@example.com")
            super().wait(category)

    local_aws.fault("AdminCreateUser", "drop_after")
    outcome = make(pacer=Meddled(0)).process(ROW, ResumeState())
    user = resources.users()["new@example.com"]
    assert (outcome.status, outcome.username, user.groups) == ("succeeded", user.username, {"BASIC"})


def test_a_user_from_before_is_not_ours(resources, make, left):
    """Made before this user was begun, though perhaps since the run began: the address exists."""
    from dataclasses import replace
    from datetime import datetime, timedelta

    resources.add_user("new@example.com")
    later = datetime.fromisoformat(left().since) + timedelta(minutes=1)
    entry = replace(left(), since=later.isoformat())
    assert make().process(ROW, ResumeState(entry)).code == "UsernameExistsException"


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
def test_an_error_that_everybody_would_meet_stops_the_calls(make, resources, local_aws, operation, code):
    """It is raised at once; a user who was made but has no group yet is pending with what is known of it."""
    local_aws.fault(operation, code=code, message="No more.", times=1)
    with pytest.raises(CallsStoppedError, match=rf"{code}: No more\.") as stopped:
        make().process(ROW, ResumeState())
    assert not stopped.value.temporary
    made = resources.users().get("new@example.com")
    if operation == "AdminCreateUser":
        assert stopped.value.pending is None
        assert made is None
    else:
        told = stopped.value.pending.outcome()
        assert (told.code, told.message, told.username) == ("Interrupted", f"{code}: No more.", made.username)


def test_a_missing_group_and_pool_stop_the_calls(make, resources):
    """The service's own answers are understood, not only planted ones."""
    with pytest.raises(CallsStoppedError, match="ResourceNotFoundException"):
        make().process(UserRow(1, "a@example.com", {}, ("NO-SUCH-GROUP",)), ResumeState())
    pool = make()
    resources.cognito.delete_user_pool(UserPoolId=resources.user_pool_id)
    resources.user_pool_id = ""
    with pytest.raises(CallsStoppedError, match="ResourceNotFoundException"):
        pool.process(ROW, ResumeState())


def test_a_temporary_password_against_the_policy_stops_the_calls(make):
    """It is the same for every user, so one refusal is enough; the error does not hold it."""
    with pytest.raises(CallsStoppedError, match="InvalidPasswordException") as stopped:
        make(temporary_password="short1").process(ROW, ResumeState())
    assert "short1" not in str(stopped.value)


def test_an_endpoint_that_is_gone_stops_the_calls_for_now(make):
    """When nothing answers for all attempts, the batch stops, and may go on by itself later."""
    client = boto3.client("cognito-idp", endpoint_url="http://127.0.0.1:9", config=aws.COGNITO)
    pool = UserPool(client, make().settings, Pacer(0), sleep=lambda _: None)
    with pytest.raises(CallsStoppedError, match="could not be reached") as stopped:
        pool.process(ROW, ResumeState())
    assert stopped.value.temporary


def test_what_cognito_refuses_of_one_user_is_its_result(make):
    """An attribute that the pool does not have, and an address that Cognito does not take, fail alone."""
    assert (
        make().process(UserRow(1, "a@example.com", {"custom:none": "x"}), ResumeState()).code
        == "InvalidParameterException"
    )
    assert make().process(UserRow(2, "a@-.", {}), ResumeState()).code == "InvalidParameterException"
    assert make().process(UserRow(3, "b@example.com", {}), ResumeState()).status == "succeeded"


def test_an_invitation_is_mailed_only_when_asked_for(make, resources):
    """With `invite` Cognito is not told to suppress its message."""
    assert "MessageAction" not in creation(ROW, make(invite=True).settings)
    assert creation(ROW, make().settings)["MessageAction"] == "SUPPRESS"
    assert creation(ROW, make().settings)["DesiredDeliveryMediums"] == ["EMAIL"]
    assert "TemporaryPassword" not in creation(ROW, make().settings)


def test_repeating_asks_first_whether_it_may(make, local_aws):
    """A worker that lost its lease makes no further attempt for the user it is at."""
    local_aws.fault("AdminCreateUser", code="TooManyRequestsException", times=5)

    def lost():
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        make().process(ROW, ResumeState(may_go_on=lost))
    assert names(local_aws.calls()) == ["AdminCreateUser"]


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_modelled_error_has_a_decision(operation):
    """Each code that botocore models for an operation stands in the table: a new one has to be thought about."""
    model = botocore.session.get_session().get_service_model("cognito-idp")
    modelled = {shape.name for shape in model.operation_model(operation).error_shapes}
    assert modelled - set(POLICIES) == set()


def test_an_unknown_code_is_judged_by_its_status():
    """A server error is worth another attempt; anything else is that user's outcome."""
    assert policy_for("AdminCreateUser", "Odd", 503) is ErrorPolicy.RETRY
    assert policy_for("AdminCreateUser", "Odd", 400) is ErrorPolicy.RESULT
    assert policy_for("AdminAddUserToGroup", "UserNotFoundException") is ErrorPolicy.RECHECK
    assert policy_for("AdminDeleteUser", "UserNotFoundException") is ErrorPolicy.RESULT


# Deletion


@pytest.fixture
def deleted(resources, local_aws):
    """The user to delete, made by somebody else before the run. Gives its name."""
    resources.add_user("new@example.com")
    username = resources.users()["new@example.com"].username
    local_aws.reset()
    return username


def test_a_user_is_deleted_by_its_own_name(make, resources, local_aws, deleted):
    """One look-up, then one deletion; the name is stored between the two, and stands in the outcome."""
    stored = []

    def found(username):
        stored.append((username, names(local_aws.calls())))

    outcome = make("delete").process(ROW, ResumeState(found=found))
    assert (outcome.status, outcome.message, outcome.code, outcome.username) == ("succeeded", "-", "", deleted)
    assert stored == [(deleted, ["AdminGetUser"])]
    assert names(local_aws.calls()) == ["AdminGetUser", "AdminDeleteUser"]
    assert resources.users() == {}


@pytest.mark.parametrize("resumed", [False, True], ids=["first", "after-a-dead-worker"])
def test_a_user_who_never_existed_is_a_failure(make, local_aws, left, resumed):
    """Also when a worker died at the user before it found anybody: nothing was deleted, and nothing says so."""
    outcome = make("delete").process(ROW, ResumeState(left() if resumed else None))
    assert (outcome.status, outcome.code, outcome.message) == (
        "failed",
        "UserNotFoundException",
        "User does not exist.",
    )
    assert names(local_aws.calls()) == ["AdminGetUser"]


def test_a_user_whom_a_dead_worker_deleted_is_a_success(make, local_aws, left):
    """The name that it stored says that the user existed; that no look-up finds it by that name any more is our doing."""
    outcome = make("delete").process(ROW, ResumeState(left("11111111-2222-4333-8444-555555555555")))
    assert (outcome.status, outcome.username) == ("succeeded", "11111111-2222-4333-8444-555555555555")
    assert names(local_aws.calls()) == ["AdminGetUser"]


def test_a_user_whom_a_dead_worker_only_found_is_deleted(make, resources, deleted, left):
    """It died between the look-up and the deletion."""
    assert make("delete").process(ROW, ResumeState(left(deleted))).status == "succeeded"
    assert resources.users() == {}


def test_a_user_made_anew_meanwhile_stays(make, resources, deleted, left):
    """Deleted by a dead worker, signed up again with the same address: the one who goes on leaves that user alone."""
    make("delete").process(ROW, ResumeState())
    resources.add_user("new@example.com")
    assert make("delete").process(ROW, ResumeState(left(deleted))).status == "succeeded"
    assert "new@example.com" in resources.users()


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
def test_a_lost_answer_to_a_deletion_is_made_good(make, resources, local_aws, operation, kind, details):
    """Whether or not the lost call deleted the user, it is a success and the user is gone."""
    local_aws.fault(operation, kind, **details)
    assert make("delete").process(ROW, ResumeState()).status == "succeeded"
    assert resources.users() == {}


def test_a_user_whom_somebody_else_deletes_meanwhile_is_a_failure(make, resources, local_aws, deleted):
    """Gone between look-up and deletion, with no attempt of ours that may have reached Cognito: not our doing."""

    def found(username):
        resources.cognito.admin_delete_user(UserPoolId=resources.user_pool_id, Username=username)
        # Not before: it is the worker that is throttled, and whether others try again depends on the version of botocore.
        local_aws.fault("AdminDeleteUser", code="TooManyRequestsException", times=1)

    outcome = make("delete").process(ROW, ResumeState(found=found))
    assert (outcome.status, outcome.code, outcome.username) == ("failed", "UserNotFoundException", deleted)


@pytest.mark.parametrize("operation", ["AdminGetUser", "AdminDeleteUser"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "ResourceNotFoundException"])
def test_an_error_that_everybody_would_meet_stops_a_deletion(make, resources, local_aws, deleted, operation, code):
    """It is raised at once, and nothing is pending of a user to whom surely nothing was done."""
    local_aws.fault(operation, code=code, message="No more.", times=1)
    with pytest.raises(CallsStoppedError, match=rf"{code}: No more\.") as stopped:
        make("delete").process(ROW, ResumeState())
    assert stopped.value.pending is None
    assert resources.users()["new@example.com"].username == deleted


def test_a_stop_after_a_lost_deletion_keeps_the_name(make, local_aws, deleted):
    """The user may be gone already: what is pending lets the next worker tell."""
    local_aws.fault("AdminDeleteUser", "drop_after", times=1)
    local_aws.fault("AdminDeleteUser", code="AccessDeniedException", message="No more.", times=1)
    with pytest.raises(CallsStoppedError) as stopped:
        make("delete").process(ROW, ResumeState())
    told = stopped.value.pending.outcome()
    assert (told.code, told.username) == ("Interrupted", deleted)
    assert make("delete").process(ROW, ResumeState(stopped.value.pending)).status == "succeeded"


def test_a_worker_that_may_not_go_on_deletes_nobody(make, resources, local_aws, deleted):
    """It lost its lease while it looked the user up."""

    def lost(_):
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        make("delete").process(ROW, ResumeState(found=lost))
    assert names(local_aws.calls()) == ["AdminGetUser"]
    assert resources.users()["new@example.com"].username == deleted


def test_a_user_pool_does_its_job(make, resources, deleted):
    """`process` deletes in a deletion and creates in an import."""
    assert make().process(ROW, ResumeState()).code == "UsernameExistsException"
    assert make("delete").process(ROW, ResumeState()).username == deleted
    assert resources.users() == {}
