"""One child of the state machine's Map, as `include/stack/state_machine.asl.json` has it from ReadBatch to StoreOutcomes."""

from __future__ import annotations

import math
from typing import Any

from botocore.exceptions import ClientError

from cognito_import.engine.calls import OPERATIONS

from .cognito import Cognito
from .functions import STORING, Functions

FIRST = ("AdminCreateUser", "AdminGetUser")


class Child:
    """Makes the calls of one batch. Its attributes are the definition's variables."""

    def __init__(self, functions: Functions, cognito: Cognito, skew: float, event: Any) -> None:
        self.functions, self.cognito, self.clock, self.skew, self.event = (
            functions,
            cognito,
            functions.clock,
            skew,
            event,
        )
        self.place = {name: event[name] for name in ("run", "round", "batch")}
        self.results: list[Any] = []
        self.stop = False
        self.throttles = self.slow_seconds = 0

    def run(self) -> None:  # noqa: C901 - the states as they stand in the definition
        """From ReadBatch to the end."""
        self.batch = batch = self.functions.invoke(self.event, **{**STORING, "timeout": 60})
        self.pause = batch["first_pause"]
        users = batch["users"]
        following, queue, found, faults, calm, alike = 0, [], [], 0, 0, 0
        if not users:
            return
        while True:
            now = self.clock.moment(self.skew).timestamp() * 1000
            over = now > batch["deadline"]
            if self.stop or now > batch["last"] or (alike >= batch["alike"] and alike == len(self.results)):
                break
            if found and (len(found) >= batch["at_once"] or following >= len(users) or over):
                finished = self._store(closed=False)
                queue, found = queue + [one for one in found if one["row"] not in finished], []
                continue
            if not queue and (following >= len(users) or over):
                break
            calls = []
            if following < len(users) and len(queue) <= batch["ahead"] and not over:
                calls.append({**users[following], "at": int(now)})
            if queue:
                calls.append(queue[0])
            made = self._each_pause(calls)
            done = [one for one in made if one["done"]]
            following += sum(one["call"] in FIRST for one in done)
            for second in done:
                if second["call"] not in FIRST:
                    queue = [one for one in queue[1:] if not second["error"] or one["row"] != second["row"]]
            queue = queue + [then for one in made if one["call"] == "AdminCreateUser" for then in one["then"]]
            found = found + [then for one in made if one["call"] == "AdminGetUser" for then in one["then"]]
            self.results += [
                {name: one[name] for name in ("row", "call", "username", "user", "error", "message", "at")}
                for one in done
            ]
            throttled = sum(one["throttled"] for one in made)
            self.throttles += throttled
            self.slow_seconds += self.pause if self.pause > batch["pause"] else 0
            calm += self.pause
            if throttled:
                self.pause, calm = min(batch["longest_pause"], 2 * self.pause), 0
            elif calm >= batch["calm_seconds"]:
                self.pause, calm = max(batch["pause"], math.ceil(self.pause / 2)), 0
            fault = any(one["fault"] for one in made)
            alike += sum(one["alike"] for one in made)
            self.stop = any(one["stop"] for one in made) or (faults >= 2 and fault)
            faults = faults + 1 if fault else 0 if done else faults
        self._store(closed=True)

    def _store(self, *, closed: bool) -> set[int]:
        """StoreUsernames, or StoreOutcomes."""
        event = {"action": "store_batch", "place": self.place, "results": list(self.results), "closed": closed}
        event |= {"gave_up": closed and self.stop, "slowed": closed and self.pause > self.batch["first_pause"]}
        if closed:
            event |= {"throttles": self.throttles, "slow_seconds": self.slow_seconds}
        return set(self.functions.invoke(event, **STORING))

    def _each_pause(self, calls: list[Any]) -> list[Any]:
        """The calls beside each other, and a pause."""
        ends = self.clock.now + self.pause
        made = [self.clock.spawn("call", lambda call=call: self._made(call), own=True) for call in calls]
        for one in made:
            self.clock.join(one)
            if one.error:
                raise one.error
        self.clock.sleep(ends - self.clock.now)
        return [one.result for one in made]

    def _made(self, call: Any) -> Any:
        """One Task, with its Success or Error."""
        batch = self.batch
        method = getattr(self.cognito, OPERATIONS[call["call"]].method)
        try:
            answer = method(**call["arguments"])
        except ClientError as error:
            name, cause = _named(error)
        except Exception as error:  # noqa: BLE001 - whatever the SDK meets on its way
            name, cause = "States.Timeout", str(error)
        else:
            at = int(self.clock.moment(self.skew).timestamp() * 1000)
            return {**_success(call, answer), "error": "", "message": "", "at": at, "done": True, **_flags()}
        code = name.partition(".")[2]
        throttled = code in batch["throttles"]
        return {
            "row": call["row"],
            "call": call["call"],
            "username": "",
            "user": {},
            "error": code,
            "message": cause[:300],
            "at": call.get("at", 0),
            "then": [],
            "done": not throttled,
            **_flags(
                throttled=throttled,
                fault=not (throttled or code in batch["own_errors"]),
                alike=code in batch["common_errors"],
                stop=code in batch["stops"],
            ),
        }


def _named(error: ClientError) -> tuple[str, str]:
    """An error as an SDK integration of Step Functions tells it."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code in ("InternalFailure", "ServiceUnavailable", "ServiceUnavailableException", "AccessDeniedException"):
        name = "CognitoIdentityProviderException"
    elif code == "ExpiredTokenException":
        name, message = "CognitoIdentityProviderException", "The security token included in the request is expired"
    else:
        name = code if code.endswith("Exception") else f"{code}Exception"
    if code == "AccessDeniedException":
        message = "User: x is not authorized to perform: cognito-idp:AdminCreateUser"
    cause = (
        f"{message} (Service: CognitoIdentityProvider, Status Code: {status}, Request ID: 0-0) (SDK Attempt Count: 1)"
    )
    return f"CognitoIdentityProvider.{name}", cause


def _flags(*, throttled: bool = False, fault: bool = False, alike: bool = False, stop: bool = False) -> dict[str, bool]:
    return {"throttled": throttled, "fault": fault, "alike": alike, "stop": stop}


def _success(call: Any, answer: Any) -> dict[str, Any]:
    row, operation, arguments = call["row"], call["call"], call["arguments"]
    pool = arguments["UserPoolId"]
    then: list[Any] = []
    user: dict[str, Any] = {}
    username = arguments["Username"]
    if operation == "AdminCreateUser":
        username = answer["User"]["Username"]
        then = [
            {
                "row": row,
                "call": "AdminAddUserToGroup",
                "arguments": {"UserPoolId": pool, "Username": username, "GroupName": group},
            }
            for group in call["groups"]
        ]
        if call["disable"]:
            then.append(
                {"row": row, "call": "AdminDisableUser", "arguments": {"UserPoolId": pool, "Username": username}}
            )
    elif operation == "AdminGetUser":
        username = answer["Username"]
        moments = {name: answer[name].isoformat() for name in ("UserCreateDate", "UserLastModifiedDate")}
        user = {**moments, "UserStatus": answer["UserStatus"], "Enabled": answer["Enabled"]}
        changed = {"UserPoolId": pool, "Username": username}
        then = [{"row": row, "call": call["change"], "arguments": changed}]
    return {"row": row, "call": operation, "username": username, "user": user, "then": then}
