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

from cognito_import.engine.pacing import DEFAULT_QUOTAS
from demo.sandbox import DAG, Sandbox
from demo.users import EXISTING, check_pool, check_rows, make_users
from demo.watch import fetch, follow, link_in, rows_of

if TYPE_CHECKING:
    from sandbox.aws.process import LocalAws

SHOWN_LINES = 8
DELETED = 10
"""Users whom the demo deletes with each engine."""


def main() -> int:
    """Run the demo and return the exit code."""
    arguments = _arguments()
    engines = ["mapped"] if arguments.environment else ["mapped", "step_functions"]
    _head(f"Starting {'Airflow on the AWS of the environment' if arguments.environment else 'local AWS and Airflow'}")
    started = time.monotonic()
    # The demo has one user of Airflow, who both asks for the deletions and approves them.
    settings = {"approve_own": True}
    sandbox = Sandbox(
        use_environment=arguments.environment, state_machine="step_functions" in engines, settings=settings
    )
    with sandbox as sandbox:
        print(f"Ready after {time.monotonic() - started:.0f} s. Airflow: {sandbox.airflow.url}")
        imports = [Import(sandbox, engine, arguments.users) for engine in engines]
        for one in imports:
            one.run()
        deletions = [Deletion(sandbox, one) for one in imports if one.rows]
        for deletion in deletions:
            deletion.run()
    done: list[Import | Deletion] = [*imports, *deletions]
    problems = [f"{one.engine}: {problem}" for one in done for problem in one.problems]
    if len(imports) > 1:
        problems += _compare("imports", *imports)
    if len(deletions) > 1:
        problems += _compare("deletions", *deletions)
    if problems:
        _head("Not right")
        print("\n".join(f"- {problem}" for problem in problems))
        return 1
    rows = sum(len(one.rows) for one in imports)
    print(f"\nAll of it is right: {rows:,} users in all, each with its one true outcome.")
    return 0


class Import:
    """One import of the demo by one engine, and what is not right about it."""

    def __init__(self, sandbox: Sandbox, engine: str, users: int) -> None:
        """Take where, how and how many users, who have addresses of the engine's own."""
        self.engine = engine
        self.problems: list[str] = []
        self.rows: list[dict[str, str]] = []
        self._sandbox = sandbox
        self._users = make_users(users, engine.replace("_", "-") + ".example.com")

    def run(self) -> None:
        """Import and show everything."""
        sandbox, users = self._sandbox, self._users
        sandbox.resources.add_user(users[EXISTING]["useremail"])
        if sandbox.aws:
            sandbox.aws.reset()
        mails = len(_mails(sandbox))
        _head(f"Importing {len(users):,} users with the engine {self.engine}")
        triggered = time.time()
        request = {"data": users, "adminemail": sandbox.resources.admin, "engine": self.engine}
        if len(users) > 300:  # noqa: PLR2004 - where the DAG's manual advises a file
            request = _as_source(sandbox, request)
        run_id = sandbox.airflow.rest.trigger(DAG, request)
        state = follow(sandbox.airflow.rest, sandbox.resources, DAG, run_id)
        took = time.time() - triggered
        if state != "success":
            self.problems.append(f"the run is {state}, not a success; look at it with: make up")
            return
        if sandbox.aws:
            # Step Functions waits whole seconds between states that start when it gets to them, so on a busy machine two
            # starts can come closer than the pace; what is throttled then is repeated, and the outcomes show it.
            self.problems += _show_pace(sandbox.aws, took, len(users), strict=self.engine == "mapped")
            content = self._show_mail(mails)
        else:
            content = _stored_csv(sandbox, sandbox.airflow.rest.xcom(DAG, run_id, "report"))
        _head("The CSV, fetched through the mail's link" if sandbox.aws else "The CSV")
        print("\n".join(content.decode("utf-8-sig").splitlines()[: SHOWN_LINES + 1]))
        self.rows = rows_of(content)
        self.problems += check_rows(self.rows, users)
        self.problems += check_pool(sandbox.resources, self.rows)
        _head("Counts")
        for (status, code), count in sorted(Counter((row["status"], row["code"]) for row in self.rows).items()):
            print(f"{count:7,}  {status} {code}")

    def _show_mail(self, before: int) -> bytes:
        mails = _mails(self._sandbox)[before:]
        if len(mails) != 1:
            self.problems.append(f"{len(mails)} mails to the administrator instead of 1")
            return b""
        (mail,) = mails
        _head("The mail")
        print(f"From:    {mail['Source']}\nTo:      {', '.join(mail['To'])}\nSubject: {mail['Subject']}\n")
        link = link_in(mail)
        print(mail["BodyText"].replace(link, link.partition("?")[0] + "?… (the presigned link)"))
        return fetch(link)


