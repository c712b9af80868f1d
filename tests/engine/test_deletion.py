"""The deletion of one user, on the emulated AWS."""

import pytest
from tests.engine.one_user import ROW, names

from cognito_import.engine.jobs import ResumeState
from cognito_import.errors import CallsStoppedError, LeaseLostError


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
    """Deleted by a dead worker, signed up again with the same address: the worker that resumes leaves that user alone."""
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
def test_a_lost_answer_to_a_deletion_is_recovered(make, resources, local_aws, operation, kind, details):
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
