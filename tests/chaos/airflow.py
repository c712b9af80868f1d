"""What Airflow does with the tasks of a run."""

from __future__ import annotations

import math
from typing import Any

from cognito_import.engine.batches import run_batch
from cognito_import.engine.pace import slot_pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, CognitoImportError
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import Manifest

from .clock import Actor, Clock, Killed
from .cognito import Cognito
from .s3 import S3
from .service import BUCKET
from .weather import Weather

NOTICED = (30.0, 300.0)
"""Seconds after which Airflow sees that a worker is gone."""


class Airflow:
    """Runs the batches of one import as tasks, with retries, in as many slots as there are."""

    def __init__(self, clock: Clock, weather: Weather, cognito: Cognito, s3: S3, settings: Any) -> None:
        self.clock, self.weather, self.cognito, self.s3, self.settings = clock, weather, cognito, s3, settings
        draw = clock.random
        self.retries = draw.choice((3, 12))
        self.kills = draw.choice((0, 0.05, 0.2, 0.5))
        self.doubts = draw.choice((0, 0.1, 0.3, 0.6))
        self.by_hand = draw.choice((0, 0, 0.1, 0.5))
        self.stops = draw.choice((0, 0, 0.5))
        self.stop = float("inf")
        self.done: set[int] = set()
        self.rows, self.dry_run = "", False

    def work(self, run: str) -> None:
        """Run the tasks that have not succeeded, each to success or failure."""
        name = f"runs/{run}/manifest.json"
        planned = Manifest.from_json(self.s3.objects[name][0], name)
        left = [batch for batch in planned.batches if batch.number not in self.done]
        self.rows, self.dry_run = planned.rows, planned.dry_run

        draw = self.clock.random
        halted = not self.weather.calm and draw.random() < self.stops  # all tasks are marked as failed; workers go on
        self.stop = self.clock.now + draw.uniform(1, 60) if halted else float("inf")

        def slot() -> None:
            while left and self.clock.now < self.stop:
                batch = left.pop(0)
                if self._task(run, batch):
                    self.done.add(batch.number)

        for one in [self.clock.spawn("slot", slot) for _ in range(self.settings.slots)]:
            self.clock.join(one)
            if one.error:
                raise one.error

    def _task(self, run: str, batch: Any) -> bool:  # noqa: C901, PLR0912 - one branch for each fate of a task
        clock, draw = self.clock, self.clock.random
        for attempt in range(self.retries + 1):
            if attempt:
                clock.sleep(min(300.0, 30.0 * 2 ** (attempt - 1)))
            worker = clock.spawn(f"batch {batch.number}", lambda: self._worker(run, batch))
            fate = draw.random() if not self.weather.calm else math.inf
            soon = draw.uniform(0, 2.5 * batch.size + 5) * draw.choice((1.0, 1.0, 4.0)) * (0.1 if self.dry_run else 1.0)
            if fate < self.kills:
                if not clock.join(worker, soon):
                    self.weather.met["worker killed"] += 1
                    worker.kill()
                    clock.sleep(draw.uniform(*NOTICED))
                    continue
            elif fate < self.kills + self.doubts:
                if not clock.join(worker, soon):
                    self.weather.met["worker thought dead"] += 1
                    self._give_up(worker, batch)
                    continue
            elif fate < self.kills + self.doubts + self.by_hand and not clock.join(worker, soon):
                self.weather.met["task marked as failed"] += 1
                if draw.random() < 0.5:
                    clock.at(clock.now + draw.uniform(0, 60), worker.kill)
                return self._give_up(worker, batch)
            if not clock.join(worker, max(0.0, self.stop - clock.now)):
                return self._give_up(worker, batch)
            match worker.error:
                case None:
                    return True
                case CallsStoppedError(temporary=False):
                    return False
                case CognitoImportError() | Killed():
                    continue
                case error:
                    raise error
        return False

    def _give_up(self, worker: Actor, batch: Any) -> bool:
        """Leave a worker to itself; one that has not begun is not missed, or it could begin after the report.

        A dry run has no lease that would tell, and may begin whenever it likes.
        """
        if not self.dry_run and (worker, batch.number) not in self.s3.leased:
            worker.kill()
        return False

    def _worker(self, run: str, batch: Any) -> None:
        folder = self._folder(run)
        held_for = self.clock.random.choice((-300.0, 0.0, 0.5, 10.0))  # by a wall clock that may jump
        manifest = folder.required_manifest()
        manifest.raise_if_planned_otherwise("mapped", self.rows)
        pacer = slot_pacer(self.settings, folder, held_for=held_for)
        run_batch(
            folder, batch, UserPool(self.cognito, manifest.applied_to(self.settings), pacer, jobtype=manifest.jobtype)
        )

    def _folder(self, run: str) -> RunFolder:
        return RunFolder(self.s3, BUCKET, run)
