"""Map states, inline and distributed, as AWS documents them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.process import LocalAws

COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider"
READERS = {
    "JSONL": '{"useremail": "a@example.com"}\n{"useremail": "b@example.com"}\n',
    "JSON": '[{"useremail": "a@example.com"}, {"useremail": "b@example.com"}]',
    "CSV": '\ufeffuseremail\r\na@example.com\r\n"b@example.com"\r\n',
}


def distributed(states: dict[str, Any], kind: str = "STANDARD", **fields: Any) -> dict[str, Any]:
    """Return a distributed Map whose children run `states` from the first one."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
        "StartAt": next(iter(states)),
        "States": states,
    }
    return {"Type": "Map", "Label": "Users", "ItemProcessor": processor, **fields}


def reader(bucket: str, key: str, **config: Any) -> dict[str, Any]:
    """Return an ItemReader whose arguments are expressions."""
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": config,
        "Arguments": {"Bucket": f"{{% '{bucket}' %}}", "Key": "{% $states.input.key %}"},
    }


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


@pytest.fixture
def load(client: Callable[..., Any], bucket: str) -> Callable[[str], Any]:
    """Return the JSON of an object in the bucket."""
    return lambda key: json.loads(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.mark.parametrize("kind", READERS)
def test_items_are_read_from_s3(
    client: Callable[..., Any], machine: Callable[..., Any], bucket: str, kind: str
) -> None:
    """JSON, JSON Lines and CSV files give the same items; the reader's arguments are expressions."""
    client("s3").put_object(Bucket=bucket, Key="rows", Body=READERS[kind].encode())
    made = machine(distributed(SAME, ItemReader=reader(bucket, "rows", InputType=kind)))
    assert sorted(made.output({"key": "rows"}), key=str) == [
        {"useremail": "a@example.com"},
        {"useremail": "b@example.com"},
    ]


def test_a_reader_takes_no_more_than_its_items(
    client: Callable[..., Any], machine: Callable[..., Any], bucket: str
) -> None:
    """MaxItems may be an expression."""
    client("s3").put_object(Bucket=bucket, Key="rows", Body=READERS["JSONL"].encode())
    made = machine(
        distributed(SAME, ItemReader=reader(bucket, "rows", InputType="JSONL", MaxItems="{% $states.input.most %}"))
    )
    assert made.output({"key": "rows", "most": 1}) == [{"useremail": "a@example.com"}]


def test_a_missing_file_fails_the_reader(machine: Callable[..., Any], bucket: str) -> None:
    """States.ItemReaderFailed names what S3 said."""
    failed = machine(distributed(SAME, ItemReader=reader(bucket, "none"))).run({"key": "none"})
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


def test_a_batch_is_full_at_its_items_or_bytes(machine: Callable[..., Any]) -> None:
    """A child gets {"BatchInput", "Items"}; both limits and the common input may be expressions."""
    state = distributed(
        SAME,
        Items="{% $states.input.data %}",
        ItemBatcher={
            "MaxItemsPerBatch": "{% $states.input.most %}",
            "BatchInput": {"pool": "{% $states.input.pool %}"},
        },
    )
    assert machine(state).output({"data": [1, 2, 3], "most": 2, "pool": "p"}) == [
        {"BatchInput": {"pool": "p"}, "Items": [1, 2]},
        {"BatchInput": {"pool": "p"}, "Items": [3]},
    ]
    by_bytes = distributed(SAME, Items="{% $states.input.data %}", ItemBatcher={"MaxInputBytesPerBatch": 300})
    batches = machine(by_bytes).output({"data": ["x" * 100] * 5})
    assert [len(batch["Items"]) for batch in batches] == [2, 2, 1]


def test_no_more_children_run_at_once_than_allowed(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """MaxConcurrency, as an expression, holds: with 2 at most two calls hang at a time."""
    children = {
        "Create": {
            "Type": "Task",
            "Resource": f"{COGNITO}:adminCreateUser",
            "End": True,
            "Arguments": {"UserPoolId": pool, "Username": "{% $states.input %}", "MessageAction": "SUPPRESS"},
        }
    }
    made = machine(distributed(children, Items="{% $states.input.data %}", MaxConcurrency="{% $states.input.most %}"))
    aws.fault("AdminCreateUser", "hang", seconds=0.3, times=6)
    execution = made.start({"data": [f"user{n}@example.com" for n in range(6)], "most": 2})
    at_once = set()
    while made.states.describe_execution(executionArn=execution)["status"] == "RUNNING":
        at_once.add(sum(call["code"] is None for call in aws.calls()))
    assert max(at_once) == 2


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_results_are_written_as_aws_writes_them(
    machine: Callable[..., Any], bucket: str, load: Callable[[str], Any], kind: str
) -> None:
    """The output points to a manifest, which names one file for each kind of end."""
    made = machine(
        distributed(
            FAIL_ON_BAD,
            kind,
            Items="{% $states.input %}",
            ToleratedFailurePercentage=100,
            ResultWriter={
                "Resource": "arn:aws:states:::s3:putObject",
                "Arguments": {"Bucket": bucket, "Prefix": "{% 'runs/' & $states.context.Execution.Name %}"},
            },
        )
    )
    execution = made.start(["good", "bad"], name=f"results-{kind}")
    output = json.loads(made.wait(execution)["output"])
    (run,) = made.states.list_map_runs(executionArn=execution)["mapRuns"]
    folder = f"runs/results-{kind}/{run['mapRunArn'].rpartition(':')[2]}"
    assert output == {
        "MapRunArn": run["mapRunArn"],
        "ResultWriterDetails": {"Bucket": bucket, "Key": f"{folder}/manifest.json"},
    }
    manifest = load(f"{folder}/manifest.json")
    assert manifest["DestinationBucket"] == bucket
    assert manifest["MapRunArn"] == run["mapRunArn"]
    assert {name: [file["Key"] for file in files] for name, files in manifest["ResultFiles"].items()} == {
        "SUCCEEDED": [f"{folder}/SUCCEEDED_0.json"],
        "FAILED": [f"{folder}/FAILED_0.json"],
        "PENDING": [],
    }
    (succeeded,) = load(f"{folder}/SUCCEEDED_0.json")
    assert (succeeded["Status"], succeeded["Input"], succeeded["Output"]) == ("SUCCEEDED", '"good"', '"good"')
    assert succeeded["ExecutionArn"].split(":")[5] == ("express" if kind == "EXPRESS" else "execution")
    (failed,) = load(f"{folder}/FAILED_0.json")
    assert (failed["Status"], failed["Error"], failed["Cause"], failed["Input"]) == (
        "FAILED",
        "Bad",
        "It is bad",
        '"bad"',
    )
    assert "Output" not in failed


@pytest.mark.parametrize(("transformation", "lines"), [("COMPACT", ["[1, 2]", "[3]"]), ("FLATTEN", ["1", "2", "3"])])
def test_results_can_be_transformed(
    client: Callable[..., Any], machine: Callable[..., Any], bucket: str, transformation: str, lines: list[str]
) -> None:
    """COMPACT leaves the outputs alone, FLATTEN joins arrays; JSONL puts one on a line."""
    made = machine(
        distributed(
            SAME,
            Items="{% $states.input %}",
            MaxConcurrency=1,
            ResultWriter={
                "Resource": "arn:aws:states:::s3:putObject",
                "Arguments": {"Bucket": bucket, "Prefix": "out"},
                "WriterConfig": {"Transformation": transformation, "OutputType": "JSONL"},
            },
        )
    )
    key = made.output([[1, 2], [3]])["ResultWriterDetails"]["Key"].replace("manifest.json", "SUCCEEDED_0.jsonl")
    assert client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines() == lines


@pytest.mark.parametrize(
    ("threshold", "status"),
    [
        pytest.param({}, "FAILED", id="none"),
        pytest.param({"ToleratedFailureCount": 2}, "SUCCEEDED", id="count reached"),
        pytest.param({"ToleratedFailureCount": "{% $count($states.input) - 4 %}"}, "FAILED", id="count exceeded"),
        pytest.param({"ToleratedFailurePercentage": 40}, "SUCCEEDED", id="percentage reached"),
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


def test_what_never_started_is_pending(
    machine: Callable[..., Any], bucket: str, client: Callable[..., Any], load: Callable[[str], Any]
) -> None:
    """A Map Run that fails writes its results too, with the items that it did not come to."""
    made = machine(
        distributed(
            FAIL_ON_BAD,
            Items="{% $states.input %}",
            MaxConcurrency=1,
            ResultWriter={
                "Resource": "arn:aws:states:::s3:putObject",
                "Arguments": {"Bucket": bucket, "Prefix": "out"},
            },
        )
    )
    assert made.run(["good", "bad", "late", "later"])["status"] == "FAILED"
    keys = [found["Key"] for found in client("s3").list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]]
    pending = load(next(key for key in keys if key.endswith("/PENDING_0.json")))
    assert [entry["Input"] for entry in pending] == ['"late"', '"later"']


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


def test_an_inline_map_dies_of_its_history(aws: LocalAws, machine: Callable[..., Any]) -> None:
    """What AWS ends at 25,000 events ends here too, while a distributed Map goes through."""
    aws.limits(history_events=100)
    inline = {"Type": "Map", "ItemProcessor": {"StartAt": "Same", "States": SAME}}
    died = machine({**inline, "Items": "{% [1..60] %}"}).run()
    went_through = machine(distributed(SAME, Items="{% [1..60] %}")).run()
    aws.limits()
    assert (died["status"], went_through["status"]) == ("FAILED", "SUCCEEDED")
    assert "maximum number of history events" in died["cause"]


def test_results_in_the_output_are_limited(aws: LocalAws, machine: Callable[..., Any], bucket: str) -> None:
    """Without a ResultWriter the children's outputs must fit into 256 KiB (2,000 bytes here)."""
    aws.limits(payload_bytes=2000)
    items = {"Items": "{% [1..100] ~> $map(function($n) { 'a text of some length ' & $n }) %}"}
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": bucket, "Prefix": "out"}}
    large = machine(distributed(SAME, **items)).run()
    written = machine(distributed(SAME, **items, ResultWriter=writer)).run()
    aws.limits()
    assert (large["status"], large["error"]) == ("FAILED", "States.DataLimitExceeded")
    assert written["status"] == "SUCCEEDED"


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


def test_express_children_end_at_their_limit(aws: LocalAws, machine: Callable[..., Any], bucket: str) -> None:
    """A batch that takes longer than five minutes (a second here) is timed out, and counts as failed."""
    aws.limits(express_seconds=1)
    made = machine(distributed({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, "EXPRESS", Items="{% [1] %}"))
    ended = made.run()
    aws.limits()
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"


def test_stopping_the_parent_stops_its_children(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """After StopExecution no child starts and none goes on; the Map Run shows what became of them."""
    children = {
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Create"},
        "Create": {
            "Type": "Task",
            "Resource": f"{COGNITO}:adminCreateUser",
            "End": True,
            "Arguments": {"UserPoolId": pool, "Username": "{% $states.input %}"},
        },
    }
    made = machine(distributed(children, Items="{% $states.input %}", MaxConcurrency=2))
    execution = made.start([f"user{number}@example.com" for number in range(5)])
    while True:
        runs = made.states.list_map_runs(executionArn=execution)["mapRuns"]
        if runs and made.states.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"]["running"] == 2:
            break
        time.sleep(0.01)
    made.states.stop_execution(executionArn=execution)
    arn = runs[0]["mapRunArn"]
    statuses = Counter(child["status"] for child in made.states.list_executions(mapRunArn=arn)["executions"])
    assert statuses == {"ABORTED": 2}
    time.sleep(1.2)
    described = made.states.describe_map_run(mapRunArn=arn)
    assert described["status"] == "ABORTED"
    assert {name: described["itemCounts"][name] for name in ("aborted", "pending", "running", "total")} == {
        "aborted": 2,
        "pending": 3,
        "running": 0,
        "total": 5,
    }
    assert not [call for call in aws.calls() if call["operation"] == "AdminCreateUser"]


def test_a_redriven_map_run_repeats_only_what_failed(aws: LocalAws, machine: Callable[..., Any], pool: str) -> None:
    """Children that succeeded are not run again; those that failed or never started are."""
    children = {
        "Create": {
            "Type": "Task",
            "Resource": f"{COGNITO}:adminCreateUser",
            "End": True,
            "Arguments": {"UserPoolId": pool, "Username": "{% $states.input %}", "MessageAction": "SUPPRESS"},
        }
    }
    made = machine(distributed(children, Items="{% $states.input %}", MaxConcurrency=1))
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
    assert len(made.states.list_map_runs(executionArn=execution)["mapRuns"]) == 1


def test_an_outage_of_s3_reaches_the_state_machine(
    aws: LocalAws, client: Callable[..., Any], machine: Callable[..., Any], bucket: str
) -> None:
    """Reading the items fails while S3 is out, and can be caught."""
    client("s3").put_object(Bucket=bucket, Key="rows", Body=READERS["JSONL"].encode())
    made = machine(
        {
            "StartAt": "Each",
            "States": {
                "Each": distributed(
                    SAME,
                    End=True,
                    ItemReader=reader(bucket, "rows", InputType="JSONL"),
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
