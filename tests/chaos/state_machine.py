"""What Step Functions does with the executions of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from stack import environment

from .child import Child
from .clock import Clock, Killed
from .cognito import Cognito
from .functions import Functions, InvocationError
from .others import States
from .weather import Weather


class StateMachine:
    """Executions of `include/stack/state_machine.asl.json`, from AcquireLock to SendResult."""

    def __init__(self, clock: Clock, weather: Weather, cognito: Cognito, states: States, settings: Any) -> None:
        self.clock, self.weather, self.cognito, self.states, self.settings = clock, weather, cognito, states, settings
        draw = clock.random
        self.kills = draw.choice((0, 0, 0.1, 0.3))
        self.doubles = draw.choice((0, 0, 0.1, 0.3))
        self.aborts = draw.choice((0, 0, 0.3, 0.7))
        self.skew = draw.uniform(-0.4, 0.4)
        self.functions = Functions(clock, weather)
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
                self.functions.invoke({"action": "report", **event}, timeout=900, retries=6, interval=10, longest=300)
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
                    ours = self.functions.invoke(event, **{**settling, "timeout": 300})
                    if not ours:
                        self.clock.sleep(10)
                told = self.functions.invoke(
                    {"action": "settle", "run": run, "execution": arn, "before": told}, **settling
                )
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
                twins = [clock.spawn("child", lambda event=event: self._child(event).run(), own=True)]
                if not self.weather.calm and draw.random() < self.doubles:
                    self.weather.met["child doubled"] += 1
                    after = draw.uniform(0, 60) * draw.random()
                    twins.append(
                        clock.spawn("child", lambda event=event: self._child(event).run(), after=after, own=True)
                    )
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

    def _child(self, event: Any) -> Child:
        return Child(self.functions, self.cognito, self.skew, event)
