"""Break one thing at a time in the middle of an import, on real Airflow, and say what became of every user.

Usage: python -m bench.faults [--users 120] [--output bench/RESULTS-FAULTS.md] [FAULT...]

The rows of faults that are not run stay in the output as they are, so the table can be measured in pieces.

Exits with 1 if a row of a report is untrue, a user was created twice, a finished user was called again, a run ended otherwise
than it should, or it was reported by another number of mails. No time fails it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import fault_kinds
from bench.fault_import import Figures, Import
from bench.fault_kinds import ONCE, Fault, Site
from bench.fault_table import Result, measured, row, row_key, table
from demo.resources import Resources
from demo.sandbox import DAG, Sandbox
from sandbox.airflow.cluster import Cluster
from sandbox.airflow.rest import FINAL_STATES
from sandbox.airflow.settings import ROOT
from sandbox.aws.process import LocalAws
from sandbox.waiting import WaitError, until

MAX_RUN_SECONDS = 3_600.0
AIRFLOWS_OWN = {
    "AIRFLOW__CORE__PARALLELISM": "32",
    "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "16",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "300",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "5",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "90",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "5",
}
"""Airflow's defaults in place of what include/airflow.env sets for recovery and a quick start."""


def main() -> int:
    """Run the faults one after another, those of one deployment together, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=120)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS-FAULTS.md"))
    parser.add_argument(
        "faults", nargs="*", metavar="FAULT", help="in this order: one of " + ", ".join(fault_kinds.BY_NAME)
    )
    asked = parser.parse_args()
    if unknown := set(asked.faults) - fault_kinds.BY_NAME.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    chosen = [fault_kinds.BY_NAME[name] for name in asked.faults or fault_kinds.BY_NAME]
    wrong = False
    for name, open_site in SITES.items():
        faults = [fault for fault in chosen if fault.site == name]
        if not faults:
            continue
        with open_site() as site:
            for fault in faults:
                result = Result(fault, suffer(site, fault, asked.users))
                wrong = wrong or bool(result.wrong)
                print(row(result), *result.wrong, sep="\n  WRONG: ", flush=True)
                asked.output.write_text(table(measured(asked.output) | {row_key(fault): row(result)}))
    print(f"\n{asked.output.read_text()}")
    return 1 if wrong else 0


def suffer(site: Site, fault: Fault, users: int) -> Figures:
    """Run one import, break what the fault breaks, and judge what comes of it."""
    site.aws.clear_faults()
    site.aws.reset()
    run = Import(site.rest, site.aws, site.resources, users * fault.times, ONCE if fault.once else DAG)
    run.wait_for(users // 4, lambda: _restart(site))
    struck = time.time()
    fault.strike(site, run)
    over = time.time()
    state = _wait(site, run)
    ended = time.time()
    site.aws.clear_faults()
    figures = run.ended(state, struck, over, ended)
    if fault.afterwards:
        fault.afterwards(site, run)
    return figures


def _restart(site: Site) -> None:
    """Start what has ended, as restart policies do, and say so."""
    for name in site.restart_ended():
        print(f"    {name} had ended and was started again", flush=True)


def _wait(site: Site, run: Import) -> str:
    """Wait for the run's end."""

    def state() -> str:
        _restart(site)
        try:
            return run.rest.run_state(run.dag, run.run_id)
        except (httpx.TransportError, RuntimeError):  # the API server, or its database, is not back yet
            return "unknown"

    try:
        return until("the run's end", state, FINAL_STATES.__contains__, seconds=MAX_RUN_SECONDS, every=0.5)
    except WaitError:
        return "endless"


# ---- the deployments


@contextmanager
def machine(env: dict[str, str] | None = None, settings: dict[str, Any] | None = None) -> Iterator[Site]:
    """LocalExecutor; `settings` go into the Variable. A second DAG, ONCE, gives up after one retry that follows at once."""
    with tempfile.TemporaryDirectory() as dags:
        for file in (ROOT / "dags").glob("*.py"):
            Path(dags, file.name).symlink_to(file)
        impatient = (ROOT / "dags" / "cognito_import.py").read_text()
        for old, new in ((f'dag_id="{DAG}"', f'dag_id="{ONCE}"'), ('"retries": 12', '"retries": 1')):
            assert impatient.count(old) == 1
            impatient = impatient.replace(old, new)
        Path(dags, f"{ONCE}.py").write_text(impatient.replace("timedelta(seconds=30)", "timedelta(seconds=1)"))
        with Sandbox(dags_folder=dags, env=env, settings=settings) as sandbox:
            assert sandbox.aws is not None
            airflow = sandbox.airflow
            until(f"the DAG {ONCE}", lambda: airflow.rest.has_dag(ONCE), seconds=300)
            site = Site(
                rest=airflow.rest,
                aws=sandbox.aws,
                resources=sandbox.resources,
                stop=lambda name: airflow.stop_component(name, 10),
                start=airflow.start_component,
                restart_ended=airflow.restart_ended,
                kill=airflow.kill_component,
                task_pids=airflow.task_pids,
            )
            try:
                yield site
            except TimeoutError:
                print(airflow.processes.tail("scheduler"), flush=True)
                raise


@contextmanager
def _defaults() -> Iterator[Site]:
    """The same with Airflow's own settings."""
    with machine(AIRFLOWS_OWN) as site:
        yield site


@contextmanager
def _cluster() -> Iterator[Site]:
    """docker-compose.yaml, with two Celery workers."""
    with Cluster(workers=2) as cluster:
        aws = LocalAws()
        aws.endpoint_url = f"http://127.0.0.1:{cluster.site.ports[4566]}"
        os.environ.update(aws.environment())
        resources = Resources(mark="local")
        resources.find()
        yield Site(
            rest=cluster.rest,
            aws=aws,
            resources=resources,
            stop=lambda name: cluster.stop_component(name, 10),
            start=cluster.start_component,
            restart_ended=cluster.restart_ended,
            kill=cluster.kill_component,
            cluster=cluster,
        )


SITES: dict[str, Callable[[], AbstractContextManager[Site]]] = {
    "machine": machine,
    "defaults": _defaults,
    "cluster": _cluster,
}


if __name__ == "__main__":
    sys.exit(main())
