"""The services of which the core needs little: mail, and the state machine's executions."""

from __future__ import annotations

from typing import Any

from .clock import Clock
from .service import Service
from .weather import Weather


class Ses(Service):
    """Takes every mail."""

    name = "ses"

    def get_identity_verification_attributes(self, *, Identities: list[str]) -> Any:  # noqa: N803
        verified = {name: {"VerificationStatus": "Success"} for name in Identities}
        return self.call("GetIdentityVerificationAttributes", lambda: {"VerificationAttributes": verified})

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
