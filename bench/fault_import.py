"""One import under a fault: watched while it runs, and held against the truth at its end."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.config import Config

from cognito_import import aws as clients
from cognito_import.errors import RunFolderError
from cognito_import.outcomes import INTERRUPTED, NOT_ATTEMPTED, SUCCEEDED
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from demo.resources import GROUP, Resources
from demo.sandbox import DAG
from demo.watch import fetch, link_in, rows_of
from sandbox.airflow.rest import AirflowRest
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

TASK = "process_users"
IMPATIENT = Config(connect_timeout=2, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})


@dataclass(frozen=True)
class Figures:
    """What became of one import. `recovery` is in seconds from the fault's end, `ended` in seconds from its beginning."""

    state: str
    users: int
    unfinished: int
    untrue: int
    created_twice: int
    called_again: int
    mails: int
    recovery: float
    ended: float


class Import:
    """One import of `users` new addresses, triggered as it is made and watched from then on."""

    def __init__(self, rest: AirflowRest, aws: LocalAws, resources: Resources, users: int, dag: str = DAG) -> None:
        mark = secrets.token_hex(4)
        self.rest, self.aws, self.resources, self.dag = rest, aws, resources, dag
        self.addresses = [f"user{number:04}-{mark}@example.com" for number in range(1, users + 1)]
        self.admin = f"admin-{mark}@example.com"
        resources.ses.verify_email_identity(EmailAddress=self.admin)
        key = f"faults/{mark}.csv"
        resources.s3.put_object(
            Bucket=resources.bucket, Key=key, Body="\n".join(["useremail", *self.addresses]).encode()
        )
        conf = {"source": f"s3://{resources.bucket}/{key}", "adminemail": self.admin}
        self.run_id = rest.trigger(dag, conf)
        import boto3

        s3 = boto3.client("s3", config=clients.S3.merge(IMPATIENT))
        self.folder = RunFolder(s3, resources.bucket, run_name(self.run_id, dag))
        self._seen: dict[int, float] = {}
        """When each finished user was first seen to be finished, by row; seconds since the epoch."""
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def _look(self) -> None:
        while not self._over.wait(0.3):
            with contextlib.suppress(RunFolderError):  # S3 is away, or the run has not been read
                if self.folder.manifest() is None:
                    continue
                rows = set(self.folder.progress().outcomes)
                now = time.time()
                for row in rows - self._seen.keys():
                    self._seen[row] = now

    def wait_for(self, finished: int, meanwhile: Callable[[], object], seconds: float = 240) -> None:
        """Wait until so many users are finished, and call `meanwhile` again and again. Raise WaitError."""

        def count() -> int:
            meanwhile()
            return len(self._seen)

        until(f"{finished} finished users", count, lambda seen: seen >= finished, seconds=seconds, every=0.3)

    def tasks(self) -> list[dict[str, Any]]:
        """Return the mapped tasks, in the order of their map index."""
        return self.rest.task_instances(self.dag, self.run_id, TASK)

    def ended(self, state: str, struck: float, over: float, ended: float) -> Figures:
        """Judge the run, which a fault struck from `struck` to `over`; moments are seconds since the epoch."""
        self._over.set()
        self._watch.join()
        mails = [mail for mail in self.aws.outbox() if self.admin in mail["To"]]
        rows = rows_of(fetch(link_in(mails[-1]))) if mails else []
        calls = [call for call in self.aws.calls() if call["username"]]
        names = {row["useremail"]: row["username"] for row in rows}
        mine = {
            name: index for index, address in enumerate(self.addresses, 1) for name in (address, names.get(address))
        }
        # A call that nobody has answered yet has the code None.
        made = Counter(
            call["username"] for call in calls if call["operation"] == "AdminCreateUser" and call["code"] == ""
        )
        again = {
            row
            for call in calls
            if (row := mine.get(call["username"])) in self._seen and call["time"] > self._seen[row]
        }
        return Figures(
            state=state,
            users=len(self.addresses),
            unfinished=sum(row["code"] in {NOT_ATTEMPTED, INTERRUPTED} for row in rows),
            untrue=self._untrue(rows),
            created_twice=sum(made[address] > 1 for address in self.addresses),
            called_again=len(again),
            mails=len(mails),
            recovery=self._resumed(struck, over, ended) - over,
            ended=ended - struck,
        )

    def _untrue(self, rows: list[dict[str, str]]) -> int:
        """Return how many rows of the report are not what user pool and groups say, or are missing."""
        pool = self.resources.users()
        told = {row["useremail"]: row for row in rows}
        untrue = abs(len(rows) - len(self.addresses))
        for address in self.addresses:
            row, user = told.get(address), pool.get(address)
            if row is None:
                untrue += 1
            elif row["status"] == SUCCEEDED:
                untrue += user is None or (user.username, user.groups) != (row["username"], frozenset({GROUP}))
            elif row["code"] == NOT_ATTEMPTED:
                untrue += user is not None
            else:  # nobody fails for reasons of its own here; `Interrupted` is no claim
                untrue += row["code"] != INTERRUPTED
        return untrue

    def _resumed(self, struck: float, over: float, ended: float) -> float:
        """When every batch that the fault interrupted had gone on, or the run had ended."""
        resumed = over
        for batch in self.folder.required_manifest().batches:
            rows = range(batch.first, batch.last + 1)
            begun = any(self._seen.get(row, ended) < struck for row in rows)
            later = [self._seen.get(row, ended) for row in rows if self._seen.get(row, ended) > over]
            if begun and later:
                resumed = max(resumed, min(later))
        return resumed if resumed > over else ended
