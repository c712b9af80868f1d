"""Executions that run at the same time call one after another, and hold nobody up once they have ended."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import pytest
from tests.stack.roles import ADMIN, IDLE

from cognito_import.engine import execution_lock, executions
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, ExecutionError
from cognito_import.outcomes import Outcome
from cognito_import.report.rows import all_outcomes
from cognito_import.run.folder import LOCK, RunFolder
from cognito_import.run.manifest import Batch, run_name
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

Users = Callable[[int], list[dict[str, Any]]]


def times(aws: LocalAws, users: list[dict[str, Any]]) -> list[float]:
    """When the users were created."""
    asked = {user["useremail"] for user in users}
    return [call["time"] for call in aws.calls() if call["username"] in asked]


def until_waiting(machine: Any, arn: str) -> None:
    """Wait until the execution waits to settle."""

    def entered() -> list[str]:
        history = machine.states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        return [event.get("stateEnteredEventDetails", {}).get("name") for event in history]

    until("WaitToSettle", entered, lambda names: "WaitToSettle" in names)


def until_called(aws: LocalAws, users: list[dict[str, Any]], count: int) -> None:
    """Wait until `count` calls were made for the users."""
    until(f"{count} calls", lambda: len(times(aws, users)), lambda seen: seen >= count, every=0.05)


def test_two_direct_executions_take_turns(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Two that applications start at once never call side by side, so they keep the pace together; nobody is lost."""
    lists = [addresses(30), addresses(30)]
    started = [machine.start({"data": users, "adminemail": ADMIN}) for users in lists]
    ended = [machine.wait(arn) for arn in started]
    assert [one["status"] for one in ended] == ["SUCCEEDED", "SUCCEEDED"], [one.get("cause") for one in ended]
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
        pool = UserPool(machine.cognito, machine.settings(), Pacer(1.0))
        run_batch(folder, batch, pool)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(work, manifest.batches))
    assert machine.wait(arn)["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in all_outcomes(folder, manifest)} == {"succeeded"}
    assert {user["useremail"] for user in [*direct, *mapped]} <= machine.members().keys()


def test_direct_execution_waits_for_mapped_tasks_at_its_users(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """It begins while a mapped task is at users of its own: it calls for them when the task has ended, who then exist."""
    shared, alone = addresses(4), addresses(2)
    folder = machine.filled(shared)
    there, go_on = threading.Event(), threading.Event()

    class Slow(UserPool):
        def process(self, row: Any, turn: Any) -> Outcome:
            there.set()
            assert go_on.wait(60)
            return super().process(row, turn)

    def work(batch: Batch) -> None:
        free = partial(execution_lock.is_free, machine.s3, machine.states, folder.bucket)
        run_batch(folder, batch, Slow(machine.cognito, machine.settings(), Pacer(0.001)), alone=free)

    batches = folder.required_manifest().batches
    with ThreadPoolExecutor(len(batches)) as threads:
        working = [threads.submit(work, batch) for batch in batches]
        assert there.wait(60)
        arn = machine.start({"data": [*shared, *alone], "adminemail": ADMIN})
        direct = RunFolder(machine.s3, folder.bucket, run_name(arn.split(":")[-1], arn.split(":")[-2]))
        until_waiting(machine, arn)
        assert direct.progress().outcomes == {}
        go_on.set()
        for one in working:
            one.result()
    assert machine.wait(arn)["status"] == "SUCCEEDED"
    assert {outcome.code for outcome in all_outcomes(folder, folder.required_manifest())} == {""}
    codes = [outcome.code for outcome in all_outcomes(direct, direct.required_manifest())]
    assert codes == [*["UsernameExistsException"] * 4, "", ""]


def test_mapped_task_that_began_beside_an_execution_calls_nobody(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The execution acquired the lock between the task's wait and its claim: the task sees it, and is tried again later."""
    folder = machine.filled(addresses(2))
    machine.use(lambda _: IDLE)
    arn = machine.start({})
    until("the end of whoever was before", lambda: ask(machine, arn))
    aws.reset()
    free = partial(execution_lock.is_free, machine.s3, machine.states, folder.bucket)
    for batch in folder.required_manifest().batches:
        with pytest.raises(CallsStoppedError) as stop:
            run_batch(folder, batch, UserPool(machine.cognito, machine.settings(), Pacer(0.001)), alone=free)
        assert stop.value.temporary
    assert times(aws, [{"useremail": row.useremail} for row in folder.all_rows()]) == []
    machine.states.stop_execution(executionArn=arn)


def test_aborted_holder_holds_nobody_up(hurried_machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The lock of an execution that was aborted passes to the one that waits."""
    first, second = addresses(60), addresses(20)
    holder = hurried_machine.start({"run": hurried_machine.filled(first).run, "report": False})
    until_called(aws, first, 5)
    waiting = hurried_machine.start({"run": hurried_machine.filled(second).run, "report": False})
    time.sleep(2)
    assert times(aws, second) == []
    hurried_machine.states.stop_execution(executionArn=holder)
    assert hurried_machine.wait(waiting)["status"] == "SUCCEEDED"
    assert len(times(aws, second)) == 20


@pytest.mark.slow
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


def ask(machine: Any, arn: str, folder: RunFolder | None = None) -> bool:
    """Ask for the lock as an execution does."""
    return execution_lock.acquire(machine.s3, machine.states, machine.variable["report_bucket"], arn, granted_by=folder)


@pytest.fixture
def unlocked(machine: Any) -> Any:
    """The machine with a definition that only waits, and a lock that nobody has ever taken."""
    machine.use(lambda _: IDLE)
    machine.s3.delete_object(Bucket=machine.variable["report_bucket"], Key=LOCK)
    return machine


def test_only_one_of_many_takes_the_lock(unlocked: Any, aws: LocalAws) -> None:
    """Of executions that ask in the same moment one gets it, again whenever it asks, and the others do not."""
    machine = unlocked
    running = [machine.start({}) for _ in range(8)]
    bucket = machine.variable["report_bucket"]
    with ThreadPoolExecutor(len(running)) as pool:
        asked = [
            pool.submit(execution_lock.acquire, boto3.client("s3"), machine.states, bucket, arn, granted_by=None)
            for arn in running
        ]
    took = [answer.result() for answer in asked]
    assert sum(took) == 1
    assert [ask(machine, arn) for arn in running] == took
    assert [execution_lock.holds(machine.s3, bucket, arn) for arn in running] == took
    for arn in running:
        machine.states.stop_execution(executionArn=arn)
    later = machine.start({})
    assert ask(machine, later)
    machine.states.stop_execution(executionArn=later)


def test_lock_needs_a_fresh_grant_of_the_sensor(unlocked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, or with one that its sensor has not repeated, the execution waits; once it has the lock it needs none."""
    machine = unlocked
    folder = RunFolder(machine.s3, machine.variable["report_bucket"], "run-of-a-sensor")
    arn = machine.start({})
    assert not ask(machine, arn, folder)
    folder.grant_slots()
    with monkeypatch.context() as soon:
        soon.setattr(execution_lock, "GRANT_SECONDS", 1.0)
        time.sleep(3)
        assert not ask(machine, arn, folder)
    folder.grant_slots()
    assert ask(machine, arn, folder)
    monkeypatch.setattr(execution_lock, "GRANT_SECONDS", -1.0)  # whatever was granted is too old
    assert ask(machine, arn, folder)
    machine.states.stop_execution(executionArn=arn)


def test_execution_of_airflow_calls_nobody_before_the_grant(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """It waits for the sensor that holds the pool's slots, and then processes everybody."""
    users = addresses(10)
    folder = machine.filled(users)
    waiting = machine.start({"run": folder.run, "report": False, "wait_for_slots": True})
    time.sleep(5)
    assert times(aws, users) == []
    folder.grant_slots()
    assert machine.wait(waiting)["status"] == "SUCCEEDED"
    assert len(times(aws, users)) == 10


def test_mapped_tasks_wait_for_the_running_holder(unlocked: Any, caplog: pytest.LogCaptureFixture) -> None:
    """While the lock's holder runs they wait, with a line in the log; an ended one, or none, keeps nobody."""
    machine = unlocked
    bucket = machine.variable["report_bucket"]
    client = machine.states
    waited: list[float] = []
    execution_lock.wait_for_executions(machine.s3, client, bucket, sleep=waited.append)
    arn = machine.start({})
    assert ask(machine, arn)
    assert execution_lock.running_holder(machine.s3, client, bucket) == arn

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        client.stop_execution(executionArn=arn)

    with caplog.at_level("INFO", logger="cognito_import"):
        execution_lock.wait_for_executions(machine.s3, client, bucket, sleep=sleep)
    assert len(waited) == 1
    assert arn.rpartition(":")[2] in caplog.text
    assert execution_lock.running_holder(machine.s3, client, bucket) is None


@pytest.mark.parametrize(
    ("code", "status", "temporary"), [("AccessDeniedException", 400, False), ("ServiceUnavailable", 503, True)]
)
def test_holder_that_cannot_be_asked_for_is_no_free_lock(
    unlocked: Any, aws: LocalAws, code: str, status: int, *, temporary: bool
) -> None:
    """Nobody calls then; what may pass by itself is told from what a permission has to be given for."""
    machine = unlocked
    arn = machine.start({})
    assert ask(machine, arn)
    aws.fault("DescribeExecution", service="states", code=code, status=status, times=9)
    with pytest.raises(ExecutionError, match=code) as failure:
        execution_lock.wait_for_executions(
            machine.s3, machine.states, machine.variable["report_bucket"], sleep=lambda _: None
        )
    assert failure.value.temporary is temporary
    assert temporary or "allow the role or user states:DescribeExecution" in str(failure.value)
    aws.clear_faults()
    machine.states.stop_execution(executionArn=arn)


def test_run_has_one_execution_until_it_ends_badly(unlocked: Any) -> None:
    """A start that is repeated finds it; after a bad end another continues, which alone is stopped with the run."""
    machine = unlocked
    run, arn = f"run-{secrets.token_hex(4)}", machine.variable["state_machine_arn"]
    first = executions.start(machine.states, arn, run)
    assert executions.start(machine.states, arn, run) == first
    assert first.endswith(f":{run}")
    machine.states.stop_execution(executionArn=first, error="Test", cause="Enough.")
    assert "ended as ABORTED: Test: Enough." in executions.failure(machine.states, first)
    second = executions.start(machine.states, arn, run)
    assert second == f"{first}_2"
    assert executions.stop_all(machine.states, arn, run, "The run has ended.") == [second]
    assert executions.stop_all(machine.states, arn, run, "The run has ended.") == []
    assert executions.stop_all(machine.states, arn, "no-such-run", "The run has ended.") == []
