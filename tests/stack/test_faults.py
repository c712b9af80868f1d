"""Imports and deletions by the state machine while Cognito, its children or Step Functions fail, alone and together.

After each: every row says what the user pool says, no address has two users, nobody who is told done lacks a group.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from cognito_import.outcomes import Outcome
from cognito_import.report.rows import all_outcomes
from demo.watch import fetch, link_in, rows_of
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

JSON = dict[str, Any]
Users = Callable[[int], list[JSON]]
Fault = Callable[[LocalAws], None]


def lost_answers(aws: LocalAws) -> None:
    """One call in twenty is done, and answered 500."""
    aws.fault("", "error_after", probability=0.05, seed=1, times=None)


def silence(aws: LocalAws) -> None:
    """One call in a hundred is done and never answered: of the first hundred calls, three with this seed."""
    aws.fault("", "silent", probability=0.01, seed=5, times=None, seconds=40.0)


def throttles(aws: LocalAws) -> None:
    """Three calls in ten are throttled."""
    aws.fault("", code="TooManyRequestsException", message="Rate exceeded", probability=0.3, seed=3, times=None)


def outage(aws: LocalAws) -> None:
    """Every call is answered 500 for two minutes."""
    aws.outage("cognito-idp", 120, code="InternalErrorException", status=500)


def killed_child(aws: LocalAws) -> None:
    """A child dies amid its users."""
    aws.kill_child(after=2, state="EachPause", visits=3)


def doubled_child(aws: LocalAws) -> None:
    """AWS starts a child twice, as it may."""
    aws.double_child(seconds=1)


def everything(aws: LocalAws) -> None:
    """All of these at once."""
    for fault in (lost_answers, silence, throttles, killed_child, doubled_child):
        fault(aws)


def named(*faults: Fault, slow: tuple[Fault, ...]) -> Any:
    """Return the faults as a parameter, each with its name; those that take long are marked so."""
    quick = [pytest.param(fault, id=fault.__name__) for fault in faults]
    return pytest.mark.parametrize(
        "fault", quick + [pytest.param(fault, id=fault.__name__, marks=pytest.mark.slow) for fault in slow]
    )


def told(machine: Any, folder: Any) -> list[Outcome]:
    """Return the outcomes of a run, in the request's order."""
    return list(all_outcomes(folder, folder.required_manifest()))


def addresses_in(machine: Any) -> Counter[str]:
    """Return how many users the pool has of each address."""
    pages = machine.cognito.get_paginator("list_users").paginate(UserPoolId=machine.pool)
    return Counter(
        attribute["Value"]
        for page in pages
        for user in page["Users"]
        for attribute in user["Attributes"]
        if attribute["Name"] == "email"
    )


@named(lost_answers, slow=(silence, throttles, outage, killed_child, doubled_child, everything))
def test_import_is_told_as_it_is(machine: Any, aws: LocalAws, addresses: Users, fault: Fault) -> None:
    """Whatever fails, the execution ends by itself, and each user is created once, in its group, and told so."""
    users = addresses(60)
    machine.make(users[30:32])
    time.sleep(3)  # nobody can tell a user who was made in the same second from our own
    folder = machine.filled(users)
    if fault in (silence, everything):
        machine.time_out_after(seconds=5)
    fault(aws)
    ended = machine.run({"run": folder.run, "report": False})
    aws.clear_faults()
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    rows = told(machine, folder)
    members, found = machine.members(), addresses_in(machine)
    assert {row.row: row.code for row in rows if row.code} == dict.fromkeys((31, 32), "UsernameExistsException")
    assert {row.useremail: row.username for row in rows if not row.code}.items() <= members.items()
    assert {found[user["useremail"]] for user in users} == {1}


@named(lost_answers, slow=(killed_child, everything))
def test_deletion_is_told_as_it_is(machine: Any, aws: LocalAws, addresses: Users, fault: Fault) -> None:
    """Whatever fails, who was there is gone and told as deleted by its name, and who was not is told as missing."""
    users = addresses(62)
    names = machine.make(users[:60])
    folder = machine.filled(users, jobtype="delete")
    fault(aws)
    ended = machine.run({"run": folder.run, "report": False})
    aws.clear_faults()
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    rows = told(machine, folder)
    assert [(row.code, row.username) for row in rows[:60]] == [("", name) for name in names]
    assert {row.code for row in rows[60:]} == {"UserNotFoundException"}
    assert not addresses_in(machine).keys() & {user["useremail"] for user in users}


def until_created(aws: LocalAws, count: int) -> None:
    """Wait until `count` users were created."""
    until(
        f"{count} users", lambda: [c["operation"] for c in aws.calls()].count("AdminCreateUser"), lambda n: n >= count
    )


