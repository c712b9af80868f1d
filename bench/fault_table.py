"""The table of what each fault did to an import."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import fault_kinds
from bench.fault_import import Figures
from bench.fault_kinds import Fault


@dataclass(frozen=True)
class Result:
    """One fault and what became of the import."""

    fault: Fault
    figures: Figures

    @property
    def wrong(self) -> list[str]:
        """What must not be."""
        fault, got = self.fault, self.figures
        found = [
            (got.state != fault.state, f"the run is {got.state}; expected {fault.state}"),
            (got.untrue, f"{got.untrue} rows are untrue"),
            (got.created_twice, f"{got.created_twice} users were created twice"),
            (got.called_again, f"{got.called_again} finished users were called again"),
            (not 1 <= got.mails <= fault.mails, f"{got.mails} mails; expected {fault.mails} at most"),
            (got.unfinished and fault.state == "success", f"{got.unfinished} users are unfinished"),
        ]
        return [text for is_so, text in found if is_so]


COLUMNS = (
    "fault", "on", "run", "users", "unfinished", "untrue rows", "created twice", "finished called again", "mails",
    "recovery, s", "end, s", "commit",
)  # fmt: skip

READING = """`machine` is Airflow with LocalExecutor and the settings of
include/airflow.env, `defaults` the same with Airflow's own settings, `cluster` docker-compose.yaml with two Celery workers. Each
fault strikes when some thirty users are finished. What ends by itself is started again, as restart policies do. `recovery` is the
time from the fault's end until every batch that was under way has finished another user, or until the run's end; `end` is the
time from the fault's beginning to the run's end. Each row was measured at its own commit, and a run of some faults leaves the
other rows as they are."""


def row_key(fault: Fault) -> str:
    """Return the cells that name the fault, as they begin its row."""
    return f"| {fault.words} | {fault.site} |"


def row(result: Result) -> str:
    """Return the fault's row, with the commit that is measured."""
    got = result.figures
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    cells = (
        got.state, got.users, got.unfinished, got.untrue, got.created_twice, got.called_again, got.mails,
        f"{got.recovery:.0f}", f"{got.ended:.0f}", commit.stdout.strip() or "unknown",
    )  # fmt: skip
    return f"{row_key(result.fault)} " + " | ".join(map(str, cells)) + " |"


def measured(output: Path) -> dict[str, str]:
    """Return the rows that an earlier run wrote of faults that there still are, by what begins them."""
    lines = output.read_text().splitlines() if output.exists() else []
    keys = [row_key(fault) for fault in fault_kinds.BY_NAME.values()]
    return {key: line for key in keys for line in lines if line.startswith(key)}


def table(rows: dict[str, str]) -> str:
    """Return the page with those rows, in the order of `fault_kinds.BY_NAME`; it names the faults that have none."""
    where = f"`python -m bench.faults`, {os.cpu_count()} cores for everything, Python {platform.python_version()}. {READING}"
    lines = [f"# Faults, measured until {datetime.now(UTC):%Y-%m-%d}", "", where, ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "| --- | --- | --- |" + " ---: |" * (len(COLUMNS) - 3)]
    lines += [rows[key] for fault in fault_kinds.BY_NAME.values() if (key := row_key(fault)) in rows]
    missing = [f"`{name}`" for name, fault in fault_kinds.BY_NAME.items() if row_key(fault) not in rows]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"
