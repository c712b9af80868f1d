"""What the job types `disable` and `enable` make of one user."""

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.jobs import ResumeState
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError
from cognito_import.outcomes import LEFT_UNCHANGED
from cognito_import.request.model import UserRow
from cognito_import.run.checkpoints import Unsettled
from cognito_import.settings import Settings

ROW = UserRow(1, "user@example.com")
SINCE = "2020-01-01T00:00:00+00:00"
OPERATION = {"disable": "AdminDisableUser", "enable": "AdminEnableUser"}
BOTH = pytest.mark.parametrize("jobtype", list(OPERATION))


@pytest.fixture
def pool(resources):
    """Make a user pool of a job type that never sleeps."""
    settings = Settings.parse(resources.variable(pacing_seconds=0.001))
    client = boto3.client("cognito-idp", config=aws.COGNITO)
    return lambda jobtype: UserPool(client, settings, Pacer(0), jobtype=jobtype, sleep=lambda _: None)


@pytest.fixture
def user(resources, local_aws):
    """A user who is enabled or not: its username, and whether it is enabled now."""

    class User:
        def __init__(self):
            resources.add_user(ROW.useremail)
            self.name = resources.users()[ROW.useremail].username
            local_aws.reset()

        def set(self, *, enabled):
            call = resources.cognito.admin_enable_user if enabled else resources.cognito.admin_disable_user
            call(UserPoolId=resources.user_pool_id, Username=self.name)
            local_aws.reset()

        @property
        def enabled(self):
            return resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=self.name)["Enabled"]

    return User()


def operations(local_aws):
    """Return the operations that were called."""
    return [call["operation"] for call in local_aws.calls()]


@BOTH
def test_a_user_is_changed_by_its_own_name(pool, user, local_aws, jobtype):
    """One look-up and one call; the name is stored between the two."""
    user.set(enabled=jobtype == "disable")
    stored = []
    outcome = pool(jobtype).process(ROW, ResumeState(found=lambda name: stored.append((name, operations(local_aws)))))
    assert (outcome.status, outcome.message, outcome.code, outcome.username) == ("succeeded", "-", "", user.name)
    assert stored == [(user.name, ["AdminGetUser"])]
    assert operations(local_aws) == ["AdminGetUser", OPERATION[jobtype]]
    assert user.enabled is (jobtype == "enable")


@BOTH
def test_a_user_who_is_so_already_is_a_success_without_a_call(pool, user, local_aws, jobtype):
    """It says that nothing was changed, so the same list can be run again."""
    user.set(enabled=jobtype == "enable")
    outcome = pool(jobtype).process(ROW, ResumeState())
    assert (outcome.status, outcome.code, outcome.username) == ("succeeded", LEFT_UNCHANGED, user.name)
    assert outcome.message == f"{jobtype.capitalize()}d already."
    assert operations(local_aws) == ["AdminGetUser"]


@BOTH
def test_who_does_not_exist_is_a_failure(pool, resources, local_aws, jobtype):
    """As of a deletion."""
    outcome = pool(jobtype).process(ROW, ResumeState())
    assert (outcome.status, outcome.code) == ("failed", "UserNotFoundException")
    assert operations(local_aws) == ["AdminGetUser"]


@BOTH
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_lost_answer_is_recovered(pool, user, local_aws, jobtype, kind):
    """Whether or not the lost call had its effect, the user is so, and it counts as this run's doing."""
    user.set(enabled=jobtype == "disable")
    local_aws.fault(OPERATION[jobtype], kind)
    outcome = pool(jobtype).process(ROW, ResumeState())
    assert (outcome.status, outcome.code) == ("succeeded", "")
    assert user.enabled is (jobtype == "enable")


@BOTH
def test_a_user_whom_a_dead_worker_changed_is_its_success(pool, user, local_aws, jobtype):
    """The name that it stored says that the user was not so before."""
    user.set(enabled=jobtype == "disable")
    local_aws.fault(OPERATION[jobtype], "drop_after", times=1)
    local_aws.fault(OPERATION[jobtype], code="AccessDeniedException", message="No more.", times=1)
    with pytest.raises(CallsStoppedError) as stopped:
        pool(jobtype).process(ROW, ResumeState())
    assert stopped.value.pending.outcome().code == "Interrupted"
    local_aws.reset()
    outcome = pool(jobtype).process(ROW, ResumeState(stopped.value.pending))
    assert (outcome.status, outcome.code, outcome.message) == ("succeeded", "", "-")
    assert operations(local_aws) == ["AdminGetUser"]


def test_a_user_whom_a_dead_worker_never_found_was_so_already(pool, user):
    """It named the user as its next, and no more."""
    user.set(enabled=False)
    left = Unsettled(1, ROW.useremail, SINCE)
    assert pool("disable").process(ROW, ResumeState(left)).code == LEFT_UNCHANGED


def test_only_disabling_heeds_what_other_runs_say(pool, user):
    """A user who was imported since may not be disabled; nothing speaks against enabling one."""
    objection = ResumeState(objection=lambda *_: ("ImportedSince", "Named by a later run."))
    assert pool("disable").process(ROW, objection).code == "ImportedSince"
    assert user.enabled
    user.set(enabled=False)
    assert pool("enable").process(ROW, objection).status == "succeeded"
    assert user.enabled
