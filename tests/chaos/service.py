"""A service as the core's clients see it: its calls take time, meet the weather, and fail as botocore's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from .clock import Clock
from .weather import Fault, Weather

POOL, BUCKET = "ap-northeast-1_chaos", "chaos"
TIMEOUT = 15.0
URL = "https://service.invalid"


def failed(
    code: str, message: str, status: int, operation: str, date: str = "", kind: type[ClientError] = ClientError
) -> ClientError:
    """The error that botocore makes of an error answer."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"date": date}},
    }
    return kind(answer, operation)


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
