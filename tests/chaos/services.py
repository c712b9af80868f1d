"""The services as the core's clients see them, and the truth that reports are held against."""

from __future__ import annotations

import hashlib
import io
import json
import types
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody

from .clock import Actor, Clock
from .weather import Fault, Weather

POOL, BUCKET, GROUP = "ap-northeast-1_chaos", "chaos", "BASIC"
TIMEOUT, MAX_READ_SECONDS = 15.0, 30.0
URL = "https://service.invalid"


def failed(code: str, message: str, status: int, operation: str, date: str = "") -> ClientError:
    """The error that botocore makes of an error answer."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"date": date}},
    }
    return ClientError(answer, operation)


class Service:
    """A client: its calls take time, meet the weather, and may take effect though nobody hears of it."""

    name = ""

    def __init__(self, clock: Clock, weather: Weather) -> None:
        self.clock = clock
        self.weather = weather

    def call(self, operation: str, effect: Callable[[], Any], *, slow: float = 0.0, lag: float = 1e9) -> Any:
        """Make one call. Its effect happens in its time, whether its caller is alive by then or not.

        It is `slow` by so much, and answered `lag` seconds after its effect at most.
        """
        clock, draw = self.clock, self.clock.random
        fault = self.weather.meet(self.name, operation, clock.now)
        took = draw.uniform(0.01, 0.12) + slow
        silent = fault is not None and fault.answer == "silent"
        # What falls silent may be done at any moment before its caller gives up.
        when = draw.uniform(0, TIMEOUT - 2) if silent else took - min(took, lag) * draw.random()
        box: list[Any] = []

        def happen() -> None:
            try:
                box.append(effect())
            except ClientError as error:
                box.append(error)

        if fault is None or fault.done:
            clock.at(clock.now + when, happen)
        clock.sleep(TIMEOUT if silent else took)
        if fault is not None:
            raise self.error(operation, fault)
        if isinstance(box[0], ClientError):
            raise box[0]
        return box[0]

    def error(self, operation: str, fault: Fault) -> Exception:
        """What botocore raises for a fault."""
        match fault.answer:
            case "silent":
                return ReadTimeoutError(endpoint_url=URL)
            case "reset":
                return ConnectionClosedError(endpoint_url=URL)
            case "unreachable":
                return EndpointConnectionError(endpoint_url=URL)
        code = fault.answer
        if self.name == "s3" and code == "ExpiredTokenException":
            code = "ExpiredToken"
        message = "Rate exceeded" if code == "TooManyRequestsException" else "made up by the weather"
        return failed(code, message, fault.status, operation)


@dataclass(slots=True)
class User:
    """A user of the pool. `maker` is `run`, or somebody else."""

    username: str
    email: str
    created: datetime
    status: str
    maker: str
    groups: set[str] = field(default_factory=set)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Deed:
    """A change of one user, and who made it."""

    at: float
    maker: str
    what: str
    username: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the run for one address."""

    at: float
    operation: str
    caller: Actor


