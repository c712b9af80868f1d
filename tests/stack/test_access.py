"""What an execution of the deployed state machine makes of requests to disable and enable users, and to undo an import."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from sandbox.aws.process import LocalAws

ADMIN = "admin@example.com"
Users = Callable[[int], list[dict[str, Any]]]


def test_users_are_disabled_and_enabled_again(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Each by one call; who is so already by none, who does not exist is a failure, and a lost answer counts as done."""
    users = addresses(4)
    names = machine.make(users[:3])
    machine.cognito.admin_disable_user(UserPoolId=machine.pool, Username=names[0])
    aws.fault("AdminDisableUser", "drop_after")
    for jobtype, operation, unchanged in (("disable", "AdminDisableUser", 1), ("enable", "AdminEnableUser", 0)):
        before = len(aws.calls())
        ended = machine.run({"jobtype": jobtype, "data": users, "adminemail": ADMIN})
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
        output = json.loads(ended["output"])
        assert output["csv_key"].startswith(f"cognito{jobtype}log/{jobtype}_result_")
        stored = machine.s3.get_object(Bucket=machine.variable["report_bucket"], Key=output["csv_key"])["Body"].read()
        rows = list(csv.DictReader(io.StringIO(stored.decode("utf-8-sig"))))
        assert Counter(row["code"] for row in rows[:3]) == Counter({"": 3 - unchanged, "Unchanged": unchanged})
        assert [row["username"] for row in rows] == [*names, ""]
        assert (rows[3]["status"], rows[3]["code"]) == ("failed", "UserNotFoundException")
        called = Counter(call["username"] for call in aws.calls()[before:] if call["operation"] == operation)
        assert called.keys() == set(names[unchanged:])
        states = [machine.cognito.admin_get_user(UserPoolId=machine.pool, Username=name)["Enabled"] for name in names]
        assert states == [jobtype == "enable"] * 3


def test_an_import_is_undone(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """By the users' names; who got a password since is left."""
    users = addresses(3)
    ended = machine.run({"data": users, "adminemail": ADMIN})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    name = machine.members()[users[0]["useremail"]]
    machine.cognito.admin_set_user_password(
        UserPoolId=machine.pool, Username=name, Password="Chang3d-since!", Permanent=True
    )
    ended = machine.run({"undo": json.loads(ended["output"])["run"], "adminemail": ADMIN})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    counts = json.loads(ended["output"])["counts"]
    assert (counts["succeeded"], counts["failed"]) == (2, 1)
    assert [user["useremail"] for user in users if user["useremail"] in machine.members()] == [users[0]["useremail"]]
    assert "undo" in aws.outbox()[-1]["Subject"].lower()
