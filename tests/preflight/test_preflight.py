"""Preflight."""

from datetime import timedelta

import pytest

from cognito_import.errors import NotReadyError, PreflightError


def test_a_ready_aws_passes(preflight, resources, local_aws):
    """No problem, no warning, and no user is touched."""
    assert preflight() == []
    assert {call["operation"] for call in local_aws.calls()} <= {"DescribeUserPool", "GetGroup", "GetProvisionedLimit"}
    assert resources.users() == {}


@pytest.mark.parametrize(
    ("change", "groups", "words"),
    [
        pytest.param({"user_pool_id": "ap-northeast-1_Missing99"}, None, ["user pool", "'user_pool_id'"], id="pool"),
        pytest.param({}, ["BASIC", "GHOST"], ["group 'GHOST'", "create it"], id="group"),
        pytest.param({"report_bucket": "no-such-bucket-here"}, None, ["bucket 'no-such", "create it"], id="bucket"),
        pytest.param({"mail_from": "ghost@example.org"}, None, ["ghost@example.org", "not verified"], id="sender"),
        pytest.param({"slots": 30}, None, ["30 calls a second", "25", "UserUpdate"], id="pace"),
        pytest.param({"pacing_seconds": 0.5}, None, ["40 calls a second", "pacing_seconds"], id="pacing"),
        pytest.param({"pace": "all", "reserve": 24}, None, ["leaves 1 of Cognito's 25", "'reserve'"], id="reserve"),
    ],
)
def test_what_is_not_ready_is_named(preflight, change, groups, words):
    """Each problem says what is wrong and what to do."""
    with pytest.raises(PreflightError) as found:
        preflight(change, groups)
    assert len(found.value.problems) == 1
    assert [word for word in words if word not in found.value.problems[0]] == []


def test_everything_wrong_is_said_at_once(preflight):
    """One look is enough to fix all of it."""
    change = {
        "user_pool_id": "ap-northeast-1_Missing99",
        "report_bucket": "no-such-b",
        "mail_from": "g@example.org",
        "slots": 60,
    }
    with pytest.raises(PreflightError, match="no user was touched") as found:
        preflight(change)
    assert len(found.value.problems) == 5
    assert "5 problems" in str(found.value)


def test_a_raised_quota_counts(preflight, local_aws):
    """The quota in force is asked for; a role that may not ask gets the default table."""
    with pytest.raises(PreflightError, match="above Cognito's 50 a second for UserCreation"):
        preflight({"slots": 60})
    local_aws.fault("GetProvisionedLimit", code="AccessDeniedException", times=2)
    with pytest.raises(PreflightError, match="above Cognito's 50 a second for UserCreation"):
        preflight({"slots": 60})


def test_slots_too_few_for_a_raised_quota_are_said(preflight, local_aws):
    """A slot makes some three calls a second, so the words name the three places that have to be raised together."""
    local_aws.quotas(UserCreation=200, UserUpdate=103)
    (warning,) = preflight({"pace": "all"})
    assert "leave 100 calls a second, and 20 slots make 3 each" in warning
    assert "COGNITO_IMPORT_POOL_SLOTS to 34" in warning
    assert preflight({"pace": "all", "slots": 34}) == []


def test_a_denial_names_the_permission(preflight, local_aws):
    """What the role may not look at is a problem with the action to allow."""
    local_aws.fault("DescribeUserPool", code="AccessDeniedException", times=1)
    with pytest.raises(PreflightError, match="cognito-idp:DescribeUserPool"):
        preflight()


def test_credentials_that_end_before_the_link_are_a_warning(preflight):
    """The mail will say when the link really ends, so the run goes on."""
    (warning,) = preflight(end=timedelta(hours=1))
    assert "36 hours" in warning
    assert preflight(end=timedelta(hours=37)) == []


def test_an_execution_that_could_never_have_its_slots_is_said(preflight):
    """A pool of another size than the state machine's task asks for would let it wait for ever without a word."""
    with pytest.raises(PreflightError, match="COGNITO_IMPORT_POOL_SLOTS to 10") as found:
        preflight({"slots": 10, "engine": "step_functions"}, pool_slots=20)
    assert "'slots' is 10" in str(found.value)
    with pytest.raises(PreflightError) as other:
        preflight({"slots": 20, "engine": "step_functions"}, pool_slots=20)
    assert "COGNITO_IMPORT_POOL_SLOTS" not in str(other.value)


