"""What every seed plays on: one clock, the services under one weather, and the product bound to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from cognito_import.errors import CognitoImportError
from cognito_import.ingest import ingest_request
from cognito_import.report.delivery import deliver
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from stack import environment

from .clock import Clock
from .services import BUCKET, POOL, S3, Cognito, Ses, States
from .weather import Weather


class Scene:
    """The services of one seed, and what Airflow, the state machine and people do with them."""

    def __init__(self, seed: int, user_pool: type[Cognito] = Cognito) -> None:
        self.clock = clock = Clock(seed)
        self.weather = Weather(clock.random)
        self.cognito = user_pool(clock, self.weather)
        self.s3 = S3(clock, self.weather)
        self.ses = Ses(clock, self.weather)
        self.states = States(clock, self.weather)

    def set_up(self, **settings: Any) -> None:
        """Run with these settings beside those that every deployment has."""
        needed = {"user_pool_id": POOL, "report_bucket": BUCKET, "mail_from": "report@example.com"}
        self.settings = Settings.parse({**needed, **settings})

    def play(self, main: Callable[[], None]) -> None:
        """Run `main` and all that it starts to the end, with the function on these services."""
        clients = {"s3": self.s3, "cognito-idp": self.cognito, "ses": self.ses, "stepfunctions": self.states}
        with (
            self.clock.ruling(),
            patch.object(environment, "client", clients.__getitem__),
            patch.object(environment, "settings", lambda: self.settings),
        ):
            self.clock.run(main)

    def folder(self, run: str) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.s3, BUCKET, run)  # type: ignore[arg-type]

    def read_request(self, run: str, request: Any) -> None:
        """Store the users of a request."""
        self._until_it_works(lambda: ingest_request(request, self.settings, self.s3, self.folder(run)))  # type: ignore[arg-type]

    def report(self, run: str) -> None:
        """Report what became of a run's users."""

        def send() -> None:
            now = self.clock.moment()
            deliver(self.folder(run), self.settings, self.s3, self.ses, credentials_expire_at=None, now=now)  # type: ignore[arg-type]

        self._until_it_works(send)

    def unfinished(self, run: str) -> int:
        """How many users the run's report calls unfinished."""
        told = json.loads(self.s3.objects[f"runs/{run}/report.json"][0])
        return int(told["delivery"]["unfinished"])

    def _until_it_works(self, step: Callable[[], object]) -> None:
        """What Airflow and people do about a task that failed."""
        while True:
            try:
                step()
            except CognitoImportError:
                self.clock.sleep(60)
            else:
                return
