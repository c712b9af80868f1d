"""What a look at AWS has found: what is wrong, what the run can live with, and what could not be seen this time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from cognito_import import aws
from cognito_import.errors import NotReadyError, PreflightError

ATTEMPTS: Final = 5
"""For Cognito, whose client makes one attempt (see `aws.COGNITO`)."""


@dataclass(slots=True)
class Findings:
    """Sentences, gathered by all checks of a run.

    `problems` are wrong until somebody changes something, `warnings` do not stop the run, and `unseen` is what a throttle,
    an outage or the network kept from being looked at.
    """

    sleep: Callable[[float], None] = time.sleep
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def ask(  # noqa: PLR0913 - what a question depends on
        self,
        what: str,
        call: Callable[..., Any],
        *,
        allow: str,
        missing: str = "",
        optional: bool = False,
        attempts: int = 1,
        secret: str = "",
        **arguments: Any,
    ) -> Any:
        """Make a call and return its answer, or None after noting why there is none.

        `attempts` is for a client that repeats nothing itself: so often is a call made while its failure is temporary. The
        failure of an `optional` call is a warning. `secret` is an address that is never shown.
        """
        repeated = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Exception) and aws.is_temporary(error)),
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(max=8),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return repeated(call, **arguments)
        except (ClientError, BotoCoreError) as error:
            failed = aws.failure(NotReadyError, error, "looked at", what, allow=allow, missing=missing)
            said = str(failed)
            if secret:
                said = re.sub(re.escape(secret), "the administrator's address", said, flags=re.IGNORECASE)
            if optional:
                self.warnings.append(said)
            elif failed.temporary:
                self.unseen.append(said)
            else:
                self.problems.append(said)
        return None

    def raise_if_any(self) -> None:
        """Raise PreflightError for problems, which nobody else will fix; else NotReadyError for what was not seen."""
        if self.problems:
            raise PreflightError([*self.problems, *self.unseen])
        if self.unseen:
            lines = "".join(f"\n  - {sentence}" for sentence in self.unseen)
            message = f"AWS could not be asked whether it is ready; no user was touched, and it is tried again:{lines}"
            raise NotReadyError(message)