class Cognito(Service):
    """One user pool whose usernames are addresses."""

    name = "cognito"
    HAZE = 0.2
    """Seconds within which two creations of one address do not see each other."""

    def __init__(self, clock: Clock, weather: Weather) -> None:
        super().__init__(clock, weather)
        self.users: dict[str, User] = {}
        self.groups = {GROUP, "VIP"}
        self.unfit: set[str] = set()
        """Addresses that the pool refuses."""
        self.deeds: dict[str, list[Deed]] = {}
        self.calls: dict[str, list[Call]] = {}
        self.twins: list[str] = []
        self.slowness = clock.random.choice((0, 0, 0.05, 0.2))
        self.skew = clock.random.uniform(-0.4, 0.4)

    # ---- the truth

    def find(self, name: str) -> User | None:
        """The user of this address or username."""
        if "@" not in name:
            return self.users.get(name)
        return next((user for user in self.users.values() if user.email == name), None)

    def make(self, email: str, maker: str, status: str = "FORCE_CHANGE_PASSWORD", ago: float = 0.0) -> User:
        """Have a user come into being."""
        name = str(uuid.UUID(int=self.clock.random.getrandbits(128)))
        user = User(name, email, self.clock.moment(self.skew - ago), status, maker)
        self.users[name] = user
        self.note(email, maker, "made", name)
        return user

    def remove(self, user: User, maker: str) -> None:
        """Have a user be gone."""
        del self.users[user.username]
        self.note(user.email, maker, "removed", user.username)

    def note(self, email: str, maker: str, what: str, username: str) -> None:
        self.deeds.setdefault(email, []).append(Deed(self.clock.now, maker, what, username))

    def switch(self, user: User, maker: str, *, enabled: bool) -> None:
        """Have a user enabled or disabled."""
        user.enabled = enabled
        self.note(user.email, maker, "enabled" if enabled else "disabled", user.username)

    # ---- the calls

    def admin_create_user(self, *, UserPoolId: str, Username: str, **_: Any) -> Any:  # noqa: N803
        def effect() -> Any:
            old = self.find(Username)
            if Username in self.unfit:
                raise failed("InvalidParameterException", "Username is unfit.", 400, "AdminCreateUser")
            if old is not None:
                made = next(deed for deed in self.deeds[Username] if deed.username == old.username)
                if old.maker != "run" or self.clock.now - made.at > self.HAZE:
                    message = "User account already exists"
                    raise failed("UsernameExistsException", message, 400, "AdminCreateUser")
                self.twins.append(Username)
            return {"User": self._shown(self.make(Username, "run"))}

        return self._call("AdminCreateUser", UserPoolId, Username, effect)

    def admin_add_user_to_group(self, *, UserPoolId: str, Username: str, GroupName: str) -> Any:  # noqa: N803
        def effect() -> Any:
            user = self._required(Username, "AdminAddUserToGroup")
            if GroupName not in self.groups:
                raise failed("ResourceNotFoundException", "Group not found.", 400, "AdminAddUserToGroup")
            user.groups.add(GroupName)
            return {}

        return self._call("AdminAddUserToGroup", UserPoolId, Username, effect)

    def admin_get_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        def effect() -> Any:
            return self._shown(self._required(Username, "AdminGetUser"))

        return self._call("AdminGetUser", UserPoolId, Username, effect)

    def admin_delete_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        def effect() -> Any:
            self.remove(self._required(Username, "AdminDeleteUser"), "run")
            return {}

        return self._call("AdminDeleteUser", UserPoolId, Username, effect)

    def admin_disable_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        return self._switched("AdminDisableUser", UserPoolId, Username, enabled=False)

    def admin_enable_user(self, *, UserPoolId: str, Username: str) -> Any:  # noqa: N803
        return self._switched("AdminEnableUser", UserPoolId, Username, enabled=True)

    def _switched(self, operation: str, pool: str, name: str, *, enabled: bool) -> Any:
        def effect() -> Any:
            self.switch(self._required(name, operation), "run", enabled=enabled)
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

    def _shown(self, user: User) -> Any:
        return {
            "Username": user.username,
            "UserCreateDate": user.created,
            "UserStatus": user.status,
            "Enabled": user.enabled,
        }


