"""Users who exist are completed: a list can be run again until it is true."""

from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.jobs import ResumeState
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError
from cognito_import.request.model import UserRow
from cognito_import.run.checkpoints import Unsettled
from cognito_import.settings import Settings

ROW = UserRow(1, "there@example.com", {"given_name": "花子", "custom:department": "営業部"}, ("BASIC", "STAFF"))


@pytest.fixture
def pool(resources):
    """A user pool that completes users who exist."""
    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName="STAFF")
    settings = Settings.parse(resources.variable(pacing_seconds=0.001, existing_users="complete"))
    return UserPool(boto3.client("cognito-idp", config=aws.COGNITO), settings, Pacer(0), sleep=lambda _: None)


@pytest.fixture
def there(resources, local_aws):
    """A user who existed before, in the group BASIC, called 太郎; its username."""
    made = resources.cognito.admin_create_user(
        UserPoolId=resources.user_pool_id,
        Username=ROW.useremail,
        UserAttributes=[{"Name": "email", "Value": ROW.useremail}, {"Name": "given_name", "Value": "太郎"}],
        MessageAction="SUPPRESS",
    )["User"]["Username"]
    resources.cognito.admin_add_user_to_group(UserPoolId=resources.user_pool_id, Username=made, GroupName="BASIC")
    local_aws.reset()
    return made


def changes(local_aws):
    """Return the changing calls that succeeded, in order."""
    return [
        call["operation"]
        for call in local_aws.calls()
        if not call["code"] and not call["operation"].startswith(("AdminGet", "AdminList", "List"))
    ]


def attributes(resources, username):
    """Return a user's attributes."""
    user = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=username)
    return {attribute["Name"]: attribute["Value"] for attribute in user["UserAttributes"]}


def test_a_user_who_exists_gets_what_it_lacks(pool, resources, local_aws, there):
    """The missing group and the attributes that differ; a second run finds nothing to change."""
    outcome = pool.process(ROW, ResumeState())
    assert (outcome.status, outcome.code, outcome.username) == ("succeeded", "Existed", there)
    assert outcome.message == "Existed already; joined STAFF; updated given_name, custom:department."
    assert resources.users()[ROW.useremail].groups == {"BASIC", "STAFF"}
    assert attributes(resources, there).items() >= ROW.attributes.items()
    assert changes(local_aws) == ["AdminAddUserToGroup", "AdminUpdateUserAttributes"]
    local_aws.reset()
    assert pool.process(ROW, ResumeState()).message == "Existed already."
    assert changes(local_aws) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_user_becomes_enabled_and_verified_as_its_row_says(pool, resources, local_aws, there, enabled):
    """Only what differs is changed, and only if the row says so."""
    switch = resources.cognito.admin_disable_user if enabled else resources.cognito.admin_enable_user
    switch(UserPoolId=resources.user_pool_id, Username=there)
    unsaid, said = UserRow(1, ROW.useremail), UserRow(1, ROW.useremail, email_verified=True, enabled=enabled)
    assert pool.process(unsaid, ResumeState()).message == "Existed already."
    word = "enabled" if enabled else "disabled"
    assert pool.process(said, ResumeState()).message == f"Existed already; updated email_verified; {word}."
    user = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=there)
    assert user["Enabled"] is enabled
    assert attributes(resources, there)["email_verified"] == "true"
    local_aws.reset()
    assert pool.process(said, ResumeState()).message == "Existed already."
    assert changes(local_aws) == []


def mails(local_aws):
    """Return how often the user was invited."""
    return sum(ROW.useremail in mail["To"] for mail in local_aws.outbox())


@pytest.fixture
def inviting(resources):
    """Make a user pool whose run invites again, and does with users who exist what it is told."""

    def make(existing_users="fail"):
        settings = Settings.parse(
            resources.variable(pacing_seconds=0.001, existing_users=existing_users, invite=True, resend_invitation=True)
        )
        return UserPool(boto3.client("cognito-idp", config=aws.COGNITO), settings, Pacer(0), sleep=lambda _: None)

    return make


@pytest.mark.parametrize(
    ("existing_users", "changed"),
    [("fail", ""), ("complete", " joined STAFF; updated given_name, custom:department;")],
)
def test_a_user_who_has_not_signed_in_is_invited_again(inviting, pool, local_aws, there, existing_users, changed):
    """It gets one more mail; all else is as without."""
    told = mails(local_aws)
    outcome = inviting(existing_users).process(ROW, ResumeState())
    assert (outcome.status, outcome.code, outcome.username) == ("succeeded", "Existed", there)
    assert outcome.message == f"Existed already;{changed} invited again."
    assert mails(local_aws) == told + 1