@pytest.mark.parametrize(
    ("slots", "pool_slots", "words"),
    [
        pytest.param(5, 20, "has 20 slots", id="larger"),
        pytest.param(20, -1, "is endless", id="endless"),
        pytest.param(20, 20, "", id="same"),
        pytest.param(20, 10, "", id="smaller-is-slower-no-more"),
        pytest.param(20, None, "", id="unknown"),
    ],
)
def test_slots_are_a_cap_for_mapped_tasks_too(preflight, slots, pool_slots, words):
    """A pool of more slots than the pace counts with lets more tasks call at once."""
    if not words:
        preflight({"slots": slots}, pool_slots=pool_slots)
        return
    with pytest.raises(PreflightError, match=f"{words} and the setting 'slots' is {slots}"):
        preflight({"slots": slots}, pool_slots=pool_slots)


# What is no refusal


def test_a_throttle_is_repeated_and_no_refusal(preflight, local_aws):
    """A busy account throttles a look at a group now and then; the next attempt gets its answer."""
    local_aws.fault("GetGroup", code="TooManyRequestsException", message="Rate exceeded", times=3)
    local_aws.fault("DescribeUserPool", code="InternalErrorException", status=500, times=1)
    assert preflight() == []


def test_what_cannot_be_seen_now_is_tried_again(preflight, local_aws):
    """An outage is not the run's fault: the error is one that retries outlast, and it says what could not be looked at."""
    local_aws.fault("GetGroup", code="TooManyRequestsException", message="Rate exceeded", times=20)
    with pytest.raises(NotReadyError, match=r"no user was touched.*\n.*group 'BASIC'.*Rate exceeded") as failed:
        preflight()
    assert failed.value.temporary


def test_what_is_wrong_is_said_although_something_could_not_be_seen(preflight, local_aws):
    """Waiting would not fix it, so the run is refused at once."""
    local_aws.fault("GetGroup", code="TooManyRequestsException", message="Rate exceeded", times=20)
    with pytest.raises(PreflightError, match="no-such-bucket-here"):
        preflight({"report_bucket": "no-such-bucket-here"})


def test_expired_credentials_are_a_refusal(preflight, local_aws):
    """Trying again with the same credentials is of no use."""
    local_aws.fault("DescribeUserPool", code="ExpiredTokenException", times=20)
    with pytest.raises(PreflightError, match="check the credentials"):
        preflight()


def groups_of(resources):
    """Return the names of the user pool's groups."""
    found = resources.cognito.list_groups(UserPoolId=resources.user_pool_id)["Groups"]
    return {group["GroupName"] for group in found}


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        pytest.param({"create_groups": True}, {}, id="setting"),
        pytest.param({}, {"create_groups": True}, id="request"),
    ],
)
def test_groups_are_created_where_that_is_wanted(preflight, resources, change, keys):
    """The missing one alone, so that a user can join it; another preflight finds it."""
    for _ in range(2):
        assert preflight(change, groups=["BASIC", "NEW"], keys=keys) == []
        assert groups_of(resources) == {"BASIC", "NEW"}


@pytest.mark.parametrize(
    ("change", "keys", "problem"),
    [
        pytest.param({"slots": 30}, {}, "slots", id="something-else-is-wrong"),
        pytest.param({}, {"create_groups": False}, "The group 'NEW'", id="request-says-no"),
    ],
)
def test_no_group_is_created_where_that_is_not_wanted(preflight, resources, change, keys, problem):
    """A run that does not begin changes nothing, and a request goes before the setting."""
    with pytest.raises(PreflightError, match=problem):
        preflight({"create_groups": True, **change}, groups=["NEW"], keys=keys)
    assert groups_of(resources) == {"BASIC"}


def test_a_group_that_may_not_be_created_is_a_problem(preflight, local_aws):
    """The message names the group and both permissions."""
    local_aws.fault("CreateGroup", code="AccessDeniedException", message="No.")
    with pytest.raises(PreflightError, match=r"'NEW'.*cognito-idp:GetGroup and CreateGroup on the user pool"):
        preflight({"create_groups": True}, groups=["NEW"])
