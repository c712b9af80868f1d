"""Actors on a virtual clock: each a greenlet that runs until it sleeps, so that of two only one runs at a time.

Whoever calls a service, waits or is paced sleeps here, and the actor that is due next goes on. So what may happen
between any two calls does, in an order that the seed decides.
"""

from __future__ import annotations

import heapq
import random
import types
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Self
from unittest.mock import patch

import tenacity
import tenacity.wait
from greenlet import getcurrent, greenlet

from cognito_import import preflight
from cognito_import.engine import batches, dry_run, pace, rounds, threads, worker
from cognito_import.engine.calls import Calls
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.findings import Findings
from cognito_import.report import mail_claim
from cognito_import.run import folder as run_folder
from cognito_import.run import s3_folder, worker_files
from stack import reporting

EPOCH = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Killed(BaseException):
    """What ends an actor wherever it is. No code of the core may catch it."""


class Actor:
    """A process, a thread or an invocation. `result` or `error` is set once it is `done`."""

    def __init__(self, world: Clock, name: str, work: Callable[[], Any], parent: Actor | None) -> None:
        self.name = name
        self.began = world.now
        self.dead = self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.children: list[Actor] = []
        self.origin: Actor = parent.origin if parent is not None and name in ("thread", "call") else self
        """The worker or function whose thread it is."""
        self._world = world
        self._waiting: list[Actor] = []
        self._work = work
        self.greenlet = greenlet(self._run, parent=world.hub)
        if parent is not None:
            parent.children.append(self)

    def _run(self) -> None:
        try:
            if self.dead:
                raise Killed
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever joins
            self.error = error
        self.done = True
        for waiting in self._waiting:
            self._world.wake(waiting)

    def kill(self) -> None:
        """End it and its threads at once: none of them does anything more."""
        for child in self.children:
            child.kill()
        if not self.done and not self.dead:
            self.dead = True
            self._world.wake(self)


