"""One seed of an undo: an import, what becomes of its users, and the run that deletes them."""

from __future__ import annotations

from typing import Any

from .judge import Judge
from .requests import drawn
from .run import JudgedScene
from .truth import User
from .weather import MINUTE

IMPORT, UNDO = "chaos-import", "chaos-undo"


class Undo(JudgedScene):
    """An import in fair weather, and its undo in foul, while people sign in, or are changed."""

    run = UNDO

    def __init__(self, seed: int, engine: str, base: str = "undo") -> None:
        super().__init__(seed)
        self.engine, self.base = engine, base
        self.request: dict[str, Any] = {"undo": IMPORT, "adminemail": "admin@example.com"}
        self.judge = Judge(self.cognito, self.s3, self.run, self.request)

    def _main(self) -> None:
        draw = self.clock.random
        self.import_users()
        for _ in range(draw.choice((0, 10, 20))):
            self._meddle()
        self.weather.began, self.weather.calm = self.clock.now, False
        for _ in range(draw.choice((0, 0, 10, 30))):
            self.clock.at(self.clock.now + draw.uniform(0, 15 * MINUTE) * draw.random(), self._meddle)
        self.read_request(self.run, self.request)
        self.process(self.run, self.engine, clears=draw.choice((0, 1, 1, 2, 3)), reported=self.judge.hold)

    def import_users(self) -> None:
        """Run an import whose users are to be deleted, and begin to watch what is done to them."""
        request = drawn(self, "import", self.engine)
        self.weather.calm = True
        self.read_request(IMPORT, request)
        self.process(IMPORT, self.engine, clears=0, reported=lambda: None)
        self.clock.sleep(5)
        self.judge.users = [user for user in request["data"] if self._created(user["useremail"])]
        self.cognito.calls.clear()
        self.cognito.undoing = True
        self.judge.since = self.clock.now

    def _created(self, email: str) -> User | None:
        user = self.cognito.find(email)
        return user if user and user.maker == "run" else None

    def _meddle(self) -> None:
        draw = self.clock.random
        email = draw.choice(self.judge.users)["useremail"]
        user = self.cognito.find(email)
        self.weather.met["somebody meddled"] += 1
        if user is None:
            self.cognito.make(email, "rival", draw.choice(("CONFIRMED", "FORCE_CHANGE_PASSWORD")))
        elif draw.random() < 0.2:
            self.cognito.remove(user, "rival")
        else:
            other = "disabled" if user.enabled else "enabled"
            self.cognito.change(user, "rival", draw.choice(("signed in", "updated name", other)))
