"""Completing a user who exists: it joins the groups that it lacks, and gets the attributes that its row names.

Only what differs is changed, so doing it again changes nothing. The message of the outcome names what was changed; a worker
that goes on behind a dead one names what the dead one had not changed yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cognito_import.engine.calls import UserFailedError
from cognito_import.outcomes import EXISTED
from cognito_import.settings import COMPLETE

if TYPE_CHECKING:
    from cognito_import.engine.calls import Calls
    from cognito_import.engine.jobs import Reach
    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow

User: TypeAlias = dict[str, Any]
"""A user as AdminGetUser describes it."""

COMPLETION_CALLS: Final = 2
"""Calls beside those for groups: the user's groups are listed, and its attributes updated."""


def completes(code: str, existing_users: str) -> bool:
    """Whether a user whose creation failed with `code` is to be completed: not one whose address is another's alias.

    `existing_users` is what the run does with users who exist.
    """
    return existing_users == COMPLETE and code == "UsernameExistsException"


def complete(calls: Calls, row: UserRow, reach: Reach, user: User) -> Outcome:
    """Give the user what it lacks, and return its outcome. Raises what the calls raise."""
    username = str(user["Username"])
    reach.uncertain = True  # and without a name, which would say that we have created it
    try:
        changes = [*_join(calls, row, username), *_update(calls, row, user)]
    except UserFailedError:
        reach.username = username
        raise
    reach.username = username
    return reach.succeeded("; ".join(["Existed already", *changes]) + ".", EXISTED)


def _join(calls: Calls, row: UserRow, username: str) -> list[str]:
    """Have the user join the groups that it lacks; return what was changed."""
    has = groups_of(calls, username) if row.groups else set()
    missing = [group for group in row.groups if group not in has]
    for group in missing:
        calls.make("AdminAddUserToGroup", Username=username, GroupName=group)
    return [f"joined {', '.join(missing)}"] if missing else []


def groups_of(calls: Calls, username: str) -> set[str]:
    """Return the names of a user's groups."""
    names: set[str] = set()
    more: dict[str, Any] = {}
    while True:
        page = calls.make("AdminListGroupsForUser", Username=username, Limit=60, **more)
        names.update(group["GroupName"] for group in page["Groups"])
        if not page.get("NextToken"):
            return names
        more = {"NextToken": page["NextToken"]}


def differing(row: UserRow, user: User) -> dict[str, str]:
    """Return the attributes that the row names and the user has not, or not so; an empty one is as good as none."""
    has = {attribute["Name"]: attribute.get("Value", "") for attribute in user.get("UserAttributes", ())}
    return {name: value for name, value in row.attributes.items() if has.get(name, "") != value}


def _update(calls: Calls, row: UserRow, user: User) -> list[str]:
    """Give the user the attributes that its row names; return what was changed."""
    attributes = differing(row, user)
    if not attributes:
        return []
    given = [{"Name": name, "Value": value} for name, value in attributes.items()]
    calls.make("AdminUpdateUserAttributes", Username=user["Username"], UserAttributes=given)
    return [f"updated {', '.join(attributes)}"]
