"""The faults: what each breaks, for how long, and how its import has to end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.fault_import import TASK, Import
from demo.resources import Resources
from sandbox.airflow.cluster import Cluster
from sandbox.airflow.rest import AirflowRest
from sandbox.aws.process import LocalAws

ONCE = "cognito_import_once"
"""The DAG whose tasks have a single retry."""
SLOTS = 20


@dataclass(frozen=True)
class Site:
    """A deployment: its Airflow, its AWS, and how its components are stopped, started and killed."""

    rest: AirflowRest
    aws: LocalAws
    resources: Resources
    stop: Callable[[str], None]
    start: Callable[[str], None]
    restart_ended: Callable[[], list[str]]
    kill: Callable[[str], None]
    task_pids: Callable[..., tuple[int | None, int | None]] = lambda *_: (None, None)
    cluster: Cluster | None = None


@dataclass(frozen=True)
class Fault:
    """`strike` breaks something and returns when it is whole again. `mails` are the most that may report the run.

    `once` runs the import by the DAG ONCE; it has so many `times` the usual users. `afterwards` looks at the deployment when the
    run has ended, and raises for what is wrong.
    """

    words: str
    site: str
    strike: Callable[[Site, Import], None]
    state: str = "success"
    mails: int = 1
    once: bool = False
    times: int = 1
    afterwards: Callable[[Site, Import], None] | None = None


def _away(name: str, seconds: float) -> Callable[[Site, Import], None]:
    """Stop a component for so long."""

    def strike(site: Site, _: Import) -> None:
        site.stop(name)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            site.restart_ended()
            time.sleep(1)
        site.start(name)

    return strike


def _killed(name: str) -> Callable[[Site, Import], None]:
    """Kill a component, and start it again at once."""

    def strike(site: Site, _: Import) -> None:
        site.kill(name)
        time.sleep(1)
        if name not in site.restart_ended():
            site.start(name)

    return strike


def outage(service: str, seconds: float, **details: Any) -> Callable[[Site, Import], None]:
    """Let every call of a service fail for so long."""

    def strike(site: Site, _: Import) -> None:
        site.aws.outage(service, seconds, **details)
        time.sleep(seconds)

    return strike


def single(operation: str, kind: str, **details: Any) -> Callable[[Site, Import], None]:
    """Let single calls fail; what they meet is over when they are answered."""
    return lambda site, _: site.aws.fault(operation, kind, **details)


def _worker_killed(site: Site, run: Import) -> None:
    """Kill one task's two processes, as a machine that is lost does."""
    for pid in site.task_pids(run.dag, run.run_id, TASK, 3):
        if pid:
            os.kill(pid, signal.SIGKILL)


def _worker_killed_for_good(site: Site, run: Import) -> None:
    """Kill one task's process at each of its attempts."""
    for attempt in (1, 2):
        pid = None
        while pid is None or run.tasks()[3]["try_number"] < attempt:
            time.sleep(0.3)
            pid = site.task_pids(run.dag, run.run_id, TASK, 3)[1]
        os.kill(pid, signal.SIGKILL)


def _marked_as_failed(site: Site, run: Import) -> None:
    """Mark one running task as failed by hand."""
    path = f"dags/{run.dag}/dagRuns/{run.run_id}/taskInstances/{TASK}/3"
    site.rest.request("PATCH", path, json={"new_state": "failed"})


def _delivered_twice(site: Site, _: Import) -> None:
    """Hand every task that a worker holds out again, as Celery does when its visibility timeout has passed."""
    import redis

    assert site.cluster is not None
    broker = redis.Redis(port=site.cluster.site.ports[6379], password=site.cluster.secret("redis_password"))
    held: dict[bytes, bytes] = broker.hgetall("unacked")  # type: ignore[assignment]
    assert held
    for entry in held.values():
        message, _, queue = json.loads(entry)
        broker.lpush(queue or "default", json.dumps(message))


def _all_slots_are_back(site: Site, run: Import) -> None:
    """Import once more, and see all slots of the pool at work."""
    again = Import(site.rest, site.aws, site.resources, len(run.addresses))
    most = 0
    while (state := site.rest.run_state(again.dag, again.run_id)) in {"queued", "running"}:
        most = max(most, site.rest.count(again.dag, again.run_id, TASK, ["running"]))
        time.sleep(0.3)
    print(f"    afterwards {most} of {SLOTS} slots are at work, and the import is a {state}", flush=True)
    if (most, state) != (SLOTS, "success"):
        message = f"{most} of {SLOTS} slots came back, and the next import is {state}."
        raise AssertionError(message)


THROTTLED = {"code": "Throttling", "message": "Maximum sending rate exceeded.", "service": "ses", "status": 400}

BY_NAME = {
    "worker": Fault("a task's processes killed", "machine", _worker_killed),
    "worker-for-good": Fault(
        "a task's process killed at every attempt", "machine", _worker_killed_for_good, state="failed", once=True
    ),
    "marked": Fault("a running task marked as failed by hand", "machine", _marked_as_failed, state="failed", times=3),
    "scheduler": Fault("scheduler killed, LocalExecutor", "machine", _killed("scheduler")),
    "api": Fault("API server away for 30 s", "machine", _away("api-server", 30)),
    "postgres": Fault("Postgres away for 20 s", "machine", _away("postgres", 20), times=3),
    "cognito-hangs": Fault(
        "Cognito does not answer for 2 minutes", "machine", outage("cognito-idp", 120, kind="silent_before")
    ),
    "cognito-resets": Fault(
        "Cognito cuts connections for 2 minutes", "machine", outage("cognito-idp", 120, kind="drop_before")
    ),
    "cognito-2": Fault(
        "Cognito answers 500 for 2 minutes",
        "machine",
        outage("cognito-idp", 120, code="InternalErrorException", status=500),
    ),
    "cognito-10": Fault(
        "Cognito answers 500 for 10 minutes",
        "machine",
        outage("cognito-idp", 600, code="InternalErrorException", status=500),
    ),
    "s3-503": Fault("S3 answers 503 for a minute", "machine", outage("s3", 60)),
    "s3-hangs": Fault("S3 does not answer for a minute", "machine", outage("s3", 60, kind="silent_before")),
    "ses-throttles": Fault(
        "SES throttles the report's first 7 attempts", "machine", single("SendEmail", "error", times=7, **THROTTLED)
    ),
    "ses-after": Fault(
        "SES mails the report and answers 500", "machine", single("SendEmail", "error_after", service="ses"), mails=2
    ),
    "api-defaults": Fault("API server away for 30 s", "defaults", _away("api-server", 30)),
    "cluster-worker": Fault("a worker killed", "cluster", _killed("airflow-worker-1")),
    "cluster-scheduler": Fault("scheduler killed, Celery", "cluster", _killed("airflow-scheduler")),
    "cluster-api": Fault("API server away for 30 s", "cluster", _away("airflow-apiserver", 30)),
    "cluster-postgres": Fault("Postgres away for 20 s", "cluster", _away("postgres", 20), times=3),
    "cluster-redis": Fault(
        "Redis away for 20 s", "cluster", _away("redis", 20), times=3, afterwards=_all_slots_are_back
    ),
    "cluster-twice": Fault("Celery delivers every running task twice", "cluster", _delivered_twice, times=3),
}
