"""One import from end to end, on real Airflow, shown in the terminal; exit code 0 only if all of it is right.

python -m demo [--users 60] [--environment]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from cognito_import.outcomes import EXISTS_CODES
from cognito_import.pacing import DEFAULT_QUOTAS
from demo.ground import GROUP
from demo.stage import DAG, Stage
from demo.watch import fetch, follow, link_in, rows_of

if TYPE_CHECKING:
    from local_aws.process import LocalAws

SHOWN_LINES = 8


def main() -> int:
    """Run the demo and give the exit code."""
    arguments = _arguments()
    engines = ["mapped"] if arguments.environment else ["mapped", "step_functions"]
    _head(f"Starting {'Airflow on the AWS of the environment' if arguments.environment else 'local AWS and Airflow'}")
    started = time.monotonic()
    with Stage(use_environment=arguments.environment, state_machine="step_functions" in engines) as stage:
        print(f"Ready after {time.monotonic() - started:.0f} s. Airflow: {stage.airflow.url}")
        imports = [Import(stage, engine, arguments.users) for engine in engines]
        for one in imports:
            one.run()
    problems = [f"{one.engine}: {problem}" for one in imports for problem in one.problems]
    if len(imports) > 1:
        problems += _compare(*imports)
    if problems:
        _head("Not right")
        print("\n".join(f"- {problem}" for problem in problems))
        return 1
    rows = sum(len(one.rows) for one in imports)
    print(f"\nAll of it is right: {rows:,} users in all, each with its one true outcome.")
    return 0


class Import:
    """One import of the demo by one engine, and what is not right about it."""

    def __init__(self, stage: Stage, engine: str, users: int) -> None:
        """Take where, how and how many users, who have addresses of the engine's own."""
        self.engine = engine
        self.problems: list[str] = []
        self.rows: list[dict[str, str]] = []
        self._stage = stage
        self._users = make_users(users, engine.replace("_", "-") + ".example.com")

    def run(self) -> None:
        """Import and show everything."""
        stage, users = self._stage, self._users
        stage.ground.add_user(users[EXISTING]["useremail"])
        if stage.aws:
            stage.aws.reset()
        mails = len(_mails(stage))
        _head(f"Importing {len(users):,} users with the engine {self.engine}")
        triggered = time.time()
        request = {"data": users, "adminemail": stage.ground.admin, "engine": self.engine}
        if len(users) > 300:  # noqa: PLR2004 - where the DAG's manual advises a file
            request = _as_source(stage, request)
        run_id = stage.airflow.rest.trigger(DAG, request)
        state = follow(stage.airflow.rest, stage.ground, DAG, run_id)
        took = time.time() - triggered
        if state != "success":
            self.problems.append(f"the run is {state}, not a success; look at it with: make up")
            return
        if stage.aws:
            # Step Functions waits whole seconds between states that start when it gets to them, so on a busy machine two
            # starts can come closer than the pace; what is throttled then is repeated, and the outcomes show it.
            self.problems += _show_pace(stage.aws, took, len(users), strict=self.engine == "mapped")
            content = self._show_mail(mails)
        else:
            content = _stored_csv(stage, stage.airflow.rest.xcom(DAG, run_id, "report"))
        _head("The CSV, fetched through the mail's link" if stage.aws else "The CSV")
        print("\n".join(content.decode("utf-8-sig").splitlines()[: SHOWN_LINES + 1]))
        self.rows = rows_of(content)
        self.problems += _check_rows(self.rows, users, expected_codes(users))
        self.problems += _check_pool(stage, self.rows)
        _head("Counts")
        for (status, code), count in sorted(Counter((row["status"], row["code"]) for row in self.rows).items()):
            print(f"{count:7,}  {status} {code}")

    def _show_mail(self, before: int) -> bytes:
        mails = _mails(self._stage)[before:]
        if len(mails) != 1:
            self.problems.append(f"{len(mails)} mails to the administrator instead of 1")
            return b""
        (mail,) = mails
        _head("The mail")
        print(f"From:    {mail['Source']}\nTo:      {', '.join(mail['To'])}\nSubject: {mail['Subject']}\n")
        link = link_in(mail)
        print(mail["BodyText"].replace(link, link.partition("?")[0] + "?… (the presigned link)"))
        return fetch(link)


