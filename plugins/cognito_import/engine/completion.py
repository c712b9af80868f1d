"""Completing a user who exists: it joins the groups that it lacks, and becomes what its row says of it.

Only what differs is changed, so doing it again changes nothing. The message of the outcome names what was changed; a worker
that resumes after a dead one names what the dead one had not changed yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from cognito_import.engine.calls import UserFailedError
from cognito_import.engine.jobs import Forecast
from cognito_import.outcomes import EXISTED, UNCHANGED, WOULD_COMPLETE
from cognito_import.settings import COMPLETE

if TYPE_CHECKING:
    from cognito_import.engine.calls import Calls
    from cognito_import.engine.jobs import Reach
    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow

User: TypeAlias = dict[str, Any]
"""A user as AdminGetUser describes it."""

COMPLETION_CALLS: Final = 3
"""Calls beside those for groups: the user's groups are listed, its attributes updated, and it is enabled or disabled."""


def completes(code: str, existing_users: str) -> bool:
    """Whether a user whose creation failed with `code` is to be completed: not one whose address is another's alias.

    `existing_users` is what the run does with users who exist.
    """
    return existing_users == COMPLETE and code == "UsernameExistsException"


def complete(calls: Calls, row: UserRow, reach: Reach, user: User) -> Outcome:
    """Give the user what it lacks, and return its outcome. Raises what the calls raise."""
    username = str(user["Username"])
    reach.uncertain = reach.existed = True  # and without a name, which would say that we have created it
    try:
        lacks = lacking(calls, row, user)
        for group in lacks.groups:
            calls.make("AdminAddUserToGroup", Username=username, GroupName=group)
        if lacks.attributes:
            given = [{"Name": name, "Value": value} for name, value in lacks.attributes.items()]
            calls.make("AdminUpdateUserAttributes", Username=username, UserAttributes=given)
        if lacks.switch:
            calls.make(lacks.switch, Username=username)
    except UserFailedError:
        reach.username = username
        raise
    reach.username = username
    changes = lacks.told("joined", "updated", "")
    return reach.succeeded("; ".join(["Existed already", *changes]) + ".", EXISTED)


def foresee_completion(calls: Calls, row: UserRow, user: User) -> Forecast:
    """Say what `complete` would change, by calls that only read."""
    lacks = lacking(calls, row, user)
    needed = [
        *(["AdminListGroupsForUser"] if row.groups else []),
        *(["AdminAddUserToGroup"] * len(lacks.groups)),
        *(["AdminUpdateUserAttributes"] if lacks.attributes else []),
        *([lacks.switch] if lacks.switch else []),
    ]
    changes = lacks.told("would join", "would update", "would be ")
    code = WOULD_COMPLETE if changes else UNCHANGED
    message = "; ".join(["Exists already", *(changes or ["nothing would change"])]) + "."
    return Forecast.of(row, code, message, ["AdminCreateUser", "AdminGetUser", *needed], str(user["Username"]))


class Lacking(NamedTuple):
    """What a row names and its user has not: groups in the row's order, attributes, and the operation that makes it `enabled`."""

    groups: list[str]
    attributes: dict[str, str]
    switch: str

    def told(self, join: str, update: str, be: str) -> list[str]:
        """Return the changes as parts of a sentence."""
        parts = ((join, self.groups), (update, self.attributes))
        switched = {"AdminEnableUser": [f"{be}enabled"], "AdminDisableUser": [f"{be}disabled"]}.get(self.switch, [])
        return [*(f"{verb} {', '.join(names)}" for verb, names in parts if names), *switched]


def lacking(calls: Calls, row: UserRow, user: User) -> Lacking:
    """Return what a user lacks, by calls that only read."""
    has = groups_of(calls, str(user["Username"])) if row.groups else set()
    return Lacking([group for group in row.groups if group not in has], differing(row, user), _switch(row, user))


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
    named = dict(row.attributes)
    if row.email_verified is not None:
        named["email_verified"] = str(row.email_verified).lower()
    has = {attribute["Name"]: attribute.get("Value", "") for attribute in user.get("UserAttributes", ())}
    return {name: value for name, value in named.items() if has.get(name, "") != value}


def _switch(row: UserRow, user: User) -> str:
    if row.enabled is None or row.enabled == user.get("Enabled", True):
        return ""
    return "AdminEnableUser" if row.enabled else "AdminDisableUser"
