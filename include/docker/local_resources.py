"""The profile `local`: creates on the local AWS what an import needs, and its entries in Airflow. Harmless to repeat.

Runs as `python -m docker.local_resources` in Airflow's image, beside a migrated database. `AWS_ENDPOINT_URL` names local AWS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from demo.resources import Resources


def main() -> int:
    """Create the resources and Airflow's entries, and print what to do next."""
    resources = Resources(mark="local")
    if not resources.find():
        resources.make()
    connection = {
        "conn_type": "aws",
        "login": os.environ["AWS_ACCESS_KEY_ID"],
        "password": os.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": os.environ["AWS_DEFAULT_REGION"]},
    }
    _airflow("variables", "import", {"cognito_import": json.loads(resources.variable())})
    _airflow("connections", "import", {"aws_default": connection}, "--overwrite")
    passwords = json.loads(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text())
    for user, password in passwords.items():
        print(f"\nAirflow    {os.environ['AIRFLOW__API__BASE_URL']}  (user {user}, password {password})")
    print(f"Outbox     {os.environ['AWS_ENDPOINT_URL']}/_ministack/ses/messages")
    print(f"To import  trigger the DAG cognito_import; report to {resources.admin}", flush=True)
    return 0


def _airflow(kind: str, verb: str, entries: dict[str, Any], *options: str) -> None:
    """Give Airflow a file of entries."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(entries, file)
        file.flush()
        subprocess.run(["airflow", kind, verb, file.name, *options], check=True)


if __name__ == "__main__":
    sys.exit(main())
