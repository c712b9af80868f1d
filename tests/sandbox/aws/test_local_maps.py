"""Map states, inline and distributed, as AWS documents them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.process import LocalAws
from sandbox.waiting import until

COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider"


def distributed(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a distributed Map whose express children run `states` from the first one."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": next(iter(states)),
        "States": states,
    }
    return {"Type": "Map", "Label": "Users", "ItemProcessor": processor, **fields}


def reader(bucket: str) -> dict[str, Any]:
    """Return an ItemReader whose arguments are expressions."""
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Arguments": {"Bucket": f"{{% '{bucket}' %}}", "Key": "{% $states.input.key %}"},
    }


def creation(pool: str) -> dict[str, Any]:
    """Return a last Task that creates the user that its input names."""
    user = {"UserPoolId": pool, "Username": "{% $states.input %}", "MessageAction": "SUPPRESS"}
    return {"Type": "Task", "Resource": f"{COGNITO}:adminCreateUser", "Arguments": user, "End": True}


SAME = {"Same": {"Type": "Pass", "End": True}}
FAIL_ON_BAD = {
    "Check": {
        "Type": "Choice",
        "Default": "Good",
        "Choices": [{"Condition": "{% $states.input = 'bad' %}", "Next": "Bad"}],
    },
    "Good": {"Type": "Succeed"},
    "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "It is bad"},
}


def test_items_are_read_from_s3(client: Callable[..., Any], machine: Callable[..., Any], bucket: str) -> None:
    """The object is a JSON array, and its items keep their order; anything else fails the reader."""
    s3 = client("s3")
    made = machine(distributed(SAME, ItemReader=reader(bucket)))
    s3.put_object(Bucket=bucket, Key="rows", Body=b'[{"useremail": "a@example.com"}, {"useremail": "b@example.com"}]')
    assert made.output({"key": "rows"}) == [{"useremail": "a@example.com"}, {"useremail": "b@example.com"}]
    for body in (b'{"users": []}', b"useremail\na@example.com"):
        s3.put_object(Bucket=bucket, Key="rows", Body=body)
        assert made.run({"key": "rows"})["error"] == "States.ItemReaderFailed"


def test_a_missing_file_fails_the_reader(machine: Callable[..., Any], bucket: str) -> None:
    """States.ItemReaderFailed names what S3 said."""
    failed = machine(distributed(SAME, ItemReader=reader(bucket))).run({"key": "none"})
    assert failed["error"] == "States.ItemReaderFailed"
    assert "NoSuchKey" in failed["cause"]


def test_a_selector_shapes_every_item(machine: Callable[..., Any]) -> None:
    """ItemSelector reads the item, its index, the Map's input and the outer variables."""
    made = machine(
        {
            "StartAt": "Set",
            "States": {
                "Set": {"Type": "Pass", "Assign": {"run": "r1"}, "Next": "Each"},
                "Each": distributed(
                    SAME,
                    End=True,
                    Items="{% $states.input.data %}",
                    ItemSelector={
                        "user": "{% $states.context.Map.Item.Value %}",
                        "row": "{% $states.context.Map.Item.Index %}",
                        "pool": "{% $states.input.pool %}",
                        "run": "{% $run %}",
                    },
                ),
            },
        }
    )
    assert made.output({"data": ["a", "b"], "pool": "p"}) == [
        {"user": "a", "row": 0, "pool": "p", "run": "r1"},
        {"user": "b", "row": 1, "pool": "p", "run": "r1"},
    ]


