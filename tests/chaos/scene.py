"""What every seed plays on: one clock, the services under one weather, and the product bound to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from cognito_import.errors import CognitoImportError, PreflightError
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.report.delivery import deliver
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings
from stack import environment

from .airflow import Airflow
from .clock import Clock
from .cognito import Cognito
from .others import Ses, States
from .s3 import S3
from .service import BUCKET, POOL
from .state_machine import StateMachine
from .truth import GROUP
from .weather import Weather


@dataclass(frozen=True, slots=True)
class Figures:
    """What one seed came to."""

    rows: int
    reports: int
    met: Any
    codes: Any
    hours: float


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
        needed = {"user_pool_id": POOL, "report_bucket": BUCKET, "mail_from": "report@example.com", "locale": "en"}
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
        self._until_it_works(lambda: self.ingest(run, request, self.settings))

    def ingest(self, run: str, request: Any, settings: Settings) -> str:
        """Read a request once; give the name of the rows."""
        folder = self.folder(run)
        return ingest_request(request, settings, self.s3, folder, cognito=self.cognito).rows  # type: ignore[arg-type]

    def check(self, run: str) -> None:
        """Run the preflight until AWS is ready; a person repairs what it finds wrong."""
        clients = Clients(self.cognito, self.s3, self.ses, step_functions=None)  # type: ignore[arg-type]

        def once() -> None:
            folder = self.folder(run)
            manifest = folder.required_manifest()
            try:
                check(
                    manifest,
                    self.settings,
                    clients,
                    None,
                    rows=folder.all_rows(),
                    folder=folder,
                    sleep=self.clock.sleep,
                )
            except PreflightError as wrong:
                self.repair()
                folder.reject(str(wrong))
                raise
            folder.withdraw_rejection()

        self._until_it_works(once)

    def repair(self) -> None:
        """Create the groups that somebody has deleted."""
        self.cognito.groups |= {GROUP, "VIP"}

    def process(self, run: str, engine: str, *, clears: int, reported: Callable[[], None]) -> None:
        """Bring a run that was read to its end: after so many `clears` nothing fails any more."""
        draw = self.clock.random
        airflow = Airflow(self.clock, self.weather, self.cognito, self.s3, self.settings)
        machine = StateMachine(self.clock, self.weather, self.cognito, self.states, self.settings)
        for visit in range(clears + 12):
            self.weather.calm = visit >= clears or (visit == 0 and draw.random() < 0.7)
            if visit == 0 or engine == "step_functions":
                self.check(run)
            self.weather.calm = visit >= clears
            if self.weather.calm:
                self.repair()
            if engine == "mapped":
                airflow.work(run)
                self.report(run)
                reported()
            else:
                machine.work(run, reported)
            if not self.unfinished(run):
                return
            self.clock.sleep(draw.choice((0.0, 5.0, 60.0, 3600.0)))
            reported()  # what was reported is still so
        message = "Users are left although nothing fails any more."
        raise AssertionError(message)

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
