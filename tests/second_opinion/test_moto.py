"""The whole state machine on an interpreter that nobody here wrote."""

from __future__ import annotations

import copy
import json
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
    imported = moto.run({"data": users, "adminemail": ADMIN})
    assert imported["status"] == "SUCCEEDED", f"{imported['error']}: {imported['cause']}"
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
    deleted = moto.run(request)
    assert deleted["status"] == "SUCCEEDED", f"{deleted['error']}: {deleted['cause']}"
    assert moto.addresses() == {*USERS[5:], "there@example.com"}
    assert [(row["useremail"], row["code"]) for row in moto.report("delete")] == [
        *((row, "") for row in USERS[:5]), ("nobody@example.com", "UserNotFoundException"),
    ]  # fmt: skip
    assert Counter(moto.calls()[45:]) == {"adminGetUser": 6, "adminDeleteUser": 5}
    assert json.loads(deleted["output"])["run"]
    assert moto.ses.get_send_quota()["SentLast24Hours"] == 2


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
