"""The local AWS as a context manager, for tests, demo and bench; needs only the standard library.

with LocalAws(latency=0.1) as aws:
    os.environ.update(aws.environment())
    ...
    assert aws.stats()["categories"]["UserCreation"]["throttles"] == 0
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, Self

from sandbox.assembly import Assembly
from sandbox.waiting import WaitError, until

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 60.0
STOP_SECONDS = 5.0
LOG_TAIL_LINES = 30


class LocalAwsError(RuntimeError):
    """The local AWS did not start, or refused a control request; the message says why."""


class LocalAws(Assembly):
    """One local AWS, running from `start()` to `stop()`, or for as long as the `with` block.

    Args:
        latency: seconds that each Cognito call takes.
        python: interpreter of the virtualenv with `include/sandbox/aws/requirements.txt`; default: the
            variable LOCAL_AWS_PYTHON, else `.venv-local-aws/bin/python` at the repository's root.
        log: file that its output is appended to; default: kept only until it stops.
        port: port on 127.0.0.1; 0 takes a free one.
        region: the Region of its clients.

    """

    def __init__(
        self,
        latency: float = 0.1,
        python: str | Path | None = None,
        log: str | Path | None = None,
        *,
        port: int = 0,
        region: str = "ap-northeast-1",
    ) -> None:
        self.latency = latency
        self.region = region
        self.endpoint_url = ""
        self._port = port
        self._python = Path(python or os.environ.get("LOCAL_AWS_PYTHON") or ROOT / ".venv-local-aws" / "bin" / "python")
        self._log_path = Path(log) if log else None
        self._log: IO[bytes] | None = None
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process and wait until it answers; raise LocalAwsError with its last output if it does not."""
        if not self._python.exists():
            message = f"{self._python} does not exist: run `make .venv-local-aws` or set LOCAL_AWS_PYTHON"
            raise LocalAwsError(message)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="local-aws-"))
            self._log = (self._log_path or self._folder / "log").open("ab+")
            port_file = self._folder / "port"
            # A session of its own: Ctrl-C reaches only us, and whatever it starts can be ended with it.
            self._process = subprocess.Popen(
                [
                    self._python,
                    Path(__file__).with_name("launcher.py"),
                    "--port",
                    str(self._port),
                    "--port-file",
                    port_file,
                    "--work-dir",
                    self._folder,
                    "--latency",
                    str(self.latency),
                    "--region",
                    self.region,
                    "--parent",
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
            self.endpoint_url = f"http://127.0.0.1:{self._wait_for(port_file)}"
        except BaseException:
            self.stop()
            raise
        return self

    def _wait_for(self, port_file: Path) -> int:
        def has_started() -> bool:
            return port_file.exists() or self._process is None or self._process.poll() is not None

        with contextlib.suppress(WaitError):
            until("the local AWS", has_started, seconds=READY_SECONDS, every=0.02)
        if port_file.exists():
            return int(port_file.read_text())
        message = f"The local AWS did not start. Its last output:\n{self._log_tail()}"
        raise LocalAwsError(message)

    def _log_tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return "\n".join(self._log.read().decode("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:])

    def stop(self) -> None:
        """Stop the process and all that it started, and remove its files; does nothing if it is not running."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            _kill_group(process)
            process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        if self._process is None:
            message = "The local AWS is not running"
            raise LocalAwsError(message)
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """Return the variables that point any AWS SDK or the AWS CLI at it, as the account's root."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stats(self) -> dict[str, Any]:
        """Return the figures of the Cognito calls, by category and by operation (see `launcher.py`)."""
        return self._request("GET", "/_local/stats")

    def calls(self) -> list[dict[str, Any]]:
        """Return every Cognito call since the last reset, in order of arrival (see `launcher.py`)."""
        calls: list[dict[str, Any]] = self._request("GET", "/_local/calls")["calls"]
        return calls

    def reset(self) -> None:
        """Empty the figures and the log of calls. Pools, buckets and mails stay."""
        self._request("POST", "/_local/reset", {})

    def fault(self, operation: str, kind: str = "error", **details: str | float | None) -> None:
        """Make the next calls of `operation` fail; `details` are the other fields of `faults.Fault`."""
        self._request("POST", "/_local/faults", {"operation": operation, "kind": kind, **details})

    def clear_faults(self) -> None:
        """End all faults and outages."""
        self._request("DELETE", "/_local/faults")

    def quotas(self, enforcement: str = "bucket", **limits: int) -> None:
        """Enforce Cognito's quotas as a token "bucket" or by fixed "window", `limits` by category in place of AWS's."""
        self._request("POST", "/_local/quotas", {"enforcement": enforcement, **limits})

    def traffic(self, *rates: float, seconds: float = 60.0) -> None:
        """Let others make so many calls a second in each quota category; of several `rates` each for `seconds` in turn.

        `stats()["live"]` counts how many of them were served and how many throttled. Without a rate they end.
        """
        self._request("POST", "/_local/traffic", {"phases": [[rate, seconds] for rate in rates]})

    def outage(self, service: str, seconds: float, **details: str | float) -> None:
        """Answer every call of `service` with a 503, or what `details` (fields of `faults.Fault`) say, for `seconds`."""
        self._request("POST", "/_local/outage", {"service": service, "seconds": seconds, **details})

    def kill_child(self, **details: str | float) -> None:
        """End the next child of a Map Run as FAILED in the middle; `details` are fields of `faults.ChildFault`."""
        self._request("POST", "/_local/children", {"kind": "kill", **details})

    def double_child(self, **details: str | float) -> None:
        """Run the next child of a Map Run twice; `details` are fields of `faults.ChildFault`."""
        self._request("POST", "/_local/children", {"kind": "double", **details})

    def limits(self, **limits: float) -> None:
        """Change what Step Functions allows an execution (see `launcher.py`); without any, as AWS has it."""
        self._request("POST", "/_local/limits", limits)

    def outbox(self) -> list[dict[str, Any]]:
        """Return all mails sent, oldest first: Source, To, CC, BCC, Subject, BodyText, BodyHtml, Timestamp."""
        accounts: dict[str, list[dict[str, Any]]] = self._request("GET", "/_ministack/ses/messages")["messages"]
        return sorted((mail for mails in accounts.values() for mail in mails), key=lambda mail: mail["Timestamp"])

    def memory_mb(self) -> float:
        """Return the resident memory of the process in MiB."""
        shown = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], check=True, capture_output=True, text=True)
        return int(shown.stdout) / 1024

    def cpu_seconds(self) -> float:
        """Return the processor time that the process has used, its functions not counted."""
        shown = subprocess.run(
            ["ps", "-o", "cputimes=", "-p", str(self.pid)], check=True, capture_output=True, text=True
        )
        return float(shown.stdout)

    def _request(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 it is an http address
            f"{self.endpoint_url}{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with _direct.open(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            message = f"{method} {path}: {error.read().decode()}"
            raise LocalAwsError(message) from error


# Without the host's proxies: the local AWS is on this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the session that `process` leads (Lambda functions, or itself if it hangs)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
