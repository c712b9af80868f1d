"""The users whom the demo imports, and what must become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognito_import.outcomes import EXISTS_CODES
from demo.resources import GROUP

if TYPE_CHECKING:
    from demo.resources import Resources

EXISTING, MALFORMED, DUPLICATE = 2, 4, 6


def make_users(count: int, domain: str) -> list[dict[str, Any]]:
    """Invent `count` users (10 at least), some of which fail for good reasons."""
    users: list[dict[str, Any]] = [{"useremail": f"user{number:06}@{domain}"} for number in range(1, count + 1)]
    users[MALFORMED] = {"useremail": "user-without-domain"}
    users[DUPLICATE] = {"useremail": users[0]["useremail"].upper()}
    users[7]["attributes"] = {"given_name": "花子", "custom:department": "営業部"}
    users[8]["groups"] = [GROUP]
    return users


def _expected_codes(users: list[dict[str, Any]]) -> list[str]:
    """Return the code that each user's outcome must have."""
    codes = [""] * len(users)
    codes[EXISTING] = "UsernameExistsException"
    codes[MALFORMED] = "InvalidAddress"
    codes[DUPLICATE] = "DuplicateAddress"
    return codes


def check_rows(rows: list[dict[str, str]], users: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with the CSV's rows, of which each user has one in the request's order."""
    if len(rows) != len(users):
        return [f"the CSV has {len(rows)} rows for {len(users)} users"]
    return [
        f"row {number}: {row['useremail']} has the code {row['code']!r} instead of {code!r}"
        for number, (row, user, code) in enumerate(zip(rows, users, _expected_codes(users), strict=True), start=1)
        if row["code"] != code or row["useremail"] != user["useremail"]
    ]


def check_pool(resources: Resources, rows: list[dict[str, str]]) -> list[str]:
    """Return where the CSV says something else than the user pool."""
    pool = resources.users()
    problems = []
    for row in rows:
        user = pool.get(row["useremail"])
        if row["status"] == "succeeded" and (user is None or user.username != row["username"] or not user.groups):
            problems.append(f"{row['useremail']} is reported as made but the pool has {user}")
        if row["status"] == "failed" and user is not None and row["code"] not in EXISTS_CODES:
            problems.append(f"{row['useremail']} is reported as failed but is in the pool")
    return problems