class S3(Service):
    """One bucket."""

    name = "s3"

    def __init__(self, clock: Clock, weather: Weather) -> None:
        super().__init__(clock, weather)
        self.objects: dict[str, tuple[bytes, str, float]] = {}
        self.settled: dict[int, float] = {}
        """When the outcome of each row was first stored."""
        self.leased: dict[tuple[Actor, int], float] = {}
        """When each worker took the lease of each batch."""
        self.slowness = clock.random.choice((0, 0, 0.01, 0.05))

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: Any,  # noqa: N803
        IfNoneMatch: str = "",  # noqa: N803
        IfMatch: str = "",  # noqa: N803
        **_: Any,
    ) -> Any:
        content = Body if isinstance(Body, bytes) else Body.read()
        caller = self.clock.actor.origin

        def effect() -> Any:
            stored = self.objects.get(Key)
            if IfMatch and stored is None:
                raise self._failed("NoSuchKey", 404, "PutObject")
            if stored and (IfNoneMatch or IfMatch not in ("", stored[1])):
                raise self._failed("PreconditionFailed", 412, "PutObject")
            tag = f'"{hashlib.md5(content).hexdigest()}"'  # noqa: S324 - as S3 does
            self.objects[Key] = content, tag, self.clock.now
            self._note(Key, content, caller)
            return {"ETag": tag, **self._told()}

        def repeated(error: Exception) -> Exception:
            # botocore repeats it, and meets what it wrote itself.
            return (
                self._failed("PreconditionFailed", 412, "PutObject") if IfNoneMatch and Key in self.objects else error
            )

        try:
            return self._call("PutObject", Bucket, effect)
        except (ReadTimeoutError, ConnectionClosedError) as error:
            raise repeated(error) from None

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> Any:  # noqa: N803
        def effect() -> Any:
            content, tag, at = self._required(Key, "NoSuchKey", "GetObject")
            if IfMatch not in ("", tag):
                raise self._failed("PreconditionFailed", 412, "GetObject")
            if Range:
                first, last = map(int, Range.removeprefix("bytes=").split("-"))
                content = content[first : last + 1]
            body = StreamingBody(io.BytesIO(content), len(content))  # type: ignore[arg-type]
            return {"Body": body, "ETag": tag, "LastModified": self._second(at), **self._told()}

        return self._call("GetObject", Bucket, effect)

    def head_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        def effect() -> Any:
            _, tag, at = self._required(Key, "404", "HeadObject")
            return {"ETag": tag, "LastModified": self._second(at), **self._told()}

        return self._call("HeadObject", Bucket, effect)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return types.SimpleNamespace(paginate=self._pages)

    def generate_presigned_url(self, *_: Any, **__: Any) -> str:
        return f"{URL}/?X-Amz-Algorithm=AWS4-HMAC-SHA256"

    def delete_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        def effect() -> Any:
            self.objects.pop(Key, None)
            return self._told()

        return self._call("DeleteObject", Bucket, effect)

    def _pages(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> Iterator[Any]:  # noqa: N803
        after = StartAfter
        while True:

            def effect(after: str = after) -> Any:
                keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > after)
                listed = [{"Key": key, "LastModified": self._second(self.objects[key][2])} for key in keys[:1000]]
                return {"Contents": listed, **self._told()}

            page = self._call("ListObjectsV2", Bucket, effect)
            yield page
            if len(page["Contents"]) < 1000:
                return
            after = page["Contents"][-1]["Key"]

    def _call(self, operation: str, bucket: str, effect: Callable[[], Any]) -> Any:
        assert bucket == BUCKET
        slow = 0.0
        if not self.weather.calm and self.clock.random.random() < self.slowness:
            slow = self.clock.random.choice((3.0, 20.0, 90.0))  # botocore repeats for so long
        # What is read is as old as its last attempt; what is written may have been written by the first.
        return self.call(operation, effect, slow=slow, lag=1e9 if operation == "PutObject" else MAX_READ_SECONDS)

    def _required(self, key: str, code: str, operation: str) -> tuple[bytes, str, float]:
        if key not in self.objects:
            raise self._failed(code, 404, operation)
        return self.objects[key]

    def _failed(self, code: str, status: int, operation: str) -> ClientError:
        return failed(code, "no such thing", status, operation, self._told()["ResponseMetadata"]["HTTPHeaders"]["date"])

    def _told(self) -> Any:
        date = format_datetime(self.clock.moment(), usegmt=True)
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"date": date}}}

    def _second(self, at: float) -> datetime:
        return self.clock.moment(at - self.clock.now).replace(microsecond=0)

    def _note(self, key: str, content: bytes, caller: Actor) -> None:
        if "/leases/" in key:
            self.leased[caller, int(key[-5:])] = self.clock.now
        if "/outcomes/" in key:
            for outcome in json.loads(content)["outcomes"]:
                self.settled.setdefault(outcome["row"], self.clock.now)


class Ses(Service):
    """Takes every mail."""

    name = "ses"

    def send_email(self, **_: Any) -> Any:
        return self.call("SendEmail", lambda: {"MessageId": "0"})


class States(Service):
    """Tells which executions run."""

    name = "states"

    class exceptions:  # noqa: N801 - as botocore's
        """Its errors."""

        class ExecutionDoesNotExist(Exception):  # noqa: N818
            """There is no such execution."""

    def __init__(self, clock: Clock, weather: Weather) -> None:
        super().__init__(clock, weather)
        self.status: dict[str, str] = {}

    def describe_execution(self, *, executionArn: str) -> Any:  # noqa: N803
        return self.call("DescribeExecution", lambda: {"status": self.status[executionArn]})
