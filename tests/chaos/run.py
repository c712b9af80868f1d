"""One seed, from its request to its end, while other people change the user pool, too."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from cognito_import.errors import CognitoImportError

from .judge import Judge
from .requests import COMPLETE, drawn
from .scene import Figures, Scene
from .truth import GROUP
from .weather import MINUTE

RUN = "chaos-run"


class JudgedScene(Scene):
    """A scene whose reports a judge holds against the truth."""

    judge: Judge

    def _main(self) -> None:
        raise NotImplementedError

    def to_its_end(self) -> Figures:
        """Run it until nothing is left. Raises Untrue for a report that is not true, and for a user who had to stay."""
        self.play(self._main)
        self.judge.hold(finished=True)
        self.judge.hold_calls()
        return self.judge.figures(self.weather, self.clock)


class Run(JudgedScene):
    """One request, the services that it meets, and who meddles."""

    def __init__(self, seed: int, engine: str, base: str) -> None:
        super().__init__(seed)
        self.engine, self.base = engine, base
        self.request = drawn(self, base, engine)
        self.users = self.request["data"]
        self.judge = Judge(self.cognito, self.s3, RUN, self.request)
        self._plan_meddling()

    def _main(self) -> None:
        draw = self.clock.random
        self.read_request(RUN, self.request)
        for _ in range(draw.choice((0, 0, 1, 3))):
            self.clock.spawn("reader", self._read_anew, after=draw.uniform(0, 3))
        self.clock.sleep(draw.uniform(0, 3))
        self.process(RUN, self.engine, clears=draw.choice((0, 1, 1, 2, 3)), reported=self.judge.hold)

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
        other = replace(self.settings, slots=self.clock.random.choice((2, 5, 20)))
        with suppress(CognitoImportError):
            before = self.folder(RUN).required_manifest().rows
            if self.ingest(RUN, self.request, other) != before:
                self.weather.met["request read anew"] += 1

    def _meddle(self) -> None:
        cognito, draw = self.cognito, self.clock.random
        email = draw.choice(self.users)["useremail"]
        user = cognito.find(email)
        self.weather.met["somebody meddled"] += 1
        if user is None:
            cognito.make(email, "rival", draw.choice(("CONFIRMED", "UNCONFIRMED")))
        elif self.base == COMPLETE and draw.random() < 0.7:
            if user.maker != "run":  # whom the run has created, and not heard of, nobody could tell from a live sign-up
                cognito.change(user, "rival", draw.choice(("enabled", "disabled", "signed in", f"joined {GROUP}")))
        elif self.base in ("disable", "enable") and draw.random() < 0.5:
            cognito.change(user, "rival", "disabled" if user.enabled else "enabled")
        elif draw.random() < 0.5:
            cognito.remove(user, "rival")
        elif user.status == "UNCONFIRMED":
            user.status = "CONFIRMED"
