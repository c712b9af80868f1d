"""Whether what a run reports is true."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

from cognito_import.outcomes import INTERRUPTED, NOT_ATTEMPTED
from cognito_import.run.manifest import Manifest

from .clock import Clock
from .cognito import Cognito
from .s3 import S3
from .scene import Figures
from .verdicts import Case, wrong
from .weather import Weather

LEFT = (INTERRUPTED, NOT_ATTEMPTED)
"""Codes of users whom nobody has finished yet."""


class Untrue(AssertionError):  # noqa: N818
    """A report says what is not so."""


class Judge:
    """Holds reports of one run against the user pool."""

    def __init__(self, cognito: Cognito, s3: S3, run: str, request: dict[str, Any]) -> None:
        self.cognito, self.s3, self.run, self.request = cognito, s3, run, request
        self.users: list[dict[str, Any]] = request.get("data", [])
        self.since = 0.0
        """When the run began, if there was another before it."""
        self.rows = self.reports = 0
        self.codes: Counter[str] = Counter()

    def report(self) -> list[dict[str, str]]:
        """The rows of the report that was mailed last."""
        mailed = json.loads(self.s3.objects[f"runs/{self.run}/report.json"][0])["delivery"]["csv_key"]
        text = self.s3.objects[mailed][0].decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def hold(self, *, finished: bool = False) -> None:
        """Raise Untrue for a row of the newest report that is not so; `finished` says that nothing is left to do."""
        rows = self.report()
        if [row["useremail"] for row in rows] != [user["useremail"] for user in self.users]:
            message = "The report's rows are not the request's."
            raise Untrue(message)
        self.reports += 1
        problems = []
        for number, (row, user) in enumerate(zip(rows, self.users, strict=True), start=1):
            self.rows += 1
            self.codes[row["code"] or row["status"]] += 1
            told = self._wrong(row, user, finished=finished)
            if told:
                problems.append(f"row {number}, {row['code'] or row['status']}: {told}")
        problems += [f"{email} was created twice" for email in self.cognito.twins]
        problems += [f"{email} was deleted carelessly" for email in self.cognito.careless]
        if problems:
            raise Untrue("\n  ".join(problems))

    def _wrong(self, row: dict[str, str], given: dict[str, Any], *, finished: bool) -> str:
        case = Case.of(self.cognito, self.request, given, row, self.since)
        if row["code"] not in LEFT:
            return wrong(case)
        if finished:
            return "nobody finished it"
        return f"the run reached it: {case.ours}" if row["code"] == NOT_ATTEMPTED and case.ours else ""

    def hold_calls(self) -> None:
        """Raise Untrue if two workers were at one user, or one called for a user who was finished before it began."""
        rows = {user["useremail"]: number for number, user in enumerate(self.users, start=1)}
        batches = Manifest.from_json(self.s3.objects[f"runs/{self.run}/manifest.json"][0], "").batches
        numbers = {row: batch.number for batch in batches for row in range(batch.first, batch.last + 1)}
        problems = []
        for email, calls in self.cognito.calls.items():
            settled = self.s3.settled.get((self.run, rows[email]), float("inf"))
            newest = 0.0
            for call in calls:
                caller = call.caller.origin
                began = self.s3.leased.get((caller, numbers[rows[email]]), caller.began)
                told = f"row {rows[email]}: {call.operation} at {call.at:.1f} by who began at {began:.1f}"
                if settled < began:
                    problems.append(f"{told}, though finished at {settled:.1f}")
                if began < newest:
                    problems.append(f"{told}, behind another who began at {newest:.1f}")
                newest = max(newest, began)
        if problems:
            raise Untrue("\n  ".join(problems))

    def figures(self, weather: Weather, clock: Clock) -> Figures:
        """What the run came to."""
        return Figures(self.rows, self.reports, weather.met, self.codes, clock.now / 3600)
