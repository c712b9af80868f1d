"""What an execution of the deployed state machine makes of a request, a fault and an end in the middle."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from cognito_import.batches import run_batch
from cognito_import.delivery import all_outcomes
from cognito_import.pacing import Pacer
from cognito_import.run_folder import RunFolder
from cognito_import.user_pool import UserPool
from local_aws.process import LocalAws

ADMIN = "admin@example.com"
Users = Callable[[int], list[dict[str, Any]]]


def creations(aws: LocalAws) -> Counter[str]:
    """How often each address was created."""
    return Counter(
        call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser" and not call["code"]
    )


def outcomes(machine: Any, run: str) -> list[Any]:
    """The outcomes of a run, in the request's order."""
    folder = RunFolder(machine.s3, machine.variable["report_bucket"], run)
    return list(all_outcomes(folder, folder.required_manifest()))


def test_plain_request_creates_users_in_their_group_and_mails_the_report(
    machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """An application starts an execution with the request alone and gets users, groups, CSV and mail."""
    users = addresses(3)
    before = len(aws.outbox())
    ended = machine.run({"data": users, "adminemail": ADMIN})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert {user["useremail"] for user in users} <= machine.members().keys()
    output = json.loads(ended["output"])
    assert output["counts"]["succeeded"] == 3
    stored = machine.s3.get_object(Bucket=machine.variable["report_bucket"], Key=output["csv_key"])["Body"].read()
    assert [row["status"] for row in csv.DictReader(io.StringIO(stored.decode("utf-8-sig")))] == ["succeeded"] * 3
    (mail,) = aws.outbox()[before:]
    assert ADMIN in mail["To"]


def test_wrong_request_fails_with_one_message_before_any_user(machine: Any, aws: LocalAws) -> None:
    """What is wrong with the request ends the execution before any call, and the cause names the key."""
    ended = machine.run({"data": [{"useremail": "a@example.com"}], "adminmail": ADMIN})
    assert (ended["status"], ended["error"]) == ("FAILED", "RequestError")
    assert "'adminmail' is not a key of a request" in json.loads(ended["cause"])["errorMessage"]
    assert not creations(aws)


def test_both_engines_agree_on_every_row(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The same users, good and bad, come out alike from both engines but for the generated usernames."""

    def users() -> list[dict[str, Any]]:
        made = addresses(7)
        made[1]["attributes"] = {"given_name": "花子", "custom:plan": "gold"}
        made[2]["groups"] = ["BASIC", "VIP"]
        made[3]["groups"] = []
        made[4]["attributes"] = {"custom:unheard": "x"}
        return [
            *made,
            {"useremail": "not an address"},
            {"useremail": made[0]["useremail"].upper()},
            {"useremail": taken},
        ]

    taken = addresses(1)[0]["useremail"]
    machine.cognito.admin_create_user(UserPoolId=machine.pool, Username=taken, MessageAction="SUPPRESS")
    by_machine = machine.filled(users())
    ended = machine.run({"run": by_machine.run, "report": False})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")

    by_worker = machine.filled(users())
    settings = machine.settings(pacing_seconds=0.001)
    manifest = by_worker.required_manifest()
    pool = UserPool(machine.cognito, settings, Pacer(settings.pacing_seconds), began=manifest.began_at)
    for batch in manifest.batches:
        run_batch(by_worker, batch, pool)

    def told(folder: RunFolder) -> list[tuple[Any, ...]]:
        rows = outcomes(machine, folder.run)
        return [(row.row, row.status, row.message, row.code, bool(row.username)) for row in rows]

    assert told(by_machine) == told(by_worker)
    assert {row[3] for row in told(by_machine)} >= {"", "UsernameExistsException", "InvalidAddress", "DuplicateAddress"}
    assert len(told(by_machine)) == 10


def test_throttles_and_faults_are_repeated_and_are_no_result(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Throttling and a service's faults are retried until the call succeeds."""
    aws.fault("AdminCreateUser", code="TooManyRequestsException", message="Rate exceeded", times=2)
    aws.fault("AdminCreateUser", code="InternalErrorException", message="Sorry", status=500, times=1)
    aws.fault("AdminAddUserToGroup", code="TooManyRequestsException", message="Rate exceeded", times=2)
    folder = machine.filled(addresses(3))
    assert machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    assert [outcome.status for outcome in outcomes(machine, folder.run)] == ["succeeded"] * 3


def test_user_made_by_a_call_whose_answer_was_lost_is_finished(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A user that exists because the first attempt made it is the run's own, and joins its group."""
    users = addresses(1)
    aws.fault("AdminCreateUser", "drop_after")
    folder = machine.filled(users)
    assert machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    (outcome,) = outcomes(machine, folder.run)
    assert outcome.status == "succeeded"
    assert machine.members()[users[0]["useremail"]] == outcome.username


def test_error_of_all_users_stops_the_calls_and_is_reported(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A missing group ends every batch at its first user; the report goes out, then the execution fails."""
    aws.fault("AdminAddUserToGroup", code="ResourceNotFoundException", message="Group not found.", times=1000)
    users = addresses(60)
    before = len(aws.outbox())
    ended = machine.run({"data": users, "adminemail": ADMIN})
    assert (ended["status"], ended["error"]) == ("FAILED", "IncompleteRunError")
    assert "Group not found." in ended["cause"]
    run = ended["cause"].partition("Run ")[2].partition(" ")[0]
    codes = Counter(outcome.code for outcome in outcomes(machine, run))
    assert codes == {"ResourceNotFoundException": 20, "NotAttempted": 40}
    assert all("Group not found." in outcome.message for outcome in outcomes(machine, run))
    assert len(aws.outbox()) == before + 1
    aws.clear_faults()
    # Once the cause is mended, an execution on the same run finishes all of them and creates nobody twice.
    assert machine.run({"run": run})["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in outcomes(machine, run)} == {"succeeded"}
    assert set(creations(aws).values()) == {1}


def test_aborted_execution_is_continued_without_repeating_anybody(
    hurried_machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """After an abort in the middle, another execution on the same run, or a redrive, finishes it."""
    folder = hurried_machine.filled(addresses(80))
    arn = hurried_machine.start({"run": folder.run, "report": False})
    for continued in ("redrive", "new"):
        done = len(creations(aws))
        while len(creations(aws)) < done + 20:
            time.sleep(0.05)
        hurried_machine.states.stop_execution(executionArn=arn)
        told = Counter(outcome.code for outcome in outcomes(hurried_machine, folder.run))
        assert told["NotAttempted"] > 0
        if continued == "redrive":
            hurried_machine.states.redrive_execution(executionArn=arn)
        else:
            arn = hurried_machine.start({"run": folder.run, "report": False})
    assert hurried_machine.wait(arn)["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in outcomes(hurried_machine, folder.run)} == {"succeeded"}
    assert set(creations(aws).values()) == {1}


def test_child_whose_batch_is_taken_over_makes_no_further_call(
    hurried_machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """When another worker takes the leases, the execution's own children stop and say so; it can be continued."""
    folder = hurried_machine.filled(addresses(60))
    arn = hurried_machine.start({"run": folder.run, "report": False})
    while len(creations(aws)) < 20:
        time.sleep(0.05)
    for batch in folder.required_manifest().batches:
        folder.take_lease(batch.number, "another")
    assert hurried_machine.wait(arn)["error"] == "LeaseLostError"
    assert len(creations(aws)) < 60
    assert hurried_machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in outcomes(hurried_machine, folder.run)} == {"succeeded"}
    assert set(creations(aws).values()) == {1}


def test_report_that_cannot_be_mailed_fails_and_is_redriven(
    hurried_machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """A report is never swallowed; a redrive mails it without touching a user."""
    aws.fault("SendEmail", service="ses", code="MessageRejected", message="No.", times=1000)
    ended = hurried_machine.run({"data": addresses(1), "adminemail": ADMIN})
    assert (ended["status"], ended["error"]) == ("FAILED", "ReportError")
    aws.clear_faults()
    before, calls = len(aws.outbox()), len(aws.calls())
    hurried_machine.states.redrive_execution(executionArn=ended["executionArn"])
    assert hurried_machine.wait(ended["executionArn"])["status"] == "SUCCEEDED"
    assert (len(aws.outbox()), len(aws.calls())) == (before + 1, calls)


def test_history_does_not_grow_with_the_users(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The parent's history has as many events for a hundred users as for one, and attributes fill no payload."""
    lengths = set()
    for count in (1, 100):
        users = addresses(count)
        for user in users:
            user["attributes"] = {"profile": "長" * 600}
        ended = machine.run({"run": machine.filled(users).run, "report": False})
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
        history = machine.states.get_execution_history(executionArn=ended["executionArn"], maxResults=1000)
        lengths.add(len(history["events"]))
    assert len(lengths) == 1
    assert max(lengths) < 100
    assert 0 < aws.stats()["step_functions"]["largest_payload"] < 256 * 1024
