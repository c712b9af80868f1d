"""What Airflow and boto3 keep to themselves stands in one module each, and is where these look for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_private_name_has_moved(tmp_path):
    """Each is tried, with the versions that are installed; `make test-versions` does so with the others."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    command = [sys.executable, str(ROOT / "tests" / "private_names.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "MOVED" in done.stdout, done.stderr[-3000:]
    assert json.loads(done.stdout.rpartition("MOVED")[2]) == {}