class Deletion:
    """The deletion of some users that one import of the demo created, by the same engine, once it is approved."""

    def __init__(self, sandbox: Sandbox, done: Import) -> None:
        """Take the import; one of the users to delete has never existed."""
        self.engine = done.engine
        self.problems: list[str] = []
        self.rows: list[dict[str, str]] = []
        self._sandbox = sandbox
        created = [row["useremail"] for row in done.rows if row["status"] == "succeeded"][:DELETED]
        self._addresses = [*created, f"nobody@{created[0].rpartition('@')[2]}"]

    def run(self) -> None:
        """Ask, approve, delete, and hold the CSV against the user pool."""
        sandbox, rest, task = self._sandbox, self._sandbox.airflow.rest, "approve"
        _head(f"Deleting {len(self._addresses)} users with the engine {self.engine}")
        data = [{"useremail": address} for address in self._addresses]
        conf = {"data": data, "adminemail": sandbox.resources.admin, "engine": self.engine, "jobtype": "delete"}
        run_id = rest.trigger(DAG, conf)
        sandbox.airflow.wait_until_parked(DAG, run_id, task)
        print(rest.question(DAG, run_id, task)["subject"], "Approve.")
        rest.answer(DAG, run_id, task, "Approve")
        if (state := rest.wait(DAG, run_id)) != "success":
            self.problems.append(f"the deletion is {state}, not a success")
            return
        self.rows = rows_of(_stored_csv(sandbox, rest.xcom(DAG, run_id, "report")))
        told = [(row["status"], row["code"]) for row in self.rows]
        if told != [("succeeded", "")] * (len(told) - 1) + [("failed", "UserNotFoundException")]:
            self.problems.append(f"the deletion's outcomes are {told}")
        left = sandbox.resources.users().keys() & set(self._addresses)
        if left:
            self.problems.append(f"{len(left)} users who were reported as deleted are still there")
        for status, code in told:
            print(f"{status} {code}")


def _compare(what: str, one: Import | Deletion, other: Import | Deletion) -> list[str]:
    """Hold the two CSVs against each other, row by row, but for the addresses' domains and Cognito's names."""

    def comparable(done: Import | Deletion) -> list[tuple[str, ...]]:
        return [
            (row["useremail"].partition("@")[0], row["status"], row["message"], row["code"], str(bool(row["username"])))
            for row in done.rows
        ]

    pairs = zip(comparable(one), comparable(other), strict=False)
    differing = [number for number, (a, b) in enumerate(pairs, start=1) if a != b]
    if differing or len(one.rows) != len(other.rows):
        return [f"the two engines' CSVs of the {what} differ in the rows {differing or 'at the end'}"]
    print(f"\nThe two engines' CSVs of the {what} agree in all {len(one.rows):,} rows.")
    return []


def _mails(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [mail for mail in sandbox.aws.outbox() if sandbox.resources.admin in mail["To"]] if sandbox.aws else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=60, help="how many users to import (10 at least)")
    parser.add_argument("--environment", action="store_true", help="use the AWS that the environment names")
    arguments = parser.parse_args()
    if arguments.users < 10:  # noqa: PLR2004 - room for the users that fail
        parser.error("--users: 10 at least")
    return arguments


def _as_source(sandbox: Sandbox, request: dict[str, Any]) -> dict[str, Any]:
    key = "demo/users.json"
    sandbox.resources.s3.put_object(
        Bucket=sandbox.resources.bucket, Key=key, Body=json.dumps(request.pop("data")).encode()
    )
    return {**request, "source": f"s3://{sandbox.resources.bucket}/{key}"}


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


def _stored_csv(sandbox: Sandbox, report: dict[str, Any]) -> bytes:
    print(f"The mail went to {sandbox.resources.admin} (SES message {report['message_id']}).")
    return sandbox.resources.s3.get_object(Bucket=sandbox.resources.bucket, Key=report["csv_key"])["Body"].read()


def _head(title: str) -> None:
    print(f"\n── {title} " + "─" * max(0, 90 - len(title)), flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # all that was started is stopped by now
        sys.exit("\nStopped, and nothing is left running.")
