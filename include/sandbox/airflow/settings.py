"""The environment of one stack's components: airflow.env, and on top of it what belongs to this stack alone."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
AIRFLOW_ENV = ROOT / "include" / "airflow.env"
POOLS = ROOT / "include" / "pools.json"


def read_env_file(path: Path = AIRFLOW_ENV) -> dict[str, str]:
    """Read KEY=VALUE lines as docker compose does: empty lines and lines that start with `#` are skipped."""
    settings = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, separator, value = line.partition("=")
        if not separator or not key.strip():
            message = f"{path.name}, line {number}: expected KEY=VALUE, found {line!r}"
            raise ValueError(message)
        settings[key.strip()] = value.strip()
    return settings


def inherited_environment() -> dict[str, str]:
    """Return this process's environment without what would make the stack depend on who starts it."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    # Airflow imports thousands of modules: without their bytecode each component starts in double the time.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    # Workers reach the API server on this machine; a proxy in between would get their requests.
    for key in ("NO_PROXY", "no_proxy"):
        inherited[key] = ",".join(filter(None, [inherited.get(key), "127.0.0.1", "localhost"]))
    return inherited


def stack_settings(  # noqa: PLR0913 - one for each thing that a stack has of its own
    *,
    home: Path,
    logs: Path,
    dags_folder: Path,
    plugins_folder: Path,
    url: str,
    database: Callable[[str], str],
    username: str,
    passwords: Path,
) -> dict[str, str]:
    """Return the settings of one stack: its places, its addresses and keys made for it.

    `database` gives the database's URL for a driver; `passwords` is the file with the user's password.
    """
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_folder),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database("psycopg2"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database("asyncpg"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{username}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # One secret for all components: each would make its own, and no task could talk to the API server.
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        # No name service is asked for this machine's name.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        # Airflow's own temporary files go away with the home, also those of processes that were killed.
        "TMPDIR": str(home / "tmp"),
        "PYTHONUNBUFFERED": "1",
    }


def component_environment(*parts: Mapping[str, str], recommended: bool = True) -> dict[str, str]:
    """Return the whole environment of a component; a later part overrides an earlier one.

    Without `recommended` nothing of airflow.env is in it: Airflow's own defaults apply.
    """
    environment = inherited_environment()
    for part in (read_env_file() if recommended else {}, *parts):
        environment.update(part)
    return environment