def _compare(one: Import, other: Import) -> list[str]:
    """Hold the two CSVs against each other, row by row, but for the addresses' domains and Cognito's names."""

    def comparable(done: Import) -> list[tuple[str, ...]]:
        return [
            (row["useremail"].partition("@")[0], row["status"], row["message"], row["code"], str(bool(row["username"])))
            for row in done.rows
        ]

    pairs = zip(comparable(one), comparable(other), strict=False)
    differing = [number for number, (a, b) in enumerate(pairs, start=1) if a != b]
    if differing or len(one.rows) != len(other.rows):
        return [f"the CSVs of the two engines differ in the rows {differing or 'at the end'}"]
    print(f"\nThe CSVs of the two engines agree in all {len(one.rows):,} rows.")
    return []


def _mails(stage: Stage) -> list[dict[str, Any]]:
    return [mail for mail in stage.aws.outbox() if stage.ground.admin in mail["To"]] if stage.aws else []


EXISTING, MALFORMED, DUPLICATE = 2, 4, 6


def make_users(count: int, domain: str) -> list[dict[str, Any]]:
    """Invent `count` users (10 at least), some of which fail for good reasons."""
    users: list[dict[str, Any]] = [{"useremail": f"user{number:06}@{domain}"} for number in range(1, count + 1)]
    users[MALFORMED] = {"useremail": "user-without-domain"}
    users[DUPLICATE] = {"useremail": users[0]["useremail"].upper()}
    users[7]["attributes"] = {"given_name": "花子", "custom:department": "営業部"}
    users[8]["groups"] = [GROUP]
    return users


def expected_codes(users: list[dict[str, Any]]) -> list[str]:
    """The code that each user's outcome must have."""
    codes = [""] * len(users)
    codes[EXISTING] = "UsernameExistsException"
    codes[MALFORMED] = "InvalidAddress"
    codes[DUPLICATE] = "DuplicateAddress"
    return codes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=60, help="how many users to import (10 at least)")
    parser.add_argument("--environment", action="store_true", help="use the AWS that the environment names")
    arguments = parser.parse_args()
    if arguments.users < 10:  # noqa: PLR2004 - room for the users that fail
        parser.error("--users: 10 at least")
    return arguments


def _as_source(stage: Stage, request: dict[str, Any]) -> dict[str, Any]:
    key = "demo/users.json"
    stage.ground.s3.put_object(Bucket=stage.ground.bucket, Key=key, Body=json.dumps(request.pop("data")).encode())
    return {**request, "source": f"s3://{stage.ground.bucket}/{key}"}


def _show_pace(aws: LocalAws, took: float, users: int, *, strict: bool) -> list[str]:
    problems = []
    _head("Pace")
    categories = aws.stats()["categories"]
    for name, quota in DEFAULT_QUOTAS.items():
        used = categories.get(str(name), {"calls": 0})
        if not used["calls"]:
            continue
        span = max(used["last"] - used["first"], 1e-9)
        print(
            f"{name:20} {used['calls']:7,} calls, {used['calls'] / span:5.1f}/s from first to last, at most "
            f"{used['peak']} in any second (quota {quota}), {used['throttles']} throttled"
        )
        if strict and (used["peak"] > quota or used["throttles"]):
            problems.append(f"{name} went above its quota: {used['peak']} in a second, {used['throttles']} throttled")
    print(f"From trigger to the end of the run {took:.1f} s: {users / took:.1f} users/s.")
    return problems


def _stored_csv(stage: Stage, report: dict[str, Any]) -> bytes:
    print(f"The mail went to {stage.ground.admin} (SES message {report['message_id']}).")
    return stage.ground.s3.get_object(Bucket=stage.ground.bucket, Key=report["csv_key"])["Body"].read()


def _check_rows(rows: list[dict[str, str]], users: list[dict[str, Any]], expected: list[str]) -> list[str]:
    if len(rows) != len(users):
        return [f"the CSV has {len(rows)} rows for {len(users)} users"]
    return [
        f"row {number}: {row['useremail']} has the code {row['code']!r} instead of {code!r}"
        for number, (row, user, code) in enumerate(zip(rows, users, expected, strict=True), start=1)
        if row["code"] != code or row["useremail"] != user["useremail"]
    ]


def _check_pool(stage: Stage, rows: list[dict[str, str]]) -> list[str]:
    """Hold the CSV against the user pool."""
    pool = stage.ground.users()
    problems = []
    for row in rows:
        user = pool.get(row["useremail"])
        if row["status"] == "succeeded" and (user is None or user.username != row["username"] or not user.groups):
            problems.append(f"{row['useremail']} is reported as made but the pool has {user}")
        if row["status"] == "failed" and user is not None and row["code"] not in EXISTS_CODES:
            problems.append(f"{row['useremail']} is reported as failed but is in the pool")
    return problems


def _head(title: str) -> None:
    print(f"\n── {title} " + "─" * max(0, 90 - len(title)), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # all that was started is stopped by now
        sys.exit("\nStopped, and nothing is left running.")
