"""One user pool, and what a run's job type does to its users."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from cognito_import.engine.access import Disabling, Enabling
from cognito_import.engine.calls import Calls
from cognito_import.engine.creation import Creation
from cognito_import.engine.deletion import Deletion
from cognito_import.engine.pacing import max_seconds_per_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.engine.jobs import Forecast, Job, ResumeState
    from cognito_import.engine.pacing import Pacer
    from cognito_import.outcomes import Outcome
    from cognito_import.request.model import UserRow
    from cognito_import.run.record_files import Members
    from cognito_import.settings import Settings

JOBS: Final[dict[str, type[Job]]] = {
    "import": Creation,
    "delete": Deletion,
    "disable": Disabling,
    "enable": Enabling,
}
"""What each job type does to a user."""


class UserPool:
    """One user pool, called at a slot's pace. `jobtype` is the run's: what `process` does."""

    def __init__(  # noqa: PLR0913 - the last is for tests
        self,
        client: CognitoIdentityProviderClient,
        settings: Settings,
        pacer: Pacer,
        *,
        jobtype: str = "import",
        told: Callable[[Outcome], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a client configured by `aws.COGNITO`, who is `told` of each outcome, and for tests a sleep in seconds."""
        self.settings = settings
        self.pacer = pacer
        self._told = told
        self._job = JOBS[jobtype](Calls(client, settings.user_pool_id, pacer, sleep=sleep), settings)

    def max_seconds(self, row: UserRow) -> float:
        """Return how long one user can take when nothing has to be repeated, from the last time that something was stored."""
        return max_seconds_per_user(self._job.calls_at_most(row), self.settings.pacing_seconds)

    def process(self, row: UserRow, resume: ResumeState) -> Outcome:
        """Do the run's job for one user: see `Job.process`."""
        outcome = self._job.process(row, resume)
        self._told(outcome)
        return outcome

    def know(self, members: Members | None) -> None:
        """Take who is in the run's groups, so that `foresee` need not ask."""
        self._job.members = members

    def foresee(self, row: UserRow) -> Forecast:
        """Say what the run's job would do with one user, and change nothing: see `Job.foresee`."""
        self.pacer.share()
        forecast = self._job.foresee(row, self.pacer.share)
        self._told(forecast.outcome)
        return forecast
