"""One seed, from its request to its end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from cognito_import.errors import CognitoImportError
from cognito_import.ingest import ingest_request
from cognito_import.settings import JOB_TYPES

from .engines import Airflow, StateMachine
from .judge import Judge
from .scene import Scene
from .services import GROUP
from .weather import MINUTE

RUN = "chaos-run"
USERS = 60
ENGINES, JOBTYPES = ("mapped", "step_functions"), JOB_TYPES


@dataclass(frozen=True, slots=True)
class Figures:
    """What one seed came to."""

    rows: int
    reports: int
    met: Any
    codes: Any
    hours: float


class Run(Scene):
    """One request, the services that it meets, and who meddles."""

    def __init__(self, seed: int, engine: str, jobtype: str) -> None:
        super().__init__(seed)
        draw = self.clock.random
        self.engine, self.jobtype = engine, jobtype
        slots, pace = draw.choice((2, 5, 20)), draw.choice((1, 1, 0.5))
        self.set_up(slots=slots, pacing_seconds=pace, engine=engine, approve_deletions=False)
        self.users: list[dict[str, Any]] = [
            {"useremail": f"user{number:02}@example.com"} for number in range(1, USERS + 1)
        ]
        if jobtype == "import":
            for user in draw.sample(self.users, 12):
                user["groups"] = draw.choice(([], ["VIP"], [GROUP, "VIP"]))
            for user in draw.sample(self.users, 4):
                user["enabled"] = False
        self.request = {"data": self.users, "adminemail": "admin@example.com", "jobtype": jobtype}
        self.judge = Judge(self.cognito, self.s3, self.users, jobtype)
        self.reports = 0
        for user in self.users:
            if draw.random() < (0.05 if jobtype == "import" else 0.9):
                status = draw.choice(("CONFIRMED", "FORCE_CHANGE_PASSWORD"))
                made = self.cognito.make(user["useremail"], "before", status, ago=draw.uniform(60, 86_400))
                if jobtype in ("disable", "enable") and draw.random() < (0.8 if jobtype == "enable" else 0.2):
                    self.cognito.switch(made, "before", enabled=False)
            elif jobtype == "import" and draw.random() < 0.05:
                self.cognito.unfit.add(user["useremail"])
        self._plan_meddling()

    def to_its_end(self) -> Figures:
        """Run it until nothing is left. Raises Untrue for a report that is not true."""
        self.play(self._main)
        self.judge.hold(finished=True)
        self.judge.hold_calls()
        return Figures(self.judge.rows, self.reports, self.weather.met, self.judge.codes, self.clock.now / 3600)

    def _main(self) -> None:
        draw = self.clock.random
        self.read_request(RUN, self.request)
        for _ in range(draw.choice((0, 0, 1, 3))):
            self.clock.spawn("reader", self._read_anew, after=draw.uniform(0, 3))
        self.clock.sleep(draw.uniform(0, 3))
        airflow = Airflow(self.clock, self.weather, self.cognito, self.s3, self.settings)
        machine = StateMachine(self.clock, self.weather, self.cognito, self.states, self.settings)
        clears = draw.choice((0, 1, 1, 2, 3))
        for visit in range(clears + 12):
            self.weather.calm = visit >= clears
            if self.weather.calm:
                self.cognito.groups |= {GROUP, "VIP"}
            if self.engine == "mapped":
                airflow.work(RUN)
                self.report(RUN)
                self._judge()
            else:
                machine.work(RUN, self._judge)
            if not self.unfinished(RUN):
                break
            self.clock.sleep(draw.choice((0.0, 5.0, 60.0, 3600.0)))
            self.judge.hold()  # what was reported is still so
        else:
            raise AssertionError("Users are left although nothing fails any more.")

    def _judge(self) -> None:
        self.reports += 1
        self.judge.hold()

    # ---- other people

    def _plan_meddling(self) -> None:
        clock, draw = self.clock, self.clock.random
        for _ in range(draw.choice((0, 0, 10, 40))):
            clock.at(draw.uniform(0, 15 * MINUTE) * draw.random(), self._meddle)
        if draw.random() < 0.3:
            group, gone = draw.choice((GROUP, "VIP")), draw.uniform(0, 5 * MINUTE)
            clock.at(gone, lambda: self.cognito.groups.discard(group))
            clock.at(gone + draw.uniform(1, 30) * MINUTE, lambda: self.cognito.groups.add(group))
        if draw.random() < 0.3:
            clock.at(draw.uniform(0, 5 * MINUTE), lambda: setattr(clock, "wall_offset", -5 * MINUTE))

    def _read_anew(self) -> None:
        """Clear `read_request`, with other settings: the batches are planned anew, if the run has not begun."""
        folder = self.folder(RUN)
        other = replace(self.settings, slots=self.clock.random.choice((2, 5, 20)))
        with suppress(CognitoImportError):
            before = folder.required_manifest().rows
            if ingest_request(self.request, other, self.s3, folder).rows != before:
                self.weather.met["request read anew"] += 1

    def _meddle(self) -> None:
        draw = self.clock.random
        email = draw.choice(self.users)["useremail"]
        user = self.cognito.find(email)
        self.weather.met["somebody meddled"] += 1
        if user is None:
            self.cognito.make(email, "rival", draw.choice(("CONFIRMED", "UNCONFIRMED")))
        elif self.jobtype in ("disable", "enable") and draw.random() < 0.5:
            self.cognito.switch(user, "rival", enabled=not user.enabled)
        elif draw.random() < 0.5:
            self.cognito.remove(user, "rival")
        elif user.status == "UNCONFIRMED":
            user.status = "CONFIRMED"
