"""One user pool whose usernames are addresses, as the core's client sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .clock import Actor, Clock
from .service import POOL, TIMEOUT, Service, failed
from .truth import Truth, User
from .weather import Weather

READS = frozenset(
    {
        "AdminGetUser",
        "AdminListGroupsForUser",
        "DescribeUserPool",
        "GetGroup",
        "GetProvisionedLimit",
        "ListUsersInGroup",
    }
)
"""Operations that change nothing."""
DESCRIPTION = {
    "UsernameAttributes": ["email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "EmailConfiguration": {"EmailSendingAccount": "DEVELOPER"},
    "SchemaAttributes": [{"Name": name, "AttributeDataType": "String"} for name in ("sub", "email", "name")],
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the run for one address."""

    at: float
    operation: str
    caller: Actor


class Cognito(Service, Truth):
    """The user pool's calls."""

    name = "cognito"
    HAZE = 0.2
    """Seconds within which two creations of one address do not see each other."""

    class exceptions:  # noqa: N801 - as botocore's
        """Its errors that are told by their class."""

        class ResourceNotFoundException(ClientError):  # noqa: N818 - as botocore's
            """There is no such group."""

        class GroupExistsException(ClientError):  # noqa: N818 - as botocore's
            """There is such a group."""

    def __init__(self, clock: Clock, weather: Weather) -> None:
        Service.__init__(self, clock, weather)
        Truth.__init__(self, clock)
        self.calls: dict[str, list[Call]] = {}
        self.made: Counter[str] = Counter()
        """How often each operation was called."""
        self.slowness = clock.random.choice((0, 0, 0.05, 0.2))

    def call(self, operation: str, effect: Callable[[], Any], **how: float) -> Any:
        """As any service's, and counted."""
        self.made[operation] += 1
        return super().call(operation, effect, **how)

    # ---- the pool

    def describe_user_pool(self, *, UserPoolId: str) -> Any:  # noqa: N803
        assert UserPoolId == POOL
        described = {"Id": POOL, "EstimatedNumberOfUsers": len(self.users), **DESCRIPTION}
        return self.call("DescribeUserPool", lambda: {"UserPool": described})

    def get_provisioned_limit(self, **_: Any) -> Any:
        def effect() -> Any:
            raise failed("AccessDeniedException", "not allowed", 400, "GetProvisionedLimit")

        return self.call("GetProvisionedLimit", effect)

    def get_group(self, *, UserPoolId: str, GroupName: str) -> Any:  # noqa: N803
        def effect() -> Any:
            if GroupName not in self.groups:
                raise self._no_group("GetGroup")
            return {"Group": {"GroupName": GroupName}}

        assert UserPoolId == POOL
        return self.call("GetGroup", effect)

    def create_group(self, *, UserPoolId: str, GroupName: str) -> Any:  # noqa: N803
        def effect() -> Any:
            if GroupName in self.groups:
                raise failed(
                    "GroupExistsException", "exists", 400, "CreateGroup", kind=self.exceptions.GroupExistsException
                )
            self.groups.add(GroupName)
            return {"Group": {"GroupName": GroupName}}

        assert UserPoolId == POOL
        return self.call("CreateGroup", effect)

    def list_users_in_group(self, *, UserPoolId: str, GroupName: str, Limit: int, NextToken: str = "") -> Any:  # noqa: N803
        def effect() -> Any:
            if GroupName not in self.groups:
                raise self._no_group("ListUsersInGroup")
            members = [user for user in self.users.values() if GroupName in user.groups]
            page = members[int(NextToken or 0) :][:Limit]
            more = int(NextToken or 0) + len(page)
            answer = {"Users": [self._shown(user, "Attributes") for user in page]}
            return {**answer, "NextToken": str(more)} if more < len(members) else answer

        assert UserPoolId == POOL
        return self.call("ListUsersInGroup", effect)

    def _no_group(self, operation: str) -> ClientError:
        kind = self.exceptions.ResourceNotFoundException
        return failed("ResourceNotFoundException", "Group not found.", 400, operation, kind=kind)

    # ---- its users

    def admin_create_user(
        self,
        *,
        UserPoolId: str,  # noqa: N803
        Username: str,  # noqa: N803
        MessageAction: str = "",  # noqa: N803
        UserAttributes: Any = (),  # noqa: N803
        **_: Any,
    ) -> Any:
        def create() -> Any:
            old = self.find(Username)
            if Username in self.unfit:
                raise failed("InvalidParameterException", "Username is unfit.", 400, "AdminCreateUser")
            if old is not None:
                made = next(deed for deed in self.deeds[Username] if deed.username == old.username)
                if old.maker != "run" or self.clock.now - made.at > self.HAZE:
                    message = "User account already exists"
                    raise failed("UsernameExistsException", message, 400, "AdminCreateUser")
                self.twins.append(Username)
            user = self.make(Username, "run")
            user.attributes |= {one["Name"]: one["Value"] for one in UserAttributes}
            return {"User": self._shown(user, "Attributes")}

        def invite_again() -> Any:
            user = self._required(Username, "AdminCreateUser")
            if user.status != "FORCE_CHANGE_PASSWORD":
                raise failed("UnsupportedUserStateException", "signed in", 400, "AdminCreateUser")
            self.change(user, "run", "invited again")
            return {"User": self._shown(user, "Attributes")}

        effect = invite_again if MessageAction == "RESEND" else create
        return self._call("AdminCreateUser", UserPoolId, Username, effect)

    def admin_add_user_to_group(self, *, UserPoolId: str, Username: str, GroupName: str) -> Any:  # noqa: N803
        def effect() -> Any:
            user = self._required(Username, "AdminAddUserToGroup")
            if GroupName not in self.groups:
                raise self._no_group("AdminAddUserToGroup")
            self.change(user, "run", f"joined {GroupName}")
            return {}

        return self._call("AdminAddUserToGroup", UserPoolId, Username, effect)

    def admin_update_user_attributes(self, *, UserPoolId: str, Username: str, UserAttributes: Any) -> Any:  # noqa: N803
        def effect() -> Any:
            user = self._required(Username, "AdminUpdateUserAttributes")
            for one in UserAttributes:
                self.change(user, "run", f"updated {one['Name']}")
                user.attributes[one["Name"]] = one["Value"]
            return {}

        return self._call("AdminUpdateUserAttributes", UserPoolId, Username, effect)

    def admin_list_groups_for_user(
        self,
        *,
        UserPoolId: str,  # noqa: N803
        Username: str,  # noqa: N803
        Limit: int,  # noqa: N803
        NextToken: str = "",  # noqa: N803
    ) -> Any:
        def effect() -> Any:
            assert Limit > 0
            names = sorted(self._required(Username, "AdminListGroupsForUser").groups)
            page = [{"GroupName": name} for name in names if name > NextToken][:2]  # two groups a page
            left = [name for name in names if page and name > page[-1]["GroupName"]]
            return {"Groups": page, **({"NextToken": page[-1]["GroupName"]} if left else {})}

        return self._call("AdminListGroupsForUser", UserPoolId, Username, effect)

    def admin_get_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        def effect() -> Any:
            user = self._required(Username, "AdminGetUser")
            user.seen_changed = user.changed
            return self._shown(user, "UserAttributes")

        return self._call("AdminGetUser", UserPoolId, Username, effect)

    def admin_delete_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        def effect() -> Any:
            user = self._required(Username, "AdminDeleteUser")
            if self.undoing and (user.maker != "run" or user.seen_changed):
                self.careless.append(user.email)
            self.remove(user, "run")
            return {}

        return self._call("AdminDeleteUser", UserPoolId, Username, effect)

    def admin_disable_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        return self._switched("AdminDisableUser", UserPoolId, Username, "disabled")

    def admin_enable_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        return self._switched("AdminEnableUser", UserPoolId, Username, "enabled")

    def _switched(self, operation: str, pool: str, name: str, what: str) -> Any:
        def effect() -> Any:
            self.change(self._required(name, operation), "run", what)
            return {}

        return self._call(operation, pool, name, effect)

    def _call(self, operation: str, pool: str, name: str, effect: Callable[[], Any]) -> Any:
        assert pool == POOL
        email = name if "@" in name else self._email(name)
        self.calls.setdefault(email, []).append(Call(self.clock.now, operation, self.clock.actor))
        hung = not self.weather.calm and self.clock.random.random() < self.slowness
        return self.call(operation, effect, slow=self.clock.random.uniform(1, TIMEOUT - 1) if hung else 0.0)

    def _email(self, username: str) -> str:
        return next(email for email, deeds in self.deeds.items() if any(deed.username == username for deed in deeds))

    def _required(self, name: str, operation: str) -> User:
        user = self.find(name)
        if user is None:
            raise failed("UserNotFoundException", "User does not exist.", 400, operation)
        return user

    @staticmethod
    def _shown(user: User, attributes: str) -> Any:
        return {
            "Username": user.username,
            "UserCreateDate": user.created,
            "UserLastModifiedDate": user.modified,
            "UserStatus": user.status,
            "Enabled": user.enabled,
            attributes: [{"Name": name, "Value": value} for name, value in user.attributes.items()],
        }
