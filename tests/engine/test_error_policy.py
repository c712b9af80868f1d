"""What an error of Cognito means for its user, and for the calls that follow."""

import boto3
import botocore.session
import pytest
from tests.engine.one_user import ROW

from cognito_import import aws
from cognito_import.engine.calls import OPERATIONS
from cognito_import.engine.error_policy import POLICIES, ErrorPolicy, policy_for
from cognito_import.engine.jobs import ResumeState
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError
from cognito_import.request.model import UserRow


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
