"""The real process of the command line, on the emulated AWS."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


NO_AIRFLOW = "raise ImportError('The command line imports Airflow.')"


@pytest.fixture
def cli(resources, tmp_path):
    """Start a command: the real process, where whoever imports Airflow fails."""
    (tmp_path / "airflow.py").write_text(NO_AIRFLOW)

    def start(*arguments, stdin=subprocess.DEVNULL, **settings):
        usual = {"slots": 4, "pacing_seconds": 0.2, "locale": "en"}
        env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'plugins'}:{tmp_path}",
            "COGNITO_IMPORT": resources.variable(**{**usual, **settings}),
        }
        command = [sys.executable, "-m", "cognito_import", *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=env, cwd=tmp_path, stdin=stdin, stdout=pipe, stderr=pipe, text=True)

    def command(*arguments, typed=None, **settings):
        """Wait for the end, with `typed` at a terminal, and return exit code, output and errors."""
        if typed is None:
            process = start(*arguments, **settings)
        else:
            ours, theirs = pty.openpty()
            os.write(ours, f"{typed}\n".encode())
            process = start(*arguments, stdin=theirs, **settings)
            os.close(theirs)
        out, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors
        return process.returncode, out, errors

    command.start = start
    return command


@pytest.fixture
def users(tmp_path):
    """Write a list of `count` users."""

    def write(count, name="users.csv", more=""):
        path = tmp_path / name
        path.write_text("useremail\n" + "".join(f"user{number}@example.com\n" for number in range(1, count + 1)) + more)
        return path

    return write


@pytest.fixture
def calls(local_aws):
    """How often Cognito was asked for an operation."""
    return lambda operation: sum(call["operation"] == operation for call in local_aws.calls())
