"""Faults that come by chance, last for a while or strike the children of a Map Run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from tests.sandbox.aws.errors import code_of

from sandbox.aws.process import LocalAws
from sandbox.waiting import until

COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider"
MAIL = {
    "Source": "sender@example.com",
    "Destination": {"ToAddresses": ["a@example.com"]},
    "Message": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}},
}


def create(pool: str, username: str, **more: Any) -> dict[str, Any]:
    """Return a Task that creates a user; `username` may be an expression."""
    arguments = {"UserPoolId": pool, "Username": username, "MessageAction": "SUPPRESS"}
    return {"Type": "Task", "Resource": f"{COGNITO}:adminCreateUser", "Arguments": arguments, **more}


def users(cognito: Any, pool: str) -> int:
    """Return how many users the pool has."""
    return len(cognito.list_users(UserPoolId=pool)["Users"])


def test_a_call_can_be_done_and_answered_with_an_error(
    aws: LocalAws, cognito: Any, machine: Callable[..., Any], pool: str
) -> None:
    """Over HTTP and from a state machine the caller sees a 500 of a user who exists."""
    aws.fault("AdminCreateUser", "error_after", times=2)
    with pytest.raises(ClientError, match="InternalErrorException") as caught:
        cognito.admin_create_user(UserPoolId=pool, Username="a@example.com")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    failed = machine(create(pool, "b@example.com")).run()
    assert failed["error"] == "CognitoIdentityProvider.InternalErrorException"
    assert "Status Code: 500" in failed["cause"]
    assert users(cognito, pool) == 2


def test_a_mail_can_go_out_and_be_answered_with_an_error(aws: LocalAws, client: Callable[..., Any]) -> None:
    """SES says that it failed, and the mail is in the outbox."""
    ses = client("ses")
    ses.verify_email_identity(EmailAddress="sender@example.com")
    before = len(aws.outbox())
    aws.fault("SendEmail", "error_after", service="ses", code="InternalFailure")
    assert code_of(ses.send_email, **MAIL) == "InternalFailure"
    assert len(aws.outbox()) == before + 1


@pytest.mark.parametrize(("kind", "count"), [("silent", 1), ("silent_before", 0)])
def test_a_call_can_stay_without_an_answer(
    aws: LocalAws, client: Callable[..., Any], cognito: Any, pool: str, kind: str, count: int
) -> None:
    """The client gives up by its own timeout; whether the call took effect is told apart by the kind."""
    aws.fault("AdminCreateUser", kind, seconds=30)
    hurried = client("cognito-idp", config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}, proxies={}))
    with pytest.raises(ReadTimeoutError):
        hurried.admin_create_user(UserPoolId=pool, Username="a@example.com")
    assert users(cognito, pool) == count


def test_silence_is_bounded_and_times_a_task_out(
    aws: LocalAws, cognito: Any, machine: Callable[..., Any], pool: str
) -> None:
    """At the end of its seconds the connection is cut; a Task with a shorter TimeoutSeconds does not wait for it."""
    aws.fault("AdminCreateUser", "silent", seconds=0.2)
    with pytest.raises(ConnectionClosedError):
        cognito.admin_create_user(UserPoolId=pool, Username="a@example.com")
    aws.fault("AdminCreateUser", "silent", seconds=30)
    assert machine(create(pool, "b@example.com", TimeoutSeconds=1)).run()["error"] == "States.Timeout"
    assert users(cognito, pool) == 2
    assert aws.calls()[-2]["code"] is None


def test_a_share_of_the_calls_can_fail(aws: LocalAws, cognito: Any, pool: str) -> None:
    """The calls that fail are drawn from the seed, the same ones each time, until the faults are cleared."""

    def failed(seed: int) -> list[int]:
        aws.clear_faults()
        aws.fault("GetGroup", code="InternalErrorException", probability=0.3, seed=seed, times=None)
        group = {"UserPoolId": pool, "GroupName": "BASIC"}
        return [number for number in range(40) if code_of(cognito.get_group, **group)]

    first = failed(1)
    assert 5 <= len(first) <= 20
    assert failed(1) == first
    assert failed(2) != first
    aws.clear_faults()
    assert code_of(cognito.get_group, UserPoolId=pool, GroupName="BASIC") == ""


def test_an_outage_may_have_its_own_code_and_operation(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """DescribeExecution is refused for a moment while the execution goes on and others are described."""
    made = machine({"Type": "Pass"})
    execution = made.start()
    aws.outage("states", 0.5, operation="DescribeExecution", code="ThrottlingException", status=400)
    with pytest.raises(ClientError, match="ThrottlingException"):
        made.states.describe_execution(executionArn=execution)
    assert made.states.describe_state_machine(stateMachineArn=made.arn)["status"] == "ACTIVE"
    time.sleep(0.5)
    assert made.wait(execution)["status"] == "SUCCEEDED"


def test_an_outage_of_cognito_reaches_a_state_machine(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """All calls meet the code asked for until it is over, then the Retry gets through."""
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5}]
    aws.outage("cognito-idp", 0.5, code="InternalErrorException", status=500)
    assert machine(create(pool, "a@example.com", Retry=retry)).run()["status"] == "SUCCEEDED"
    codes = [call["code"] for call in aws.calls() if call["operation"] == "AdminCreateUser"]
    assert codes == ["InternalErrorException", ""]


def test_a_service_can_time_out_for_a_while(aws: LocalAws, client: Callable[..., Any], bucket: str) -> None:
    """S3 takes the connections and answers nothing."""
    hurried = client("s3", config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}, proxies={}))
    aws.outage("s3", 30, kind="silent_before")
    with pytest.raises(ReadTimeoutError):
        hurried.put_object(Bucket=bucket, Key="key", Body=b"")
    aws.clear_faults()
    assert "Contents" not in client("s3").list_objects_v2(Bucket=bucket)


def import_of(pool: str, **fields: Any) -> dict[str, Any]:
    """Return a distributed Map whose express children create the users of their item one after another."""
    each = {"StartAt": "Create", "States": {"Create": create(pool, "{% $states.input %}", Output={}, End=True)}}
    states = {"Each": {"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": each, "MaxConcurrency": 1}}
    states["Each"] |= {"Output": "{% $count($states.result) %}", "End": True}
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, "StartAt": "Each"}
    return {
        "Type": "Map",
        "Items": "{% $states.input %}",
        "ItemProcessor": {**processor, "States": states},
        "ToleratedFailurePercentage": 100,
        "MaxConcurrency": 1,
        **fields,
    }


BATCHES = [[f"user{batch}{number}@example.com" for number in range(3)] for batch in range(3)]


def creations(aws: LocalAws) -> Counter[str]:
    """Return how often each user was created."""
    return Counter(call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser")


def test_a_child_can_be_killed_as_it_enters_a_state(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """The second child dies before its third call; the Map Run counts it as failed and goes on."""
    made = machine(import_of(pool))
    aws.kill_child(after=1, state="Create", visits=3)
    results = made.output(BATCHES)
    assert [results[0], results[2]] == [3, 3]
    assert results[1]["Status"] == "FAILED"
    assert creations(aws) == Counter([*BATCHES[0], *BATCHES[1][:2], *BATCHES[2]])


def test_a_child_can_be_killed_in_the_middle_of_a_call(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """The call in progress takes effect, and nothing comes after it."""
    aws.fault("AdminCreateUser", "hang", seconds=0.4)
    aws.kill_child(seconds=0.2)
    (result,) = machine(import_of(pool)).output([BATCHES[0]])
    assert result["Status"] == "FAILED"
    assert creations(aws) == Counter(BATCHES[0][:1])


@pytest.mark.parametrize("seconds", [0, 0.1, -1], ids=["beside", "later", "afterwards"])
def test_a_child_can_run_twice(aws: LocalAws, machine: Callable[..., Any], pool: str, seconds: float) -> None:
    """All of its states run again, and one of the two results counts: the one that made no user is not seen."""
    aws.double_child(seconds=seconds)
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Twice"}]
    state = import_of(pool)
    each = state["ItemProcessor"]["States"]["Each"]["ItemProcessor"]["States"]
    each["Create"]["Catch"] = catch
    each["Twice"] = {"Type": "Pass", "End": True}
    assert machine(state).output(BATCHES) == [3, 3, 3]
    assert creations(aws) == Counter([*BATCHES[0] * 2, *BATCHES[1], *BATCHES[2]])


def test_stopping_an_execution_stops_a_child_that_runs_twice(
    aws: LocalAws, machine: Callable[..., Any], pool: str
) -> None:
    """Neither of the two goes on."""
    aws.double_child()
    aws.fault("AdminCreateUser", "hang", seconds=0.5, times=2)
    made = machine(import_of(pool))
    execution = made.start([BATCHES[0]])
    until("both of its calls", aws.calls, lambda seen: sum(call["code"] is None for call in seen) == 2, every=0.01)
    made.states.stop_execution(executionArn=execution)
    time.sleep(0.7)
    assert creations(aws) == Counter({BATCHES[0][0]: 2})
