"""What an execution of the deployed state machine makes of a request to delete users."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.precedence import CREATED_SINCE, IMPORTED_SINCE
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.outcomes import Outcome
from cognito_import.report.rows import all_outcomes
from cognito_import.run import approval
from cognito_import.run.checkpoints import Checkpoint, Unsettled
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

ADMIN = "admin@example.com"
Users = Callable[[int], list[dict[str, Any]]]


def outcomes(machine: Any, folder: RunFolder) -> list[Outcome]:
    """Return the outcomes of a run, in the request's order."""
    return list(all_outcomes(folder, folder.required_manifest()))


def deletions(aws: LocalAws) -> Counter[str]:
    """Return how often each username was called to be deleted with success."""
    calls = [call for call in aws.calls() if call["operation"] == "AdminDeleteUser"]
    return Counter(call["username"] for call in calls if not call["code"])


def deleted(machine: Any, folder: RunFolder) -> None:
    """Let the state machine process a run folder, without a report."""
    ended = machine.run({"run": folder.run, "report": False})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")


def test_request_deletes_users_and_reports_them_as_such(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Users who exist are deleted by their username, one who does not has failed; CSV and mail are of a deletion."""
    users = addresses(4)
    names = machine.make(users[:3])
    before = len(aws.outbox())
    ended = machine.run({"jobtype": "delete", "data": users, "adminemail": ADMIN})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    output = json.loads(ended["output"])
    assert output["csv_key"].startswith("cognitodeletelog/delete_result_")
    stored = machine.s3.get_object(Bucket=machine.variable["report_bucket"], Key=output["csv_key"])["Body"].read()
    rows = list(csv.DictReader(io.StringIO(stored.decode("utf-8-sig"))))
    assert [(row["status"], row["code"], row["username"]) for row in rows] == [
        *[("succeeded", "", name) for name in names],
        ("failed", "UserNotFoundException", ""),
    ]
    assert rows[3]["message"] == "User does not exist."
    assert not {user["useremail"] for user in users} & machine.members().keys()
    assert deletions(aws) == dict.fromkeys(names, 1)
    (mail,) = aws.outbox()[before:]
    assert "delet" in mail["Subject"].lower()


def test_deletion_whose_answer_was_lost_is_ours(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A user that is gone when the call is repeated was deleted by the first attempt."""
    users = addresses(1)
    names = machine.make(users)
    aws.fault("AdminDeleteUser", "drop_after")
    folder = machine.filled(users, jobtype="delete")
    deleted(machine, folder)
    assert outcomes(machine, folder) == [Outcome(1, users[0]["useremail"], "succeeded", username=names[0])]


def test_user_whom_somebody_else_deleted_meanwhile_is_not_ours(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A user that is gone at the first attempt was deleted by somebody else."""
    users = addresses(1)
    names = machine.make(users)
    aws.fault("AdminDeleteUser", code="UserNotFoundException", message="User does not exist.")
    folder = machine.filled(users, jobtype="delete")
    deleted(machine, folder)
    (outcome,) = outcomes(machine, folder)
    assert (outcome.code, outcome.username) == ("UserNotFoundException", names[0])


def test_user_under_way_when_a_worker_died_is_recognised(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The stored username tells whom the dead worker was at, whether it had deleted the user or not.

    Who was made anew under the address meanwhile is left alone; a user without a stored username is looked up.
    """
    users = addresses(4)
    names = machine.make(users[:3])
    folder = machine.filled(users, jobtype="delete")
    machine.cognito.admin_delete_user(UserPoolId=machine.pool, Username=names[0])
    (anew,) = machine.make(users[:1])
    manifest = folder.required_manifest()
    for batch in manifest.batches:
        number = batch.first - 1
        known = names[number] if number < 2 else ""
        entry = Unsettled(batch.first, users[number]["useremail"], manifest.began, known)
        folder.write_checkpoint(batch.number, "dead", Checkpoint(unsettled=[entry], closed=True))
    deleted(machine, folder)
    told = [(outcome.code, outcome.username) for outcome in outcomes(machine, folder)]
    assert told == [("", names[0]), ("", names[1]), ("", names[2]), ("UserNotFoundException", "")]
    assert machine.members()[users[0]["useremail"]] == anew
    assert deletions(aws)[anew] == 0


def test_child_deletes_nobody_who_may_not_be_deleted(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Who was created since, or is named by a later import, is looked up and left; the others of the batch are deleted."""
    users = addresses(60)  # more than one in a batch
    machine.make(users[:40])
    asked = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    time.sleep(2.5)
    machine.make(users[40:])
    folder = machine.filled(users, jobtype="delete")
    manifest = replace(folder.required_manifest(), asked=asked.isoformat())
    machine.s3.delete_object(Bucket=folder.bucket, Key=f"{folder.prefix}manifest.json")
    folder.write_manifest(manifest, None)
    machine.filled(users[:20])
    deleted(machine, folder)
    told = [outcome.code for outcome in outcomes(machine, folder)]
    assert told == [*[IMPORTED_SINCE] * 20, *[""] * 20, *[CREATED_SINCE] * 20]
    assert all(outcome.username for outcome in outcomes(machine, folder))
    there = machine.members().keys()
    assert [user["useremail"] in there for user in users] == [*[True] * 20, *[False] * 20, *[True] * 20]
    assert len(deletions(aws)) == 20


@pytest.mark.parametrize("answer", [None, approval.REJECTED, approval.ASKED], ids=["never asked", "rejected", "open"])
def test_deletion_that_nobody_approved_in_airflow_is_refused_here(
    machine: Any, aws: LocalAws, addresses: Users, answer: str | None
) -> None:
    """An execution on the run folder of a deletion that needs a yes and has none touches nobody."""
    users = addresses(1)
    machine.make(users)
    folder = RunFolder(machine.s3, machine.variable["report_bucket"], run_name(users[0]["useremail"]))
    ingest_request(
        {"data": users, "adminemail": "admin@example.com", "jobtype": "delete"}, machine.settings(), machine.s3, folder
    )
    if answer:
        approval.write(folder, approval.Approval(answer, "2026-01-01T00:00:00+00:00", 60))
    ended = machine.run({"run": folder.run})
    assert (ended["status"], ended["error"]) == ("FAILED", "RequestError")
    assert users[0]["useremail"] in machine.members()


@pytest.mark.slow
def test_aborted_deletion_is_continued(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """After an abort in the middle another execution deletes the rest; nobody is deleted twice or told to be missing."""
    users = addresses(60)
    names = machine.make(users)
    folder = machine.filled(users, jobtype="delete")
    arn = machine.start({"run": folder.run, "report": False})
    until("25 deletions", lambda: len(deletions(aws)), lambda seen: seen >= 25, every=0.05)
    machine.states.stop_execution(executionArn=arn)
    deleted(machine, folder)
    assert [outcome.username for outcome in outcomes(machine, folder) if outcome.status == "succeeded"] == names
    assert deletions(aws) == dict.fromkeys(names, 1)


def test_denied_deletion_touches_nobody_and_stops(hurried_machine: Any, aws: LocalAws, addresses: Users) -> None:
    """An error that every user would meet ends the calls; a user whom no call can have deleted was not attempted."""
    users = addresses(3)
    hurried_machine.make(users)
    aws.fault("AdminDeleteUser", code="NotAuthorizedException", message="No.", times=100)
    folder = hurried_machine.filled(users, jobtype="delete")
    ended = hurried_machine.run({"run": folder.run, "report": False})
    assert ended["error"] == "IncompleteRunError"
    assert {outcome.code for outcome in outcomes(hurried_machine, folder)} == {"NotAttempted"}
    assert {user["useremail"] for user in users} <= hurried_machine.members().keys()


def test_both_engines_agree_on_every_row_of_a_deletion(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The same users, there and not there, come out alike from both engines, each with the name of who was deleted."""
    users = [*addresses(4), {"useremail": "not an address"}]
    told = []
    for engine in ("step_functions", "mapped"):
        names = machine.make(users[:3])
        folder = machine.filled(users, jobtype="delete")
        manifest = folder.required_manifest()
        if engine == "mapped":
            settings = machine.settings(pacing_seconds=0.001)
            pacer = Pacer(settings.pacing_seconds)
            pool = UserPool(machine.cognito, settings, pacer, jobtype="delete")
            for batch in manifest.batches:
                run_batch(folder, batch, pool)
        else:
            deleted(machine, folder)
        rows = outcomes(machine, folder)
        assert [row.username for row in rows[:3]] == names
        told.append([(row.row, row.useremail, row.status, row.message, row.code, bool(row.username)) for row in rows])
    assert told[0] == told[1]
    assert [row[4] for row in told[0]] == ["", "", "", "UserNotFoundException", "InvalidAddress"]