def test_no_more_children_run_at_once_than_allowed(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """MaxConcurrency, as an expression, holds: with 2 at most two calls hang at a time."""
    fields = {"Items": "{% $states.input.data %}", "MaxConcurrency": "{% $states.input.most %}"}
    made = machine(distributed({"Create": creation(pool)}, **fields))
    aws.fault("AdminCreateUser", "hang", seconds=0.3, times=6)
    execution = made.start({"data": [f"user{n}@example.com" for n in range(6)], "most": 2})
    at_once = set()
    while made.states.describe_execution(executionArn=execution)["status"] == "RUNNING":
        at_once.add(sum(call["code"] is None for call in aws.calls()))
    assert max(at_once) == 2


@pytest.mark.parametrize(
    ("threshold", "status"),
    [
        pytest.param({}, "FAILED", id="none"),
        pytest.param(
            {"ToleratedFailurePercentage": "{% 8 * $count($states.input) %}"}, "SUCCEEDED", id="percentage reached"
        ),
        pytest.param({"ToleratedFailurePercentage": 39}, "FAILED", id="percentage exceeded"),
    ],
)
def test_a_map_run_tolerates_so_many_failures(
    machine: Callable[..., Any], threshold: dict[str, Any], status: str
) -> None:
    """Two of five fail: what a threshold allows succeeds, and one more fails the Map Run."""
    made = machine(distributed(FAIL_ON_BAD, Items="{% $states.input %}", **threshold))
    ended = made.run(["good", "bad", "good", "bad", "good"])
    assert ended["status"] == status
    assert ended.get("error") == ("States.ExceedToleratedFailureThreshold" if status == "FAILED" else None)


def test_the_parents_history_does_not_grow_with_its_children(machine: Callable[..., Any]) -> None:
    """A distributed Map has the same few events for one item and for fifty; an inline one has more for each."""

    def events(state: dict[str, Any], items: int) -> int:
        made = machine({**state, "Items": "{% $states.input %}"})
        execution = made.start(list(range(items)))
        assert made.wait(execution)["status"] == "SUCCEEDED"
        return len(made.events(execution))

    assert events(distributed(SAME), 1) == events(distributed(SAME), 50) == 6
    inline = {"Type": "Map", "ItemProcessor": {"StartAt": "Same", "States": SAME}}
    assert [events(inline, 1), events(inline, 50)] == [6 + 4, 6 + 4 * 50]


def test_a_child_sees_no_outer_variables(machine: Callable[..., Any]) -> None:
    """On AWS the variables of the parent do not reach the children of a distributed Map."""
    states = {"Read": {"Type": "Pass", "Output": "{% $run %}", "End": True}}
    made = machine(
        {
            "StartAt": "Set",
            "States": {
                "Set": {"Type": "Pass", "Assign": {"run": "r1"}, "Next": "Each"},
                "Each": distributed(states, Items="{% [1] %}", End=True),
            },
        }
    )
    assert made.run()["status"] == "FAILED"


def test_express_children_end_at_their_limit(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """A batch that takes longer than five minutes (a second here) is timed out, and counts as failed."""
    aws.limits(express_seconds=1)
    made = machine(distributed({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, Items="{% [1] %}"))
    ended = made.run()
    aws.limits()
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"


def test_stopping_the_parent_stops_its_children(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """After StopExecution no child starts, and none makes another call."""
    groups = {"UserPoolId": pool, "GroupName": "BASIC"}
    children = {
        "GetGroup": {"Type": "Task", "Resource": f"{COGNITO}:getGroup", "Arguments": groups, "Next": "Create"},
        "Create": creation(pool),
    }
    made = machine(distributed(children, Items="{% $states.input %}", MaxConcurrency=2))
    aws.fault("GetGroup", "hang", seconds=0.7, times=None)
    execution = made.start([f"user{number}@example.com" for number in range(5)])
    until("two children are at work", lambda: sum(call["operation"] == "GetGroup" for call in aws.calls()) == 2)
    made.states.stop_execution(executionArn=execution)
    time.sleep(1.2)
    assert [call["operation"] for call in aws.calls()][-2:] == ["GetGroup"] * 2


def test_a_redriven_map_run_repeats_only_what_failed(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """Children that succeeded are not run again; those that failed or never started are."""
    made = machine(distributed({"Create": creation(pool)}, Items="{% $states.input %}", MaxConcurrency=1))
    aws.fault("AdminCreateUser", code="InternalErrorException", username="b@example.com")
    execution = made.start(["a@example.com", "b@example.com", "c@example.com"])
    assert made.wait(execution)["status"] == "FAILED"
    made.states.redrive_execution(executionArn=execution)
    assert made.wait(execution)["status"] == "SUCCEEDED"
    assert [call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser"] == [
        "a@example.com",
        "b@example.com",
        "b@example.com",
        "c@example.com",
    ]


def test_an_outage_of_s3_reaches_the_state_machine(
    aws: LocalAws, client: Callable[..., Any], machine: Callable[..., Any], bucket: str
) -> None:
    """Reading the items fails while S3 is out, and can be caught."""
    client("s3").put_object(Bucket=bucket, Key="rows", Body=b"[]")
    made = machine(
        {
            "StartAt": "Each",
            "States": {
                "Each": distributed(
                    SAME,
                    End=True,
                    ItemReader=reader(bucket),
                    Catch=[
                        {"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"},
                    ],
                ),
                "Caught": {"Type": "Succeed", "Output": "caught"},
            },
        }
    )
    aws.outage("s3", 30)
    assert made.output({"key": "rows"}) == "caught"
