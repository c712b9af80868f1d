"""Executions that run at the same time call one after another, and hold nobody up once they have ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from cognito_import import turns
from cognito_import.batches import run_batch
from cognito_import.delivery import all_outcomes
from cognito_import.pacing import Pacer
from cognito_import.run_folder import TURN, Batch
from cognito_import.user_pool import UserPool
from local_aws.process import LocalAws

ADMIN = "admin@example.com"
IDLE = {"StartAt": "Idle", "States": {"Idle": {"Type": "Wait", "Seconds": 60, "End": True}}}
Users = Callable[[int], list[dict[str, Any]]]


def times(aws: LocalAws, users: list[dict[str, Any]]) -> list[float]:
    """When the users were created."""
    asked = {user["useremail"] for user in users}
    return [call["time"] for call in aws.calls() if call["username"] in asked]


def until_called(aws: LocalAws, users: list[dict[str, Any]], count: int) -> None:
    """Wait until so many of the users were called for."""
    while len(times(aws, users)) < count:
        time.sleep(0.05)


def test_two_direct_executions_take_turns(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Two that applications start at once never call side by side, so they keep the pace together; nobody is lost."""
    lists = [addresses(30), addresses(30)]
    started = [machine.start({"data": users, "adminemail": ADMIN}) for users in lists]
    assert [machine.wait(arn)["status"] for arn in started] == ["SUCCEEDED", "SUCCEEDED"]
    one, other = ((min(found), max(found)) for found in (times(aws, users) for users in lists))
    assert one[1] < other[0] or other[1] < one[0]
    categories = aws.stats()["categories"]
    assert all(figures["peak"] <= figures["quota"] for figures in categories.values())
    assert {user["useremail"] for users in lists for user in users} <= machine.members().keys()


def test_mapped_import_beside_a_direct_execution_loses_nobody(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A direct execution does not know of Airflow's pool: side by side they are throttled, repeat, and all succeed."""
    direct, mapped = addresses(80), addresses(80)
    arn = machine.start({"data": direct, "adminemail": ADMIN})
    until_called(aws, direct, 1)
    folder = machine.filled(mapped)
    manifest = folder.required_manifest()

    def work(batch: Batch) -> None:
        pool = UserPool(machine.cognito, machine.settings(), Pacer(1.0), began=manifest.began_at)
        run_batch(folder, batch, pool)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(work, manifest.batches))
    assert machine.wait(arn)["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in all_outcomes(folder, manifest)} == {"succeeded"}
    assert {user["useremail"] for user in [*direct, *mapped]} <= machine.members().keys()


def test_aborted_holder_holds_nobody_up(hurried_machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The turn of an execution that was aborted passes to the one that waits."""
    first, second = addresses(60), addresses(20)
    holder = hurried_machine.start({"run": hurried_machine.filled(first).run, "report": False})
    until_called(aws, first, 5)
    waiting = hurried_machine.start({"run": hurried_machine.filled(second).run, "report": False})
    time.sleep(2)
    assert times(aws, second) == []
    hurried_machine.states.stop_execution(executionArn=holder)
    assert hurried_machine.wait(waiting)["status"] == "SUCCEEDED"
    assert len(times(aws, second)) == 20


def test_redriven_execution_waits_for_its_turn(hurried_machine: Any, aws: LocalAws, addresses: Users) -> None:
    """One that is redriven into the middle of its import calls again only when the other has ended."""
    first, second = addresses(60), addresses(60)
    aborted = hurried_machine.start({"run": hurried_machine.filled(first).run, "report": False})
    until_called(aws, first, 20)
    hurried_machine.states.stop_execution(executionArn=aborted)
    other = hurried_machine.start({"run": hurried_machine.filled(second).run, "report": False})
    until_called(aws, second, 1)
    hurried_machine.states.redrive_execution(executionArn=aborted)
    assert [hurried_machine.wait(arn)["status"] for arn in (aborted, other)] == ["SUCCEEDED", "SUCCEEDED"]
    span = min(times(aws, second)), max(times(aws, second))
    assert [moment for moment in times(aws, first) if span[0] < moment < span[1]] == []
    created = [call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser" and not call["code"]]
    assert set(Counter(created).values()) == {1}
    assert len(created) == 120


def test_only_one_of_many_takes_the_turn(machine: Any, aws: LocalAws) -> None:
    """Of executions that ask in the same moment one has the turn, again whenever it asks, and the others have not."""
    machine.use(lambda _: IDLE)
    bucket = machine.variable["report_bucket"]
    machine.s3.delete_object(Bucket=bucket, Key=TURN)
    running = [machine.start({}) for _ in range(8)]
    with ThreadPoolExecutor(len(running)) as pool:
        clients = [boto3.client("s3") for _ in running]
        asked = [
            pool.submit(turns.take, s3, machine.states, bucket, arn) for s3, arn in zip(clients, running, strict=True)
        ]
    took = [answer.result() for answer in asked]
    assert sum(took) == 1
    assert [turns.take(machine.s3, machine.states, bucket, arn) for arn in running] == took
    for arn in running:
        machine.states.stop_execution(executionArn=arn)
    later = machine.start({})
    assert turns.take(machine.s3, machine.states, bucket, later)
    machine.states.stop_execution(executionArn=later)
