"""The function of the state machine, called as a Task with a Retry calls it."""

from __future__ import annotations

import math
from typing import Any

from cognito_import.errors import CognitoImportError
from stack import definition, handler

from .clock import Clock, Killed
from .weather import Weather

FINAL_ERRORS = definition.load()["States"]["Settle"]["Retry"][0]["ErrorEquals"]
"""Errors of the function that the state machine does not retry."""
STORING = {"timeout": 20, "retries": 4, "interval": 1, "longest": 4}
"""How a child calls the function."""


class InvocationError(Exception):
    """An invocation that failed, by the name that Step Functions gives it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class Functions:
    """Invocations, some of which die, are made twice, or whose answer is lost."""

    def __init__(self, clock: Clock, weather: Weather) -> None:
        self.clock, self.weather = clock, weather
        self.lost = clock.random.choice((0, 0.02, 0.1))

    def invoke(self, event: Any, *, timeout: float, retries: int, interval: float, longest: float) -> Any:  # noqa: C901 - one branch for each fate of an invocation
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
