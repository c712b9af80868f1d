"""Stand-ins for the two engines: what Airflow does with tasks, and Step Functions with children and functions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from cognito_import.engine.batches import run_batch
from cognito_import.engine.calls import OPERATIONS
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.shared_rate import SharedRate
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, CognitoImportError
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import Manifest
from cognito_import.run.s3_folder import S3Folder
from stack import definition, environment, handler

from .clock import Actor, Clock, Killed
from .services import BUCKET, S3, Cognito, States
from .weather import Weather

NOTICED = (30.0, 300.0)
"""Seconds after which Airflow sees that a worker is gone."""


FINAL_ERRORS = definition.load()["States"]["Settle"]["Retry"][0]["ErrorEquals"]
"""Errors of the function that the state machine does not retry."""


class Airflow:
    """Runs the batches of one import as tasks, with retries, in as many slots as there are."""

    def __init__(self, clock: Clock, weather: Weather, cognito: Cognito, s3: S3, settings: Any) -> None:
        self.clock, self.weather, self.cognito, self.s3, self.settings = clock, weather, cognito, s3, settings
        draw = clock.random
        self.retries = draw.choice((3, 12))
        self.kills = draw.choice((0, 0.05, 0.2, 0.5))
        self.doubts = draw.choice((0, 0.1, 0.3, 0.6))
        self.by_hand = draw.choice((0, 0, 0.1, 0.5))
        self.stops = draw.choice((0, 0, 0.5))
        self.stop = float("inf")
        self.done: set[int] = set()
        self.rows = ""

    def work(self, run: str) -> None:
        """Run the tasks that have not succeeded, each to success or failure."""
        name = f"runs/{run}/manifest.json"
        planned = Manifest.from_json(self.s3.objects[name][0], name)
        left = [batch for batch in planned.batches if batch.number not in self.done]
        self.rows = planned.rows

        draw = self.clock.random
        halted = not self.weather.calm and draw.random() < self.stops  # all tasks are marked as failed; workers go on
        self.stop = self.clock.now + draw.uniform(1, 60) if halted else float("inf")

        def slot() -> None:
            while left and self.clock.now < self.stop:
                batch = left.pop(0)
                if self._task(run, batch):
                    self.done.add(batch.number)

        for one in [self.clock.spawn("slot", slot) for _ in range(self.settings.slots)]:
            self.clock.join(one)
            if one.error:
                raise one.error

    def _task(self, run: str, batch: Any) -> bool:  # noqa: C901, PLR0912 - one branch for each fate of a task
        clock, draw = self.clock, self.clock.random
        for attempt in range(self.retries + 1):
            if attempt:
                clock.sleep(min(300.0, 30.0 * 2 ** (attempt - 1)))
            worker = clock.spawn(f"batch {batch.number}", lambda: self._worker(run, batch))
            fate = draw.random() if not self.weather.calm else math.inf
            soon = draw.uniform(0, 2.5 * batch.size + 5) * draw.choice((1.0, 1.0, 4.0))
            if fate < self.kills:
                if not clock.join(worker, soon):
                    self.weather.met["worker killed"] += 1
                    worker.kill()
                    clock.sleep(draw.uniform(*NOTICED))
                    continue
            elif fate < self.kills + self.doubts:
                if not clock.join(worker, soon):
                    self.weather.met["worker thought dead"] += 1
                    self._give_up(worker, batch)
                    continue
            elif fate < self.kills + self.doubts + self.by_hand and not clock.join(worker, soon):
                self.weather.met["task marked as failed"] += 1
                if draw.random() < 0.5:
                    clock.at(clock.now + draw.uniform(0, 60), worker.kill)
                return self._give_up(worker, batch)
            if not clock.join(worker, max(0.0, self.stop - clock.now)):
                return self._give_up(worker, batch)
            match worker.error:
                case None:
                    return True
                case CallsStoppedError(temporary=False):
                    return False
                case CognitoImportError() | Killed():
                    continue
                case error:
                    raise error
        return False

    def _give_up(self, worker: Actor, batch: Any) -> bool:
        """Leave a worker to itself; one that has not begun is not missed, or it could begin after the report."""
        if (worker, batch.number) not in self.s3.leased:
            worker.kill()
        return False

    def _worker(self, run: str, batch: Any) -> None:
        folder = self._folder(run)
        held_for = self.clock.random.choice((-300.0, 0.0, 0.5, 10.0))  # by a wall clock that may jump
        pacer = Pacer(self.settings.pacing_seconds, held_for=held_for, shared=SharedRate(S3Folder(self.s3, BUCKET, "")))
        manifest = folder.required_manifest()
        manifest.raise_if_planned_otherwise("mapped", self.rows)
        run_batch(
            folder, batch, UserPool(self.cognito, manifest.applied_to(self.settings), pacer, jobtype=manifest.jobtype)
        )

    def _folder(self, run: str) -> RunFolder:
        return RunFolder(self.s3, BUCKET, run)


class InvocationError(Exception):
    """An invocation that failed, by the name that Step Functions gives it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class StateMachine:
    """Executions of `include/stack/state_machine.asl.json`, from AcquireLock to SendResult."""

    def __init__(self, clock: Clock, weather: Weather, cognito: Cognito, states: States, settings: Any) -> None:
        self.clock, self.weather, self.cognito, self.states, self.settings = clock, weather, cognito, states, settings
        draw = clock.random
        self.kills = draw.choice((0, 0, 0.1, 0.3))
        self.doubles = draw.choice((0, 0, 0.1, 0.3))
        self.lost = draw.choice((0, 0.02, 0.1))
        self.aborts = draw.choice((0, 0, 0.3, 0.7))
        self.skew = draw.uniform(-0.4, 0.4)
        self._number = 0

    def work(self, run: str, judge: Callable[[], None]) -> None:
        """Run one execution, or what comes of it before somebody aborts it; then report."""
        clock, draw = self.clock, self.clock.random
        self._number += 1
        arn = f"arn:aws:states:::execution:chaos:{run}-{self._number}"
        self.states.status[arn] = "RUNNING"
        told: dict[str, Any] = {}
        execution = clock.spawn("execution", lambda: told.update(self._execution(run, arn)))
        if not self.weather.calm and draw.random() < self.aborts:
            if not clock.join(execution, draw.uniform(0, 300) * draw.choice((1, 1, 6))):
                self.weather.met["execution aborted"] += 1
                execution.kill()  # its children with it; functions that are under way go on
        else:
            clock.join(execution)
        self.states.status[arn] = "ABORTED" if execution.dead else "FAILED"
        if execution.error and not execution.dead:
            raise execution.error
        event = {"run": run, "send": True, "kind": told.get("kind", "failed"), "detail": told.get("detail", "")}
        for _ in range(40):  # six retries and redrives by hand
            with suppress(InvocationError):
                self._invoke({"action": "report", **event}, timeout=900, retries=6, interval=10, longest=300)
                break
        else:
            message = "The report could not be made."
            raise AssertionError(message)
        judge()

    def _execution(self, run: str, arn: str) -> dict[str, Any]:
        settling = {"timeout": 900, "retries": 6, "interval": 2, "longest": 60}
        told: Any = None
        ours = False
        try:
            while True:
                while not ours:
                    event = {"action": "acquire_lock", "run": run, "wait_for_slots": False, "execution": arn}
                    ours = self._invoke(event, **{**settling, "timeout": 300})
                    if not ours:
                        self.clock.sleep(10)
                told = self._invoke({"action": "settle", "run": run, "execution": arn, "before": told}, **settling)
                match told["step"]:
                    case "map":
                        self._map(run, arn, told["round"])
                    case "wait":
                        self.clock.sleep(told["seconds"])
                    case "lock":
                        ours = False
                    case _:
                        return told
        except InvocationError as error:
            return {"kind": "failed", "detail": str(error)}

    # ---- functions

    def _invoke(self, event: Any, *, timeout: float, retries: int, interval: float, longest: float) -> Any:  # noqa: C901 - as above
        """Call the function until an answer comes, as a Task with a Retry does."""
        clock, draw = self.clock, self.clock.random
        for attempt in range(retries + 1):
            if attempt:
                clock.sleep(min(longest, interval * 2 ** (attempt - 1)))
            function = clock.spawn(event["action"], lambda: handler.handler(event))
            clock.at(clock.now + 890, function.kill)
            fate = draw.random() if not self.weather.calm else math.inf
            if fate < self.lost / 3:  # the function is killed
                if not clock.join(function, draw.uniform(0, 20)):
                    self.weather.met["function killed"] += 1
                    function.kill()
                    continue
            elif fate < self.lost * 2 / 3:  # it works on, and is called again
                if not clock.join(function, draw.uniform(0, 5)):
                    self.weather.met["function doubled"] += 1
                    continue
            elif fate < self.lost:
                if clock.join(function, timeout):
                    self.weather.met["function's answer lost"] += 1
                continue
            if not clock.join(function, timeout) or isinstance(function.error, Killed):
                continue
            error = function.error
            if error is None:
                return function.result
            if not isinstance(error, CognitoImportError):
                raise error
            name = type(error).__name__
            if event["action"] in ("settle", "acquire_lock") and name in FINAL_ERRORS:
                raise InvocationError(name, str(error))
        raise InvocationError("States.Timeout", event["action"])

    # ---- the Map and its children

    def _map(self, run: str, arn: str, number: int) -> None:
        waiting = json.loads(environment.client("s3").objects[f"runs/{run}/rounds/{number:03}.json"][0])
        clock, draw = self.clock, self.clock.random

        def slot() -> None:
            while waiting:
                event = {
                    "action": "begin_batch",
                    "run": run,
                    "round": number,
                    "batch": waiting.pop(0),
                    "execution": arn,
                }
                twins = [clock.spawn("child", lambda event=event: self._child(event), own=True)]
                if not self.weather.calm and draw.random() < self.doubles:
                    self.weather.met["child doubled"] += 1
                    after = draw.uniform(0, 60) * draw.random()
                    twins.append(clock.spawn("child", lambda event=event: self._child(event), after=after, own=True))
                for child in twins:
                    clock.at(clock.now + 300, child.kill)
                    if not self.weather.calm and draw.random() < self.kills:
                        clock.at(clock.now + draw.uniform(0, 90), child.kill)
                for child in twins:
                    clock.join(child)
                    if child.error and not isinstance(child.error, (Killed, InvocationError)):
                        raise child.error

        slots = [clock.spawn("slot", slot, own=True) for _ in range(self.settings.slots)]
        for one in slots:
            clock.join(one)
            if one.error:
                raise one.error

    def _child(self, event: Any) -> None:  # noqa: C901 - the states as they stand in the definition
        storing = {"timeout": 20, "retries": 4, "interval": 1, "longest": 4}
        batch = self._invoke(event, **{**storing, "timeout": 60})
        users = batch["users"]
        place = {name: event[name] for name in ("run", "round", "batch")}
        following, queue, found, results, faults, stop = 0, [], [], [], 0, False
        pause, calm = batch["first_pause"], 0

        def store(*, closed: bool) -> set[int]:
            event = {"action": "store_batch", "place": place, "results": list(results)}
            slowed = closed and pause > batch["first_pause"]
            return set(
                self._invoke({**event, "closed": closed, "gave_up": closed and stop, "slowed": slowed}, **storing)
            )

        if not users:
            return
        while True:
            now = self.clock.moment(self.skew).timestamp() * 1000
            over = now > batch["deadline"]
            if stop or now > batch["last"]:
                break
            if found and (len(found) >= batch["at_once"] or following >= len(users) or over):
                finished = store(closed=False)
                queue, found = queue + [one for one in found if one["row"] not in finished], []
                continue
            if not queue and (following >= len(users) or over):
                break
            calls = []
            if following < len(users) and len(queue) <= batch["ahead"] and not over:
                calls.append({**users[following], "at": int(now)})
            if queue:
                calls.append(queue[0])
            made = self._pause(calls, pause, batch)
            done = [one for one in made if one["done"]]
            following += sum(one["call"] in ("AdminCreateUser", "AdminGetUser") for one in done)
            for second in done:
                if second["call"] not in ("AdminCreateUser", "AdminGetUser"):
                    queue = [one for one in queue[1:] if not second["error"] or one["row"] != second["row"]]
            queue = queue + [then for one in made if one["call"] == "AdminCreateUser" for then in one["then"]]
            found = found + [then for one in made if one["call"] == "AdminGetUser" for then in one["then"]]
            results += [
                {name: one[name] for name in ("row", "call", "username", "user", "error", "message", "at")}
                for one in done
            ]
            calm += pause
            if any(one["throttled"] for one in made):
                pause, calm = min(batch["longest_pause"], 2 * pause), 0
            elif calm >= batch["calm_seconds"]:
                pause, calm = max(batch["pause"], math.ceil(pause / 2)), 0
            fault = any(one["fault"] for one in made)
            stop = any(one["stop"] for one in made) or (faults >= 2 and fault)
            faults = faults + 1 if fault else 0 if done else faults
        store(closed=True)

    def _pause(self, calls: list[Any], pause: float, batch: Any) -> list[Any]:
        """One round of EachPause: the calls beside each other, and a pause."""
        ends = self.clock.now + pause
        made = [self.clock.spawn("call", lambda call=call: self._made(call, batch), own=True) for call in calls]
        for one in made:
            self.clock.join(one)
            if one.error:
                raise one.error
        self.clock.sleep(ends - self.clock.now)
        return [one.result for one in made]

    def _made(self, call: Any, batch: Any) -> Any:
        """One Task of a child, with its Success or Error."""
        method = getattr(self.cognito, OPERATIONS[call["call"]].method)
        try:
            answer = method(**call["arguments"])
        except ClientError as error:
            name, cause = self._named(error)
        except Exception as error:  # noqa: BLE001 - whatever the SDK meets on its way
            name, cause = "States.Timeout", str(error)
        else:
            return {**_success(call, answer), "error": "", "message": "", "at": 0, "done": True, **_flags()}
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
            **_flags(throttled, not (throttled or code in batch["own_errors"]), code in batch["stops"]),
        }

    @staticmethod
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
        cause = f"{message} (Service: CognitoIdentityProvider, Status Code: {status}, Request ID: 0-0) (SDK Attempt Count: 1)"
        return f"CognitoIdentityProvider.{name}", cause


def _flags(throttled: bool = False, fault: bool = False, stop: bool = False) -> dict[str, bool]:  # noqa: FBT001, FBT002
    return {"throttled": throttled, "fault": fault, "stop": stop}


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
        user = {name: told.isoformat() if name.endswith("Date") else told for name, told in answer.items()}
        changed = {"UserPoolId": pool, "Username": username}
        then = [{"row": row, "call": call["change"], "arguments": changed}]
    return {"row": row, "call": operation, "username": username, "user": user, "then": then}
