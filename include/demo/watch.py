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
from cognito_import.run_folder import RunFolder, run_name

if TYPE_CHECKING:
    from demo.ground import Ground
    from local_airflow.rest import AirflowRest

_ENDED = frozenset({"success", "failed"})


def follow(rest: AirflowRest, ground: Ground, dag_id: str, run_id: str, *, seconds: float = 3600) -> str:
    """Show the progress of a run until it has ended, and give its state. Raises TimeoutError after `seconds`.

    The progress is what the run has stored of its users' outcomes, so it is the same for every engine.
    """
    folder = RunFolder(ground.s3, ground.bucket, run_name(dag_id, run_id))
    began = time.monotonic()
    told = ""
    while True:
        state = rest.run_state(dag_id, run_id)
        line = _progress(folder) or f"run is {state}"
        if line != told:
            told = line
            _tell(f"{time.monotonic() - began:6.1f} s  {line}", last=state in _ENDED)
        if state in _ENDED:
            return state
        if time.monotonic() - began > seconds:
            message = f"The run {run_id} was still {state!r} after {seconds:.0f} s."
            raise TimeoutError(message)
        time.sleep(1.0)


def _progress(folder: RunFolder) -> str:
    manifest = folder.manifest()
    if manifest is None:
        return ""
    outcomes = folder.known().outcomes.values()
    done, failed = len(outcomes), sum(outcome.status != SUCCEEDED for outcome in outcomes)
    bar = "█" * (24 * done // manifest.users) + "·" * (24 - 24 * done // manifest.users)
    return f"{bar} {done:,} of {manifest.users:,} users, {failed:,} of them failed"


def _tell(line: str, *, last: bool) -> None:
    if sys.stdout.isatty():
        print(f"\r{line}\033[K", end="\n" if last else "", flush=True)
    else:
        print(line, flush=True)


def link_in(mail: dict[str, Any]) -> str:
    """The presigned link of a mail from the outbox. Raises LookupError if there is none."""
    match = re.search(r"https?://\S*X-Amz-Signature=\w+\S*", mail["BodyText"])
    if match is None:
        message = "The mail holds no presigned link."
        raise LookupError(message)
    return match[0]


def fetch(link: str) -> bytes:
    """What the link gives to somebody without credentials."""
    with urllib.request.urlopen(link, timeout=60) as answer:  # noqa: S310 - an http(s) link of our own mail
        content: bytes = answer.read()
    return content


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The CSV's rows."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