class Clock:
    """The virtual time, in seconds from the run's beginning, and who is due when."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.now = 0.0
        self.wall_offset = 0.0
        self._due: list[tuple[float, int, Actor | Callable[[], None], int]] = []
        self._numbers = count()
        self._turns: dict[Actor, int] = {}
        self.hub = getcurrent()
        self._current: Actor | None = None

    @property
    def actor(self) -> Actor:
        """The actor that is running."""
        assert self._current is not None
        return self._current

    def monotonic(self) -> float:
        return self.now

    def moment(self, offset: float = 0.0) -> datetime:
        return EPOCH + timedelta(seconds=self.now + offset)

    def spawn(self, name: str, work: Callable[[], Any], *, after: float = 0.0, own: bool = False) -> Actor:
        """Start an actor; `own` says that it dies with the one that started it."""
        actor = Actor(self, name, work, self._current if own else None)
        actor.began += after
        self._turns[actor] = 0
        self._push(self.now + after, actor)
        return actor

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Have something happen that nobody's death prevents."""
        heapq.heappush(self._due, (when, next(self._numbers), event, 0))

    def sleep(self, seconds: float) -> None:
        """Let others go on until then. Raises Killed in an actor that was killed meanwhile."""
        actor = self.actor
        if actor.dead:
            raise Killed
        self._push(self.now + max(0.0, seconds), actor)
        self.hub.switch()
        if actor.dead:
            raise Killed

    def join(self, actor: Actor, timeout: float = float("inf")) -> bool:
        """Wait until `actor` is done, for so long at most; tell whether it is."""
        if self.actor.dead:
            raise Killed
        ends = self.now + timeout
        while not actor.done and self.now < ends:
            actor._waiting.append(self.actor)
            if timeout == float("inf"):
                self._turns[self.actor] += 1
                self.hub.switch()
                if self.actor.dead:
                    raise Killed
            else:
                self.sleep(ends - self.now)
        return actor.done

    def wake(self, actor: Actor) -> None:
        """Let a sleeping actor go on now."""
        if not actor.done:
            self._push(self.now, actor)

    def _push(self, when: float, actor: Actor) -> None:
        self._turns[actor] += 1
        heapq.heappush(self._due, (when, next(self._numbers), actor, self._turns[actor]))

    def run(self, work: Callable[[], Any], *, until: float = 10 * 86_400.0) -> Any:
        """Run `work` as an actor, and all that it starts, to the end."""
        main = self.spawn("main", work)
        while self._due:
            when, _, due, turn = heapq.heappop(self._due)
            if isinstance(due, Actor) and (due.done or turn != self._turns[due]):
                continue  # it was woken earlier
            self.now = max(self.now, when)
            if self.now > until:
                message = f"The run does not end: {due}"
                raise AssertionError(message)
            if not isinstance(due, Actor):
                due()
                continue
            self._current = due
            due.greenlet.switch()
            self._current = None
        if main.error:
            raise main.error
        assert main.done, "Somebody waits for ever."
        return main.result

    # ---- the core put on this clock

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """Put the core's modules on this clock and on the seed's random numbers."""
        clock = self
        time = types.SimpleNamespace(monotonic=self.monotonic, sleep=self.sleep)
        ids = types.SimpleNamespace(uuid4=lambda: uuid.UUID(int=self.random.getrandbits(128)))

        class WallClock(datetime):
            @classmethod
            def now(cls, tz=None):
                return clock.moment(clock.wall_offset).astimezone(tz)

        with ExitStack() as stack:
            for module in (batches, dry_run, mail_claim, rounds, s3_folder, tenacity, worker):
                stack.enter_context(patch.object(module, "time", time))
            for module in (batches, preflight, threads, worker_files):
                stack.enter_context(patch.object(module, "ThreadPoolExecutor", _executor(self)))
            for module in (dry_run, mail_claim, run_folder, worker):
                stack.enter_context(patch.object(module, "uuid", ids))
            for module in (s3_folder, reporting):
                stack.enter_context(patch.object(module, "datetime", WallClock))
            stack.enter_context(patch.object(tenacity.wait, "random", self.random))
            paced = (pace.run_pace, pace.quota_in_force, Calls.__init__, UserPool.__init__, Pacer.__init__)
            for function in (batches.run_batch, batches.fence, *paced):
                stack.enter_context(patch.dict(function.__kwdefaults__, {"sleep": self.sleep}))
            stack.enter_context(patch.dict(Pacer.__init__.__kwdefaults__, {"clock": self.monotonic}))
            defaults = (self.sleep, *Findings.__init__.__defaults__[1:])
            stack.enter_context(patch.object(Findings.__init__, "__defaults__", defaults))
            yield


def _executor(clock: Clock) -> type:  # noqa: C901 - a class with what it needs
    """Threads that are actors of `clock`, in place of a ThreadPoolExecutor."""

    class Executor:
        """Threads that are actors."""

        def __init__(self, max_workers: int) -> None:
            self._size = max_workers

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def shutdown(self, **_: object) -> None:
            pass

        def submit(self, function: Callable[[], Any]) -> Any:
            """As concurrent.futures does, for as many as there are threads."""
            begun = clock.spawn("thread", function, own=True)

            def result() -> Any:
                clock.join(begun)
                if begun.error:
                    raise begun.error
                return begun.result

            return types.SimpleNamespace(result=result)

        def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
            """As concurrent.futures does: when one fails, those that have not begun never do."""
            waiting = list(enumerate(items))
            made: dict[int, Any] = {}
            failed: list[BaseException] = []

            def thread() -> None:
                while waiting and not failed:
                    place, item = waiting.pop(0)
                    try:
                        made[place] = function(item)
                    except Exception as error:  # noqa: BLE001 - raised by the caller, as the real one does
                        failed.append(error)

            threads = [clock.spawn("thread", thread, own=True) for _ in range(min(self._size, len(waiting)))]
            for one in threads:
                clock.join(one)
                if one.error:
                    raise one.error
            if failed:
                raise failed[0]
            return iter([made[place] for place in sorted(made)])

    return Executor
