"""Starting and stopping: nothing is left behind, whatever ends it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psutil
import pytest

from sandbox.aws.process import LocalAws, LocalAwsError
from sandbox.waiting import until

INCLUDE = Path(__file__).resolve().parents[3] / "include"


def listens(url: str) -> bool:
    """Tell whether anybody listens at the address of `url`."""
    where = urlsplit(url)
    with socket.socket() as asking:
        return asking.connect_ex((where.hostname, where.port)) == 0


def test_two_run_side_by_side_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own port; after the block neither answers, and no file is left."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalAws() as first, LocalAws() as second:
        assert first.endpoint_url != second.endpoint_url
        assert 10 < first.memory_mb() < 1000
        url = first.endpoint_url
    assert list(tmp_path.iterdir()) == []
    assert not listens(url)


def test_an_exception_in_the_block_stops_it_too() -> None:
    """The process ends with the block, and the exception goes on."""
    urls = []

    def interrupted() -> None:
        with LocalAws() as aws:
            urls.append(aws.endpoint_url)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not listens(urls[0])


def test_stopping_twice_is_no_error() -> None:
    """`stop` may be called at any time."""
    aws = LocalAws()
    aws.stop()
    aws.start()
    aws.stop()
    aws.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: int) -> None:
    """Started by hand it says where it is, and a signal ends it with status 0 and without another word."""
    port_file = tmp_path / "port"
    command = [LocalAws()._python, INCLUDE / "sandbox" / "aws" / "launcher.py", "--port-file", port_file]
    with subprocess.Popen(
        [*command, "--work-dir", tmp_path / "work"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        until("its port", port_file.exists, every=0.02)
        port = port_file.read_text()
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, f"AWS_ENDPOINT_URL=http://127.0.0.1:{port}\n")
    assert not (tmp_path / "work").exists()


def test_a_failed_start_shows_the_last_output(tmp_path: Path) -> None:
    """The error has what the process said before it died."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no module named anything >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(LocalAwsError, match="no module named anything"):
        LocalAws(python=broken).start()


def test_a_missing_virtualenv_is_named(tmp_path: Path) -> None:
    """Without the interpreter the error says which one was looked for."""
    with pytest.raises(LocalAwsError, match="nowhere/python"):
        LocalAws(python=tmp_path / "nowhere" / "python").start()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, number: int) -> None:
    """When its starter is killed or interrupted, it stops by itself and removes its files."""
    script = textwrap.dedent(f"""
        import signal, sys, tempfile, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
        tempfile.tempdir = {str(tmp_path)!r}
        sys.path.insert(0, {str(INCLUDE)!r})
        from sandbox.aws.process import LocalAws
        with LocalAws() as aws:
            print(aws.pid, flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.send_signal(number)
        starter.wait()
    until("the end of the local AWS", lambda: not psutil.pid_exists(pid), seconds=10)
    assert list(tmp_path.iterdir()) == []


def test_the_hosts_aws_settings_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's credentials are not the account's root here; if they were, this signature would be wrong."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the host")
    with LocalAws() as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        assert boto3.client("cognito-idp").list_user_pools(MaxResults=1)["UserPools"] == []