def test_what_nobody_can_know_yet_is_told_so(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Aborted amid faults: who may have been reached is `Interrupted`, who surely was not is `NotAttempted`."""
    users = addresses(40)  # as many batches, of which half begin
    folder = machine.filled(users)
    lost_answers(aws)
    arn = machine.start({"run": folder.run, "report": False})
    until_created(aws, 10)
    machine.states.stop_execution(executionArn=arn)
    aws.clear_faults()
    time.sleep(1)  # for calls that were under way
    found = addresses_in(machine)
    codes: dict[str, set[str]] = {}
    for row in told(machine, folder):
        codes.setdefault(row.code, set()).add(row.useremail)
    assert codes.keys() <= {"", "Interrupted", "NotAttempted"}
    assert not codes["NotAttempted"] & found.keys()
    assert codes["Interrupted"] & found.keys()
    machine.bury_children(folder)
    assert machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    assert {row.status for row in told(machine, folder)} == {"succeeded"}
    assert {addresses_in(machine)[user["useremail"]] for user in users} == {1}


def wait_for_mails(aws: LocalAws, count: int) -> None:
    """Wait for what the rule that hears of an execution's end has mailed."""
    until(f"{count} mails", aws.outbox, lambda mails: len(mails) >= count, every=0.2)


def test_execution_that_ends_badly_is_reported(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Aborted by somebody: its administrator gets the report of what is known, once, from the rule that hears of it."""
    before = len(aws.outbox())
    arn = machine.start({"data": addresses(200), "adminemail": "admin@example.com"})
    until_created(aws, 40)
    machine.states.stop_execution(executionArn=arn, error="Test", cause="Enough.")
    wait_for_mails(aws, before + 1)
    time.sleep(3)
    (mail,) = aws.outbox()[before:]
    assert "Enough." in mail["BodyText"]


def test_refused_request_of_a_direct_execution_is_mailed(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A group that does not exist: nobody is created, and the administrator hears why."""
    before = len(aws.outbox())
    users = [{**user, "groups": ["NO-SUCH-GROUP"]} for user in addresses(3)]
    ended = machine.run({"data": users, "adminemail": "admin@example.com"})
    assert (ended["status"], ended["error"]) == ("FAILED", "PreflightError")
    wait_for_mails(aws, before + 1)
    (mail,) = aws.outbox()[before:]
    assert "NO-SUCH-GROUP" in mail["BodyText"]
    assert "start the state machine again" in mail["BodyText"]
    assert not any(call["operation"] == "AdminCreateUser" for call in aws.calls())
    machine.cognito.create_group(UserPoolId=machine.pool, GroupName="NO-SUCH-GROUP")
    try:
        assert machine.run({"data": users, "adminemail": "admin@example.com"})["status"] == "SUCCEEDED"
        assert {user["useremail"] for user in users} <= set(machine.members("NO-SUCH-GROUP"))
    finally:
        machine.cognito.delete_group(UserPoolId=machine.pool, GroupName="NO-SUCH-GROUP")


def test_execution_that_its_own_preflight_refuses_leaves_the_reason(
    machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """Of a run that Airflow has read: the run counts as refused, its CSV names the cause, and a later execution goes on."""
    folder = machine.filled([{**user, "groups": ["GONE"]} for user in addresses(2)])
    ended = machine.run({"run": folder.run, "report": False})
    assert (ended["status"], ended["error"]) == ("FAILED", "PreflightError")
    assert "The group 'GONE'" in folder.rejected().reason
    before = len(aws.outbox())
    assert machine.run({"run": folder.run})["error"] == "PreflightError"
    wait_for_mails(aws, before + 1)
    rows = rows_of(fetch(link_in(aws.outbox()[-1])))
    assert {row["code"] for row in rows} == {"NotAttempted"}
    assert all("The group 'GONE' cannot be looked at" in row["message"] for row in rows)
    machine.cognito.create_group(UserPoolId=machine.pool, GroupName="GONE")
    try:
        assert machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    finally:
        machine.cognito.delete_group(UserPoolId=machine.pool, GroupName="GONE")
    assert folder.rejected() is None
    assert folder.read_rejection() is None


@pytest.mark.parametrize(("count", "called"), [(240, range(50, 221)), (12, range(12, 13))])
def test_execution_whose_users_all_fail_alike_asks(
    machine: Any, aws: LocalAws, addresses: Users, count: int, called: range
) -> None:
    """The first users decide; the execution fails and says why, and another one of the run goes on all the same."""
    users = addresses(count)
    aws.fault("AdminCreateUser", code="InvalidParameterException", message="No such attribute", times=None)
    ended = machine.run({"data": users, "adminemail": "admin@example.com"})
    assert (ended["status"], ended["error"]) == ("FAILED", "IncompleteRunError")
    assert "failed with this error (No such attribute)" in ended["cause"]
    assert sum(call["operation"] == "AdminCreateUser" for call in aws.calls()) in called
    assert "No such attribute" in aws.outbox()[-1]["BodyText"]
    run = re.search(r'\{"run": "([^"]+)"\}', ended["cause"])
    assert run
    assert machine.run({"run": run[1]})["status"] == "SUCCEEDED"
    assert sum(call["operation"] == "AdminCreateUser" for call in aws.calls()) == count