def test_who_has_signed_in_or_may_not_is_not_invited(inviting, resources, local_aws, there):
    """A user who is confirmed, or not enabled, exists already and gets no mail."""
    resources.cognito.admin_disable_user(UserPoolId=resources.user_pool_id, Username=there)
    told = mails(local_aws)
    assert inviting().process(ROW, ResumeState()).code == "UsernameExistsException"
    resources.cognito.admin_enable_user(UserPoolId=resources.user_pool_id, Username=there)
    assert inviting().process(replace(ROW, enabled=False), ResumeState()).code == "UsernameExistsException"
    resources.cognito.admin_set_user_password(
        UserPoolId=resources.user_pool_id, Username=there, Password="Abcdef1!", Permanent=True
    )
    assert inviting().process(ROW, ResumeState()).code == "UsernameExistsException"
    assert mails(local_aws) == told


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_lost_answer_costs_one_more_invitation_at_most(inviting, pool, local_aws, there, kind):
    """Nobody can tell whether the mail went out, so it is sent again, and the user is no failure."""
    told = mails(local_aws)
    local_aws.fault("AdminCreateUser", kind, after=1)
    outcome = inviting().process(ROW, ResumeState())
    assert (outcome.status, outcome.message) == ("succeeded", "Existed already; invited again.")
    assert 1 <= mails(local_aws) - told <= 2


def test_a_new_user_is_invited_once(inviting, resources, local_aws):
    """Also if the answer was lost: the user is the run's own, and not one who existed."""
    told = mails(local_aws)
    local_aws.fault("AdminCreateUser", "drop_after")
    assert inviting().process(replace(ROW, groups=("BASIC",)), ResumeState()).message == "-"
    assert mails(local_aws) == told + 1


def test_what_a_row_does_not_name_stays(pool, resources, there):
    """Neither a group nor an attribute is taken away."""
    outcome = pool.process(UserRow(1, ROW.useremail, {}, ("STAFF",)), ResumeState())
    assert outcome.message == "Existed already; joined STAFF."
    assert resources.users()[ROW.useremail].groups == {"BASIC", "STAFF"}
    assert attributes(resources, there)["given_name"] == "太郎"


def test_a_new_user_is_created_as_ever(pool, resources):
    """Its outcome is that of any import."""
    outcome = pool.process(UserRow(1, "new@example.com", {}, ("BASIC",)), ResumeState())
    assert (outcome.status, outcome.message, outcome.code) == ("succeeded", "-", "")
    assert resources.users()["new@example.com"].groups == {"BASIC"}


def test_what_cognito_refuses_is_the_users_failure(pool, local_aws, there):
    """An attribute that may not be changed fails the row, and the outcome says who it is."""
    local_aws.fault("AdminUpdateUserAttributes", code="InvalidParameterException", message="Cannot be modified.")
    outcome = pool.process(ROW, ResumeState())
    assert (outcome.status, outcome.code, outcome.username) == ("failed", "InvalidParameterException", there)


@pytest.mark.parametrize(
    "operation", ["AdminGetUser", "AdminListGroupsForUser", "AdminAddUserToGroup", "AdminUpdateUserAttributes"]
)
@pytest.mark.parametrize(
    ("kind", "details"),
    [
        pytest.param("drop_after", {}, id="dropped-after-the-effect"),
        pytest.param("error", {"code": "TooManyRequestsException"}, id="throttle"),
    ],
)
def test_a_lost_answer_changes_nothing_twice_for_the_user(pool, resources, local_aws, there, operation, kind, details):
    """Whatever the lost call did, the user ends as its row says and counts as one who existed."""
    local_aws.fault(operation, kind, **details)
    outcome = pool.process(ROW, ResumeState())
    assert (outcome.status, outcome.code) == ("succeeded", "Existed")
    assert resources.users()[ROW.useremail].groups == {"BASIC", "STAFF"}
    assert attributes(resources, there).items() >= ROW.attributes.items()


def test_a_user_half_completed_is_completed_by_the_next_worker(pool, resources, local_aws, there):
    """The calls stop between its groups and its attributes: it is interrupted, never taken for one that we created."""
    local_aws.fault("AdminUpdateUserAttributes", code="AccessDeniedException", message="No.")
    with pytest.raises(CallsStoppedError) as stopped:
        pool.process(ROW, ResumeState(since=datetime.now(UTC)))  # the user was created within this very second
    assert stopped.value.pending.outcome().code == "Interrupted"
    outcome = pool.process(ROW, ResumeState(stopped.value.pending))
    assert (outcome.code, outcome.message) == ("Existed", "Existed already; updated given_name, custom:department.")
    assert attributes(resources, there).items() >= ROW.attributes.items()


def test_a_user_made_by_a_dead_worker_did_not_exist(pool, resources, there):
    """Created since this run may have called for it, and not by another run: it is finished as ours."""
    since = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=there)["UserCreateDate"]
    left = Unsettled(1, ROW.useremail, since.isoformat())
    outcome = pool.process(ROW, ResumeState(left))
    assert (outcome.code, outcome.username) == ("", there)
