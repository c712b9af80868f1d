"""Whether what a run reports is true."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

from cognito_import.engine.error_policy import POLICIES, ErrorPolicy
from cognito_import.engine.precedence import CREATED_SINCE
from cognito_import.outcomes import INTERRUPTED, LEFT_UNCHANGED, NOT_ATTEMPTED, SUCCEEDED
from cognito_import.run.manifest import Manifest

from .services import S3, Cognito

FINAL = {code for code, policy in POLICIES.items() if policy in (ErrorPolicy.RESULT, ErrorPolicy.RECHECK)} | {
    CREATED_SINCE,
    LEFT_UNCHANGED,
}


class Untrue(AssertionError):  # noqa: N818
    """A report says what is not so."""


class Judge:
    """Holds reports of one run against the user pool."""

    def __init__(self, cognito: Cognito, s3: S3, users: list[dict[str, Any]], jobtype: str) -> None:
        self.cognito, self.s3, self.users, self.jobtype = cognito, s3, users, jobtype
        self.rows = 0
        self.codes: Counter[str] = Counter()

    def report(self) -> list[dict[str, str]]:
        """The rows of the newest report."""
        keys = [key for key in self.s3.objects if key.startswith(f"cognito{self.jobtype}log/")]
        newest = max(keys, key=lambda key: self.s3.objects[key][2])
        text = self.s3.objects[newest][0].decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def hold(self, *, finished: bool = False) -> None:
        """Raise Untrue for a row of the newest report that is not so; `finished` says that nothing is left to do."""
        rows = self.report()
        if [row["useremail"] for row in rows] != [user["useremail"] for user in self.users]:
            message = "The report's rows are not the request's."
            raise Untrue(message)
        problems = []
        for number, (row, user) in enumerate(zip(rows, self.users, strict=True), start=1):
            self.rows += 1
            self.codes[row["code"] or row["status"]] += 1
            wrong = self._wrong(row, user, finished=finished)
            if wrong:
                problems.append(f"row {number}, {row['code'] or row['status']}: {wrong}")
        problems += [f"{email} was created twice" for email in self.cognito.twins]
        if problems:
            raise Untrue("\n  ".join(problems))

    def _wrong(self, row: dict[str, str], given: dict[str, Any], *, finished: bool) -> str:  # noqa: PLR0911 - as below
        email, code = row["useremail"], row["code"]
        deeds = self.cognito.deeds.get(email, [])
        user = self.cognito.find(email)
        ours = [deed for deed in deeds if deed.maker == "run"]
        others = [deed for deed in deeds if deed.maker != "run"]
        if code in (INTERRUPTED, NOT_ATTEMPTED) or (code and code not in FINAL):
            if finished:
                return "nobody finished it"
            if code == NOT_ATTEMPTED and ours:
                return f"the run reached it: {ours}"
            if code not in (INTERRUPTED, NOT_ATTEMPTED) and self.jobtype == "import" and not ours:
                return "it lacks more than the error names"
            return ""
        if self.jobtype == "delete":
            return self._wrong_deletion(row, user, ours, others)
        if self.jobtype in ("disable", "enable"):
            return self._wrong_access(row, ours, others)
        return self._wrong_import(row, user, ours, others, given)

    def _wrong_deletion(self, row: Any, user: Any, ours: Any, others: Any) -> str:  # noqa: PLR0911 - as above
        removed = any(deed.what == "removed" for deed in others)
        if row["status"] == SUCCEEDED:
            if user is not None and user.username == row["username"]:
                return "it is there"
            if not ours and not removed:
                return "nobody deleted it"
            return ""
        if row["code"] == "UserNotFoundException":
            if ours:
                return "the run deleted it"
            if others and others[0].what == "made" and others[0].maker == "before" and not removed:
                return "it was there"
            return ""
        if row["code"] == CREATED_SINCE:
            of_it = {(deed.maker, deed.what) for deed in (*ours, *others) if deed.username == row["username"]}
            if ("run", "removed") in of_it:
                return "the run deleted it"
            return "" if ("rival", "made") in of_it else "nobody created it since"
        return f"no such error was made: {row['message']}"

    def _wrong_access(self, row: Any, ours: Any, others: Any) -> str:
        wanted, other = ("enabled", "disabled") if self.jobtype == "enable" else ("disabled", "enabled")
        made = {deed.what for deed in others if deed.username == row["username"]}
        # Who is made is enabled.
        elsewhere = wanted in made or (wanted == "enabled" and "made" in made)
        if row["status"] == SUCCEEDED:
            mine = [deed for deed in ours if deed.username == row["username"]]
            if row["code"] == LEFT_UNCHANGED and mine:
                return f"the run has {wanted} it"
            there = self.cognito.users.get(row["username"])
            if there is not None and there.enabled != (wanted == "enabled") and other not in made:
                return f"it is not {wanted}"
            return "" if mine or elsewhere else f"nobody has {wanted} it"
        if row["code"] == "UserNotFoundException":
            there = others and others[0].maker == "before" and all(deed.what != "removed" for deed in others)
            return "it was there" if there else ""
        if row["code"] == CREATED_SINCE and self.jobtype == "disable":
            since = any((deed.maker, deed.what) == ("rival", "made") for deed in others)
            return "" if since else "nobody created it since"
        return f"no such error was made: {row['message']}"

    def _wrong_import(self, row: Any, user: Any, ours: Any, others: Any, given: dict[str, Any]) -> str:  # noqa: PLR0911 - as above
        removed = {deed.username for deed in others if deed.what == "removed"}
        made = {deed.username for deed in ours if deed.what == "made"}
        if len(made - removed) > 1:
            return "the run created it twice"
        if row["status"] == SUCCEEDED:
            if row["username"] not in made:
                return "the run did not create it"
            there = self.cognito.users.get(row["username"])
            if there is None:
                return "" if row["username"] in removed else "it is not there"
            missing = set(given.get("groups", ["BASIC"])) - there.groups
            wrong = [f"it is not in {missing}"] * bool(missing)
            return "; ".join(wrong + ["it is enabled, or not"] * (there.enabled != given.get("enabled", True)))
        match row["code"]:
            case "UsernameExistsException":
                if user is not None and user.maker == "run":
                    return "the run created it"
                return "" if any(deed.what == "made" for deed in others) else "nobody else made it"
            case "UserNotFoundException":
                return "" if removed & made else "nobody removed it"
            case "InvalidParameterException":
                return "" if row["useremail"] in self.cognito.unfit else "the pool does not refuse it"
            case "UnexpectedLambdaException":
                return "the run created it" if made - removed else ""
        return f"no such error was made: {row['message']}"

    def hold_calls(self) -> None:
        """Raise Untrue if two workers were at one user, or one called for a user who was finished before it began."""
        rows = {user["useremail"]: number for number, user in enumerate(self.users, start=1)}
        batches = Manifest.from_json(self.s3.objects["runs/chaos-run/manifest.json"][0], "").batches
        numbers = {row: batch.number for batch in batches for row in range(batch.first, batch.last + 1)}
        problems = []
        for email, calls in self.cognito.calls.items():
            settled = self.s3.settled.get(rows[email], float("inf"))
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
