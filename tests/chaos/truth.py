"""The truth that reports are held against: the user pool's users, and who has done what to them."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from .clock import Clock

GROUP = "BASIC"


@dataclass(slots=True)
class User:
    """A user of the pool. `maker` is `run`, or somebody else; `changed` says that somebody else has changed it since."""

    username: str
    email: str
    created: datetime
    status: str
    maker: str
    modified: datetime
    groups: set[str] = field(default_factory=set)
    attributes: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    changed: bool = False
    seen_changed: bool = field(default=False, compare=False)
    """Whether it was changed when a run last looked it up."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A change of one user, and who made it."""

    at: float
    maker: str
    what: str
    username: str


class Truth:
    """The users, who has done what to them, and what people do with them."""

    clock: Clock

    def __init__(self, clock: Clock) -> None:
        self.users: dict[str, User] = {}
        self.groups = {GROUP, "VIP"}
        self.unfit: set[str] = set()
        """Addresses that the pool refuses."""
        self.deeds: dict[str, list[Deed]] = {}
        self.twins: list[str] = []
        self.careless: list[str] = []
        """Users who were deleted although the run saw that they were changed, or that they were somebody else's."""
        self.undoing = False
        self.skew = clock.random.uniform(-0.4, 0.4)

    def find(self, name: str) -> User | None:
        """The user of this address or username."""
        if "@" not in name:
            return self.users.get(name)
        return next((user for user in self.users.values() if user.email == name), None)

    def snapshot(self) -> tuple[dict[str, User], set[str]]:
        """The users and the groups as they are."""
        return copy.deepcopy(self.users), set(self.groups)

    def make(self, email: str, maker: str, status: str = "FORCE_CHANGE_PASSWORD", ago: float = 0.0) -> User:
        """Have a user come into being."""
        name = str(uuid.UUID(int=self.clock.random.getrandbits(128)))
        moment = self.clock.moment(self.skew - ago)
        attributes = {"email": email, "email_verified": "true"}
        user = User(name, email, moment, status, maker, moment, attributes=attributes)
        self.users[name] = user
        self.note(user, maker, "made")
        return user

    def remove(self, user: User, maker: str) -> None:
        """Have a user be gone."""
        del self.users[user.username]
        self.note(user, maker, "removed")

    def change(self, user: User, maker: str, what: str) -> None:
        """Have a user be another one: `what` is `enabled`, `disabled`, `signed in`, `joined GROUP` or `updated NAME`."""
        match what.split():
            case ["enabled" | "disabled"]:
                user.enabled = what == "enabled"
            case ["signed", "in"]:
                user.status = "CONFIRMED"
            case ["joined", group]:
                user.groups.add(group)
            case ["updated", name]:
                user.attributes[name] = maker
        user.modified = self.clock.moment(self.skew)
        user.changed = user.changed or maker != "run"
        self.note(user, maker, what)

    def note(self, user: User, maker: str, what: str) -> None:
        self.deeds.setdefault(user.email, []).append(Deed(self.clock.now, maker, what, user.username))
