"""Watching a run from outside: its progress while it goes on, and the mail and the CSV that it left."""

from __future__ import annotations

import csv
import io
import re
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from cognito_import.outcomes import SUCCEEDED
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from sandbox.airflow.rest import FINAL_STATES
from sandbox.waiting import until

if TYPE_CHECKING:
    from demo.resources import Resources
    from sandbox.airflow.rest import AirflowRest


def follow(rest: AirflowRest, resources: Resources, dag_id: str, run_id: str, *, seconds: float = 3600) -> str:
    """Show the progress of a run until it has ended, and return its state. Raises WaitError after `seconds`.

    The progress is what the run has stored of its users' outcomes, so it is the same for every engine.
    """
    folder = RunFolder(resources.s3, resources.bucket, run_name(run_id, dag_id))
    began = time.monotonic()
    told = ""

    def tell() -> str:
        nonlocal told
        state = rest.run_state(dag_id, run_id)
        line = _progress(folder) or f"run is {state}"
        if line != told:
            told = line
            _tell(f"{time.monotonic() - began:6.1f} s  {line}", last=state in FINAL_STATES)
        return state

    return until(f"the end of the run {run_id}", tell, FINAL_STATES.__contains__, seconds=seconds, every=1)


def _progress(folder: RunFolder) -> str:
    manifest = folder.manifest()
    if manifest is None:
        return ""
    outcomes = folder.progress().outcomes.values()
    done, failed = len(outcomes), sum(outcome.status != SUCCEEDED for outcome in outcomes)
    bar = "█" * (24 * done // manifest.users) + "·" * (24 - 24 * done // manifest.users)
    return f"{bar} {done:,} of {manifest.users:,} users, {failed:,} of them failed"


def _tell(line: str, *, last: bool) -> None:
    if sys.stdout.isatty():
        print(f"\r{line}\033[K", end="\n" if last else "", flush=True)
    else:
        print(line, flush=True)


def link_in(mail: dict[str, Any]) -> str:
    """Return the presigned link of a mail from the outbox. Raises LookupError if there is none."""
    match = re.search(r"https?://\S*X-Amz-Signature=\w+\S*", mail["BodyText"])
    if match is None:
        message = "The mail holds no presigned link."
        raise LookupError(message)
    return match[0]


def fetch(link: str) -> bytes:
    """Return what the link serves without credentials."""
    with urllib.request.urlopen(link, timeout=60) as answer:  # noqa: S310 - an http(s) link of our own mail
        content: bytes = answer.read()
    return content


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Return the CSV's rows."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
