"""What is done for a user who exists: it joins the groups that it lacks, becomes what its row says, or is invited again.

Only what differs is changed, so doing it again changes nothing. The message of the outcome names what was changed; a worker
that resumes after a dead one names what the dead one had not changed yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from cognito_import.engine.calls import UserFailedError
from cognito_import.engine.jobs import Forecast
from cognito_import.outcomes import EXISTED, EXISTED_AS_LISTED, UNCHANGED, WOULD_COMPLETE
from cognito_import.settings import COMPLETE

if TYPE_CHECKING:
    from cognito_import.engine.calls import Calls
    from cognito_import.engine.jobs import Reach
    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow
    from cognito_import.run.manifest import Manifest
    from cognito_import.run.record_files import Members
    from cognito_import.settings import Settings

User: TypeAlias = dict[str, Any]
"""A user as AdminGetUser describes it."""

COMPLETION_CALLS: Final = 4
"""Calls beside those for groups: they are listed, attributes updated, the user enabled or disabled, and invited again."""

WOULD_BE_INVITED: Final = "would be invited again"
"""What the message of a dry run says of a user who exists and would get another invitation."""


def concerns(code: str, run: Settings | Manifest) -> bool:
    """Whether the run may do something for a user whose creation failed with `code`: not if its address is another's alias."""
    return code == "UsernameExistsException" and (run.existing_users == COMPLETE or run.resend_invitation)


def invites_again(row: UserRow, user: User, settings: Settings) -> bool:
    """Return whether a user who exists gets another invitation: one who has not signed in yet, and may."""
    enabled = user.get("Enabled", True) if row.enabled is None else row.enabled
    return settings.resend_invitation and enabled and user["UserStatus"] == "FORCE_CHANGE_PASSWORD"


def complete(calls: Calls, row: UserRow, reach: Reach, user: User, settings: Settings) -> Outcome:
    """Give the user what it lacks, and return its outcome. Raises what the calls raise."""
    username = str(user["Username"])
    reach.uncertain = reach.existed = True  # and without a name, which would say that we have created it
    try:
        lacks = lacking(calls, row, user, settings)
        for group in lacks.groups:
            calls.make("AdminAddUserToGroup", Username=username, GroupName=group)
        if lacks.attributes:
            given = [{"Name": name, "Value": value} for name, value in lacks.attributes.items()]
            calls.make("AdminUpdateUserAttributes", Username=username, UserAttributes=given)
        if lacks.switch:
            calls.make(lacks.switch, Username=username)
        if lacks.invitation:  # last; a lost answer costs the user a second mail
            calls.make("AdminCreateUser", **invitation(row.useremail, settings))
    except UserFailedError:
        reach.username = username
        raise
    reach.username = username
    changes = lacks.told("joined", "updated", "", "invited again")
    return reach.succeeded("; ".join([EXISTED_AS_LISTED.rstrip("."), *changes]) + ".", EXISTED)


def invitation(useremail: str, settings: Settings) -> dict[str, Any]:
    """Return the arguments of AdminCreateUser that have Cognito mail a user another invitation, but for the user pool.

    A pool whose users sign in with their addresses takes nothing else for a username of this operation.
    """
    password = {"TemporaryPassword": settings.temporary_password} if settings.temporary_password else {}
    return {"Username": useremail, "MessageAction": "RESEND", "DesiredDeliveryMediums": ["EMAIL"], **password}


def foresee_completion(calls: Calls, row: UserRow, user: User, settings: Settings, members: Members | None) -> Forecast:
    """Say what `complete` would change, by calls that only read; none is needed for groups whose `members` are known."""
    lacks = lacking(calls, row, user, settings, members)
    needed = [
        *(["AdminListGroupsForUser"] if row.groups and settings.existing_users == COMPLETE else []),
        *(["AdminAddUserToGroup"] * len(lacks.groups)),
        *(["AdminUpdateUserAttributes"] if lacks.attributes else []),
        *([lacks.switch] if lacks.switch else []),
        *(["AdminCreateUser"] if lacks.invitation else []),
    ]
    changes = lacks.told("would join", "would update", "would be ", WOULD_BE_INVITED)
    code = WOULD_COMPLETE if changes else UNCHANGED
    message = "; ".join(["Exists already", *(changes or ["nothing would change"])]) + "."
    return Forecast.of(row, code, message, ["AdminCreateUser", "AdminGetUser", *needed], str(user["Username"]))


class Lacking(NamedTuple):
    """What a row names and its user has not: groups in the row's order, attributes, and the operation that makes it `enabled`.

    `invitation` says that the user gets another one.
    """

    groups: list[str]
    attributes: dict[str, str]
    switch: str
    invitation: bool

    def told(self, join: str, update: str, be: str, invite: str) -> list[str]:
        """Return the changes as parts of a sentence."""
        parts = ((join, self.groups), (update, self.attributes))
        switched = {"AdminEnableUser": [f"{be}enabled"], "AdminDisableUser": [f"{be}disabled"]}.get(self.switch, [])
        invited = [invite] * self.invitation
        return [*(f"{verb} {', '.join(names)}" for verb, names in parts if names), *switched, *invited]


def lacking(calls: Calls, row: UserRow, user: User, settings: Settings, members: Members | None = None) -> Lacking:
    """Return what the run has to change of a user, by calls that only read."""
    invited = invites_again(row, user, settings)
    if settings.existing_users != COMPLETE:
        return Lacking([], {}, "", invited)
    username, has = str(user["Username"]), set[str]()
    if row.groups:
        has = members.of(username, row.groups) if members else groups_of(calls, username)
    return Lacking(
        [group for group in row.groups if group not in has], differing(row, user), _switch(row, user), invited
    )


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
