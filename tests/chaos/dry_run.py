"""One seed of a dry run: what it foresees is what the same request does afterwards, and until then nothing is changed."""

from __future__ import annotations

from collections import Counter

from cognito_import.engine.calls import OPERATIONS
from cognito_import.outcomes import (
    EXISTED,
    EXISTS_CODES,
    LEFT_UNCHANGED,
    UNCHANGED,
    WOULD_COMPLETE,
    WOULD_CREATE,
    WOULD_DELETE,
    WOULD_DISABLE,
    WOULD_ENABLE,
)

from .cognito import READS
from .judge import LEFT, Judge, Untrue
from .requests import BASES, drawn
from .scene import Figures
from .truth import GROUP
from .undo import Undo
from .weather import MINUTE

DRY, REAL = "chaos-dry", "chaos-real"
PLAIN = (WOULD_CREATE, WOULD_DELETE, WOULD_DISABLE, WOULD_ENABLE)
"""Codes of users whom the real run makes plain successes."""


class DryRun(Undo):
    """A dry run in foul weather, and then the real one in fair, whatever its job type; that of an undo, too."""

    run = REAL

    def __init__(self, seed: int, engine: str, _: str = "dry-run") -> None:
        super().__init__(seed, engine)
        self.base = self.clock.random.choice((*BASES, "undo"))
        if self.base != "undo":
            self.request = drawn(self, self.base, engine)
        self.judge = Judge(self.cognito, self.s3, REAL, self.request)
        self.dry = Judge(self.cognito, self.s3, DRY, self.request)
        self.foreseen: dict[int, tuple[str, str]] = {}

    def _main(self) -> None:
        draw, cognito = self.clock.random, self.cognito
        if self.base == "undo":
            self.import_users()
            for _ in range(draw.choice((0, 10, 20))):
                self._meddle()
            self.dry.users = self.judge.users
        self.weather.began, self.weather.calm = self.clock.now, False
        before = cognito.snapshot()
        cognito.made.clear()
        self.read_request(DRY, {**self.request, "dry_run": True})
        self.process(DRY, self.engine, clears=draw.choice((0, 1, 1, 2, 3)), reported=self._hold)
        if cognito.snapshot() != before or not cognito.made.keys() <= READS:
            message = f"The dry run has changed something: {cognito.made.keys() - READS}"
            raise Untrue(message)
        self.weather.calm = True
        calls = self.folder(DRY).progress().calls
        self.clock.sleep(
            15 * MINUTE
        )  # a worker that was taken for dead, or a function called twice, may still be at it
        cognito.made.clear()
        cognito.calls.clear()
        self.read_request(REAL, self.request)
        self.process(REAL, self.engine, clears=0, reported=self.judge.hold)
        self._compare(calls)

    def _hold(self) -> None:
        """Raise Untrue if a forecast has become another, since nothing else has."""
        for number, row in enumerate(self.dry.report(), start=1):
            self.dry.rows += 1
            self.dry.codes[row["code"]] += 1
            told = row["code"], row["message"]
            if row["code"] not in LEFT and self.foreseen.setdefault(number, told) != told:
                message = f"row {number}: {self.foreseen[number]} has become {told}"
                raise Untrue(message)

    def _compare(self, calls: Counter[str]) -> None:
        problems = []
        real = self.judge.report()
        serves = "existing_users" in self.request or "resend_invitation" in self.request
        handed_over = serves and self.engine == "step_functions"
        for number, (foreseen, became) in enumerate(zip(self.dry.report(), real, strict=True), start=1):
            expected, told = _expected(foreseen), (became["code"], became["message"])
            if became["useremail"] in self.cognito.unfit and foreseen["code"] == WOULD_CREATE:
                given = self.judge.users[number - 1]  # only the real call can tell
                calls -= Counter(AdminAddUserToGroup=len(given.get("groups", [GROUP])))
                calls -= Counter(AdminDisableUser=given.get("enabled") is False)
                continue
            # A child hands a user who exists over to the core's worker, which finds out again that it does.
            calls["AdminCreateUser"] += handed_over and told[0] in (EXISTED, *EXISTS_CODES)
            if told[0] != expected[0] or expected[1] not in ("", told[1]):
                problems.append(f"row {number}: {foreseen['code']}, {foreseen['message']} became {told}")
        made = {name: count for name, count in self.cognito.made.items() if name in OPERATIONS}
        if made != +calls:
            problems.append(f"{dict(calls)} were foreseen, and {made} were made")
        if problems:
            raise Untrue("\n  ".join(problems))

    def to_its_end(self) -> Figures:
        """Run both to their ends. Raises Untrue for a row that became another, and for a change by the dry run."""
        super().to_its_end()
        self.judge.rows += self.dry.rows
        self.judge.codes += self.dry.codes
        return self.judge.figures(self.weather, self.clock)


def _expected(foreseen: dict[str, str]) -> tuple[str, str]:
    """The code and the message that the real run's row has to have, the message empty for any."""
    code, message = foreseen["code"], foreseen["message"]
    if code in PLAIN:
        return "", "-"
    if code == UNCHANGED and message.startswith("Exists already"):
        return EXISTED, "Existed already."
    if code == UNCHANGED:
        return LEFT_UNCHANGED, message
    if code == WOULD_COMPLETE:
        happened = (
            message.replace("Exists", "Existed").replace("would join", "joined").replace("would update", "updated")
        )
        return EXISTED, happened.replace("would be ", "")
    return code, "" if code in EXISTS_CODES else message
