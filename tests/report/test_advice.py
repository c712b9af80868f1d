"""What a report advises about users who are left, followed: the user pool is true afterwards."""

import boto3
import pytest

from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import INTERRUPTED, NOT_ATTEMPTED
from cognito_import.report.reasons import Reasons
from cognito_import.report.results import write_csv
from cognito_import.report.rows import all_outcomes
from cognito_import.run.folder import RunFolder

TO_CLEAR = {
    "en": "clear the run's failed tasks in Airflow, with Downstream",
    "ja": "Airflow でこの実行の失敗したタスクを「下流」を含めて消去",
}
USERS = [f"user{number}@example.com" for number in range(1, 7)]


@pytest.fixture
def run(resources, settings):
    """Ingest a run of this name; return a way to process it, and what its report says of each user."""

    def run(name, source=None):
        folder = RunFolder(resources.s3, resources.bucket, name)
        users = {"source": source} if source else {"data": [{"useremail": address} for address in USERS]}
        manifest = ingest_request({**users, "adminemail": resources.admin}, settings, resources.s3, folder)

        def work():
            """Do what the run's tasks do: those that have failed are run again by a clear."""
            client = boto3.client("cognito-idp", config=aws.COGNITO)
            pool = UserPool(client, settings, Pacer(0), sleep=lambda _: None)
            for batch in manifest.batches:
                try:
                    run_batch(folder, batch, pool, sleep=lambda _: None)
                except CallsStoppedError:
                    break

        def told(locale="en"):
            reasons = Reasons(locale, name)
            return {outcome.useremail: reasons.told(outcome) for outcome in all_outcomes(folder, manifest)}

        return work, told

    return run


def _lost_then_expired(local_aws):
    """The third user is created, the answer is lost, and the credentials end before anybody could look."""
    local_aws.fault("AdminCreateUser", kind="drop_after", username=USERS[2], times=1)
    local_aws.fault("AdminCreateUser", code="ExpiredTokenException", username=USERS[2], times=1)
    local_aws.fault("AdminGetUser", code="ExpiredTokenException", times=1)


def _group_denied(local_aws):
    """The third user is created, and may not be put into its group."""
    local_aws.fault("AdminAddUserToGroup", code="AccessDeniedException", message="Not allowed.", after=2, times=1)


def _denied(local_aws):
    """Nobody may be created behind the second user."""
    local_aws.fault("AdminCreateUser", code="AccessDeniedException", message="Not allowed.", after=2, times=1)


@pytest.mark.parametrize("fault", [_lost_then_expired, _group_denied, _denied], ids=lambda fault: fault.__name__)
def test_a_run_that_stopped_goes_on_by_its_own_advice(run, resources, local_aws, fault):
    """To clear the failed tasks, as each row that is left says, finishes every user: created once, and in its group."""
    work, told = run("run-1")
    fault(local_aws)
    work()
    before = told()
    left = {address: outcome for address, outcome in before.items() if outcome.code in (INTERRUPTED, NOT_ATTEMPTED)}
    assert set(left) == set(USERS[2:])
    assert left[USERS[2]].code == (NOT_ATTEMPTED if fault is _denied else INTERRUPTED)
    for locale, advice in TO_CLEAR.items():
        assert {address for address in left if advice not in told(locale)[address].message} == set()
    local_aws.clear_faults()
    work()  # the advice
    assert {address: outcome.status for address, outcome in told().items()} == dict.fromkeys(USERS, "succeeded")
    assert {address: user.groups for address, user in resources.users().items()} == {key: {"BASIC"} for key in USERS}


def test_a_run_that_never_began_goes_on_by_its_own_advice(run, resources):
    """The same holds where the engine ended before anybody was called for."""
    work, told = run("run-1")
    assert {outcome.code for outcome in told().values()} == {NOT_ATTEMPTED}
    for locale, advice in TO_CLEAR.items():
        assert all(advice in outcome.message for outcome in told(locale).values())
    work()
    assert {outcome.status for outcome in told().values()} == {"succeeded"}
    assert set(resources.users()) == set(USERS)


def test_a_new_import_would_leave_an_unsettled_user_without_its_group(run, resources, local_aws):
    """That is why no reason advises it."""
    work, told = run("run-1")
    _lost_then_expired(local_aws)
    work()
    assert told()[USERS[2]].code == INTERRUPTED
    local_aws.clear_faults()
    again, told_again = run("run-2")
    again()
    assert told_again()[USERS[2]].code == "UsernameExistsException"
    assert resources.users()[USERS[2]].groups == set()


def test_a_failed_user_who_exists_is_put_into_its_group_by_hand(run, resources, local_aws):
    """A value in `username` says so, as the mail tells: a new import would not add the user, the console does."""
    work, told = run("run-1")
    local_aws.fault("AdminAddUserToGroup", code="InvalidParameterException", message="No.", after=2, times=1)
    work()
    failed = told()[USERS[2]]
    assert (failed.code, bool(failed.username)) == ("InvalidParameterException", True)
    again, told_again = run("run-2")
    again()
    assert told_again()[USERS[2]].code == "UsernameExistsException"
    assert resources.users()[USERS[2]].groups == set()
    resources.cognito.admin_add_user_to_group(
        UserPoolId=resources.user_pool_id, Username=failed.username, GroupName="BASIC"
    )  # the advice
    assert {user.groups for user in resources.users().values()} == {frozenset({"BASIC"})}


def test_a_report_whose_rows_were_corrected_is_the_next_request(run, resources, settings, local_aws, tmp_path):
    """Its failed rows are imported, and nobody else is called for; everybody is then in the pool and the group."""
    work, told = run("run-1")
    local_aws.fault("AdminCreateUser", code="InvalidParameterException", message="Bad.", username=USERS[2], times=1)
    work()
    assert told()[USERS[2]].code == "InvalidParameterException"
    path = tmp_path / "report.csv"
    write_csv(told("ja").values(), path)
    corrected = path.read_bytes().replace(USERS[2].encode(), b"right@example.com")  # the advice
    resources.s3.put_object(Bucket=resources.bucket, Key="in/report.csv", Body=corrected)
    again, told_again = run("run-2", source=f"s3://{resources.bucket}/in/report.csv")
    local_aws.reset()
    again()
    assert {outcome.status for outcome in told_again().values()} == {"succeeded"}
    assert {call["username"] for call in local_aws.calls() if call["operation"] == "AdminCreateUser"} == {
        "right@example.com"
    }
    wanted = {*USERS, "right@example.com"} - {USERS[2]}
    assert {address: user.groups for address, user in resources.users().items()} == {key: {"BASIC"} for key in wanted}
