"""One user's calls, against local AWS."""

from dataclasses import replace

import pytest
from tests.engine.one_user import ROW, is_enabled, names

from cognito_import.engine.calls import BACKOFF
from cognito_import.engine.creation import creation
from cognito_import.engine.error_policy import THROTTLES
from cognito_import.engine.jobs import ResumeState
from cognito_import.engine.pacing import Category, Pacer
from cognito_import.errors import CallsStoppedError, LeaseLostError

DISABLED = replace(ROW, enabled=False)


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
    """Created, the answer lost, then throttles or faults to the end: pending until a later attempt finishes the user."""
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
    """Its username is known, so a later attempt continues with the groups."""
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
def test_a_lost_answer_is_recovered(make, resources, local_aws, operation, kind, details):
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


def test_a_user_pool_does_its_job(make, resources, deleted):
    """`process` deletes in a deletion and creates in an import."""
    assert make().process(ROW, ResumeState()).code == "UsernameExistsException"
    assert make("delete").process(ROW, ResumeState()).username == deleted
    assert resources.users() == {}
