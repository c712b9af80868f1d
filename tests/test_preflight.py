"""Preflight."""

from datetime import timedelta

import pytest

from cognito_import.errors import PreflightError
from cognito_import.intake import take_in
from cognito_import.preflight import Clients, check
from cognito_import.run_folder import RunFolder
from cognito_import.settings import Settings

FINE = {"pacing_seconds": 1.0}


@pytest.fixture
def preflight(ground):
    """Check a run of one user with these settings."""

    def preflight(change=None, groups=None, end=None, **options):
        settings = Settings.parse(ground.variable(**FINE) if change is None else _changed(ground, change))
        folder = RunFolder(ground.s3, ground.bucket, "run-1")
        request = {"data": [{"useremail": "a@example.com", "groups": groups}], "adminemail": ground.admin}
        manifest = take_in(request, settings, ground.s3, folder)
        end = end and manifest.began_at + end
        clients = Clients(ground.cognito, ground.s3, ground.ses, ground.step_functions)
        return check(manifest, settings, clients, end, **options)

    return preflight


def _changed(ground, change):
    import json

    return {**json.loads(ground.variable(**FINE)), **change}


def test_a_ready_aws_passes(preflight, ground, local_aws):
    """No problem, no warning, and no user is touched."""
    assert preflight() == []
    assert {call["operation"] for call in local_aws.calls()} <= {"DescribeUserPool", "GetGroup", "GetProvisionedLimit"}
    assert ground.users() == {}


@pytest.mark.parametrize(
    ("change", "groups", "words"),
    [
        pytest.param({"user_pool_id": "ap-northeast-1_Missing99"}, None, ["user pool", "'user_pool_id'"], id="pool"),
        pytest.param({}, ["BASIC", "GHOST"], ["group 'GHOST'", "create it"], id="group"),
        pytest.param({"report_bucket": "no-such-bucket-here"}, None, ["bucket 'no-such", "create it"], id="bucket"),
        pytest.param({"mail_from": "ghost@example.org"}, None, ["ghost@example.org", "not verified"], id="sender"),
        pytest.param({"slots": 30}, None, ["30 calls a second", "25", "UserResourceUpdate"], id="pace"),
        pytest.param({"pacing_seconds": 0.5}, None, ["40 calls a second", "pacing_seconds"], id="pacing"),
    ],
)
def test_what_is_not_ready_is_named(preflight, change, groups, words):
    """Each problem says what is wrong and what to do."""
    with pytest.raises(PreflightError) as found:
        preflight(change, groups)
    assert len(found.value.problems) == 1
    assert [word for word in words if word not in found.value.problems[0]] == []


def test_everything_wrong_is_said_at_once(preflight):
    """One look is enough to mend all of it."""
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
