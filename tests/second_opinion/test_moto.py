"""The whole state machine on an interpreter that nobody here wrote."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from stack import definition

ADMIN = "admin@example.com"
USERS = [f"user{number:02}@example.com" for number in range(1, 23)]

NAME = 'Taro "\\" 佐藤 {% $states %} ${FunctionArn}'
"""A value that any step which treats text as code would change."""


def test_import_and_deletion(moto: Any) -> None:
    """Every user whose row is good is created and in its group, every bad row says why, and a deletion undoes it."""
    moto.cognito.admin_create_user(UserPoolId=moto.pool, Username="there@example.com", MessageAction="SUPPRESS")
    rows = [*USERS[:10], "no-address", "there@example.com", *USERS[10:], USERS[0].upper()]
    users: list[dict[str, Any]] = [{"useremail": row} for row in rows]
    users[0]["attributes"] = {"name": NAME}
    moto.succeed({"data": users, "adminemail": ADMIN})
    assert moto.members() == set(USERS)
    assert moto.addresses() == {*USERS, "there@example.com"}
    made = moto.cognito.admin_get_user(UserPoolId=moto.pool, Username=USERS[0])["UserAttributes"]
    assert {"Name": "name", "Value": NAME} in made
    report = moto.report("import")
    assert [row["useremail"] for row in report] == rows
    codes = {row["useremail"]: row["code"] for row in report if row["status"] == "failed"}
    assert codes == {
        "no-address": "InvalidAddress", "there@example.com": "UsernameExistsException", USERS[0].upper(): "DuplicateAddress",
    }  # fmt: skip
    assert all(row["username"] for row in report if row["status"] == "succeeded")

    assert Counter(moto.calls()) == {
        "adminCreateUser": 23,
        "adminAddUserToGroup": 22,
    }  # nothing was left to the function

    gone = [*USERS[:5], "nobody@example.com"]
    request = {"data": [{"useremail": row} for row in gone], "adminemail": ADMIN, "jobtype": "delete"}
    deleted = moto.succeed(request)
    assert moto.addresses() == {*USERS[5:], "there@example.com"}
    assert [(row["useremail"], row["code"]) for row in moto.report("delete")] == [
        *((row, "") for row in USERS[:5]), ("nobody@example.com", "UserNotFoundException"),
    ]  # fmt: skip
    assert Counter(moto.calls()[45:]) == {"adminGetUser": 6, "adminDeleteUser": 5}
    assert deleted["run"]
    assert moto.ses.get_send_quota()["SentLast24Hours"] == 2


def test_users_are_disabled_and_enabled(moto: Any) -> None:
    """Both are calls of the state machine itself, made for those who are not yet as they shall be."""
    off, on, gone = [f"{name}@example.com" for name in ("off", "on", "gone")]
    moto.succeed({"data": [{"useremail": off, "enabled": False}, {"useremail": on}], "adminemail": ADMIN})
    assert moto.enabled() == {off: False, on: True}
    assert Counter(moto.calls()) == {"adminCreateUser": 2, "adminAddUserToGroup": 2, "adminDisableUser": 1}
    for jobtype, left in (("disable", off), ("enable", None)):
        called = len(moto.calls())
        moto.succeed({"data": [off, on, gone], "adminemail": ADMIN, "jobtype": jobtype})
        assert moto.enabled() == dict.fromkeys((off, on), jobtype == "enable")
        codes = {off: "Unchanged" if left == off else "", on: "", gone: "UserNotFoundException"}
        assert {row["useremail"]: row["code"] for row in moto.report(jobtype)} == codes
        operation = "adminDisableUser" if jobtype == "disable" else "adminEnableUser"
        assert Counter(moto.calls()[called:]) == {"adminGetUser": 3, operation: 1 if left else 2}


def test_users_who_exist_are_completed_and_an_import_is_foreseen_and_undone(moto: Any) -> None:
    """A dry run makes no call in a state; the run creates the missing group; the undo deletes only whom the run created."""
    old, new = "old@example.com", "new@example.com"
    moto.cognito.admin_create_user(UserPoolId=moto.pool, Username=old, MessageAction="SUPPRESS")
    users = [{"useremail": name, "groups": ["BASIC", "VIP"], "attributes": {"name": NAME}} for name in (old, new)]
    request = {"data": users, "adminemail": ADMIN, "existing_users": "complete", "create_groups": True, "invite": True}
    moto.succeed({**request, "dry_run": True})
    assert [row["code"] for row in moto.report("import")] == ["WouldComplete", "WouldCreate"]
    assert moto.calls() == []
    assert (moto.addresses(), moto.members("BASIC")) == ({old}, set())
    imported = moto.succeed(request)
    assert [row["code"] for row in moto.report("import")] == ["Existed", ""]
    assert moto.report("import")[0]["message"] == "Existed already; joined BASIC, VIP; updated name."
    assert moto.members("BASIC") == moto.members("VIP") == {old, new}
    # The function completes the one who exists, behind the child that was told so.
    assert Counter(moto.calls()) == {"adminCreateUser": 2, "adminAddUserToGroup": 2}
    moto.succeed({"undo": imported["run"], "adminemail": ADMIN})
    assert [(row["useremail"], row["status"]) for row in moto.report("delete")] == [(new, "succeeded")]
    assert moto.addresses() == {old}
    assert Counter(moto.calls()[4:]) == {"adminGetUser": 1, "adminDeleteUser": 1}


def test_group_that_is_missing_stops_the_execution_before_any_user(moto: Any) -> None:
    """The check of what the run needs is made here, too: nobody is created, and the error names the group."""
    request = {"data": [{"useremail": USERS[0], "groups": ["VIP"]}], "adminemail": ADMIN}
    ended = moto.run(request)
    assert (ended["status"], ended["error"]) == ("FAILED", "PreflightError")
    assert "VIP" in ended["cause"]
    assert moto.addresses() == set()


def _shadow(machine: dict[str, Any]) -> None:
    outer = next(name for name in machine["States"]["Ingest"]["Assign"])
    processor = machine["States"]["Map"]["ItemProcessor"]
    processor["States"][processor["StartAt"]]["Assign"][outer] = 1


@pytest.mark.parametrize(
    ("plant", "calls"),
    [
        pytest.param(lambda _: None, ["adminCreateUser", "adminAddUserToGroup"], id="as-stored"),
        pytest.param(_shadow, [], id="shadowed"),
    ],
)
def test_child_that_shadows_a_variable_makes_no_call(
    moto: Any, plant: Callable[[dict[str, Any]], None], calls: list[str]
) -> None:
    """The rule that an inner scope assigns no outer variable holds here, so the stored definition keeps it."""
    machine = copy.deepcopy(definition.load())
    plant(machine)
    machine["States"]["Map"].pop("Next")  # what follows would finish what the children left
    machine["States"]["Map"]["End"] = True
    moto.run({"data": [{"useremail": USERS[0]}], "adminemail": ADMIN}, machine)
    assert moto.calls() == calls
