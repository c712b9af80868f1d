"""Two imports that share addresses and know nothing of each other, from their requests to their ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from cognito_import.engine import claims, execution_lock
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.run.folder import RunFolder

from .airflow import Airflow
from .clock import Actor, Clock
from .cognito import Cognito
from .judge import Untrue
from .others import States
from .scene import Scene
from .service import BUCKET
from .state_machine import StateMachine
from .truth import GROUP
from .weather import Weather

SHARED, ALONE = 20, 10
EXISTS = "UsernameExistsException"
MACHINE = "step-functions"
"""The name of the state machine's run; those of mapped runs have no hyphen."""
HELD = claims._held


class Watched(Cognito):
    """A user pool that remembers from when to when each run called for each address."""

    def __init__(self, clock: Clock, weather: Weather) -> None:
        super().__init__(clock, weather)
        self.run_of: dict[Actor, str] = {}
        self.spans: dict[str, list[tuple[float, float, str]]] = {}

    def _call(self, operation: str, pool: str, name: str, effect: Callable[[], Any]) -> Any:
        email = name if "@" in name else self._email(name)
        # The children of the state machine are no workers of the mapped engine.
        run, began = self.run_of.get(self.clock.actor.origin, MACHINE), self.clock.now
        try:
            return super()._call(operation, pool, name, effect)
        finally:
            self.spans.setdefault(email, []).append((began, self.clock.now, run))


class Tasks(Airflow):
    """Airflow's tasks, which look at the executions as those of the DAG do."""

    states: States

    def _worker(self, run: str, batch: Any) -> None:
        self.cognito.run_of[self.clock.actor] = run  # type: ignore[attr-defined]
        folder = RunFolder(self.s3, BUCKET, run)  # type: ignore[arg-type]
        execution_lock.wait_for_executions(self.s3, self.states, BUCKET, sleep=self.clock.sleep)  # type: ignore[arg-type]
        pool = UserPool(self.cognito, self.settings, Pacer(self.settings.pacing_seconds))  # type: ignore[arg-type]
        run_batch(folder, batch, pool, alone=lambda: execution_lock.is_free(self.s3, self.states, BUCKET))  # type: ignore[arg-type]


class TwoRuns(Scene):
    """A mapped import, and another of either engine that begins at about the same time."""

    def __init__(self, seed: int, other: str) -> None:
        super().__init__(seed, Watched)
        draw = self.clock.random
        self.met = 0
        self.set_up(slots=draw.choice((2, 5)))
        shared = [f"shared{number:02}@example.com" for number in range(SHARED)]
        runs = ("mapped", MACHINE if other == "step_functions" else other)
        self.users = {run: shared + [f"{run}{number:02}@example.com" for number in range(ALONE)] for run in runs}
        if other == "mapped":
            self.users["again"] = [*shared, *(f"again{number:02}@example.com" for number in range(ALONE))]
        for users in self.users.values():
            draw.shuffle(users)

    def to_its_end(self) -> int:
        """Run both until nothing is left; give how often one left users to the other. Raises Untrue."""
        with patch.object(claims, "_held", self._held):
            self.play(self._main)
        self._hold()
        return self.met

    def _held(self, *given: Any) -> set[str]:
        found = HELD(*given)
        self.met += len(found) > 0
        return found

    def _main(self) -> None:
        begun = [self.clock.spawn(run, lambda run=run: self._run(run)) for run in self.users]
        for one in begun:
            self.clock.join(one)
            if one.error:
                raise one.error

    def _run(self, run: str) -> None:
        engine = "step_functions" if run == MACHINE else "mapped"
        draw = self.clock.random
        self.clock.sleep(draw.uniform(0, 20) * draw.random())
        request = {
            "data": [{"useremail": user} for user in self.users[run]],
            "adminemail": "a@example.com",
            "engine": engine,
        }
        self.read_request(run, request)
        tasks = Tasks(self.clock, self.weather, self.cognito, self.s3, self.settings)
        tasks.states = self.states
        machine = StateMachine(self.clock, self.weather, self.cognito, self.states, self.settings)
        for visit in range(14):
            self.weather.calm = self.weather.calm or visit > 1
            if engine == "mapped":
                tasks.work(run)
                self.report(run)
            else:
                machine.work(run, lambda: None)
            if not self.unfinished(run):
                return
            self.clock.sleep(draw.choice((0.0, 60.0, 600.0)))
        message = f"Users of {run} are left although nothing fails any more."
        raise AssertionError(message)

    # ---- the truth

    def _newest(self, run: str) -> str:
        told = json.loads(self.s3.objects[f"runs/{run}/report.json"][0])
        return str(told["delivery"]["csv_key"])

    def _hold(self) -> None:
        """Raise Untrue unless of each address one run says that it was created, each other that it exists, and it was so."""
        problems = [f"{email} was created twice" for email in self.cognito.twins]
        told: dict[str, list[tuple[str, str]]] = {}
        for run in self.users:
            text = self.s3.objects[self._newest(run)][0].decode("utf-8-sig")
            for row in csv.DictReader(io.StringIO(text, newline="")):
                told.setdefault(row["useremail"], []).append((row["code"], row["username"]))
        for email, rows in told.items():
            user = self.cognito.find(email)
            mine = [username for code, username in rows if not code]
            others = [code for code, _ in rows if code]
            if user is None or mine != [user.username] or set(others) - {EXISTS} or GROUP not in user.groups:
                problems.append(f"{email}: {rows}, and it is {user}")
        for email, spans in self.cognito.spans.items():
            for number, (began, ended, run) in enumerate(spans):
                for other_began, other_ended, other in spans[:number]:
                    if run != other and began < other_ended and other_began < ended:
                        problems.append(f"{email}: {run} and {other} called for it at {began:.1f}")
        if problems:
            raise Untrue("\n  ".join(problems))
