"""Make the secrets that the deployment lacks, before anything else starts.

    python make_secrets.py FOLDER

Each secret is a file in FOLDER. What the environment names is written there; what is there already stays; what is missing is
made. With `SECRETS_FOLDER` set the folder is the operator's own, and nothing is made or written: a missing secret is an error.

    postgres_password   POSTGRES_PASSWORD   letters, digits, `-`, `_`, `.`, `~`: it becomes part of an address
    redis_password      REDIS_PASSWORD      likewise
    fernet_key          FERNET_KEY          encrypts Airflow's connections and variables: 32 bytes in URL-safe base64
    jwt_secret          JWT_SECRET          signs the tokens of tasks and users
    api_secret_key      API_SECRET_KEY      signs cookies, and requests for logs
    ui_passwords        UI_PASSWORDS        JSON: user name to password, one for each user of UI_USERS (`name:role,...`)

Exit status 1 with one line for each secret that is missing or malformed. Needs the standard library alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

AIRFLOW_UID = 50000  # of the official image
WORD = re.compile(r"[A-Za-z0-9._~-]{8,}")


def word() -> str:
    """Make a password that needs no quoting anywhere."""
    return secrets.token_urlsafe(24)


def fernet_key() -> str:
    """Make a key for Fernet."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def wrong_word(value: str) -> str:
    """Return what is wrong with a password, or nothing."""
    return "" if WORD.fullmatch(value) else "at least 8 letters, digits or any of - _ . ~ are wanted"


def wrong_fernet_key(value: str) -> str:
    """Return what is wrong with a Fernet key, or nothing."""
    try:
        long_enough = len(base64.urlsafe_b64decode(value)) == 32  # noqa: PLR2004 - Fernet's own length
    except (binascii.Error, ValueError):
        long_enough = False
    return "" if long_enough else "32 bytes in URL-safe base64 are wanted"


def users() -> list[str]:
    """Name the users of the UI."""
    return [entry.split(":")[0].strip() for entry in os.environ.get("UI_USERS", "admin:admin").split(",")]


def wrong_passwords(value: str) -> str:
    """Return what is wrong with the users' passwords, or nothing."""
    try:
        passwords = json.loads(value)
    except ValueError:
        passwords = None
    if not isinstance(passwords, dict):
        return "a JSON object of user names and passwords is wanted"
    missing = [name for name in users() if not passwords.get(name)]
    return f"a password is missing for {', '.join(missing)}" if missing else ""


MAKERS: dict[str, tuple[Callable[[], str], Callable[[str], str]]] = {
    "postgres_password": (word, wrong_word),
    "redis_password": (word, wrong_word),
    "fernet_key": (fernet_key, wrong_fernet_key),
    "jwt_secret": (lambda: secrets.token_hex(32), wrong_word),
    "api_secret_key": (lambda: secrets.token_hex(32), wrong_word),
    "ui_passwords": (lambda: "{}", wrong_passwords),
}


def settle(folder: Path, name: str, *, may_make: bool) -> str:
    """Leave the secret `name` in `folder`; return what is wrong with it, or nothing."""
    make, wrong = MAKERS[name]
    file = folder / name
    given = os.environ.get(name.upper(), "")
    if not file.is_file() and not given and not may_make:
        return f"{file} is missing"
    value = given or (file.read_text().strip() if file.is_file() else make())
    if name == "ui_passwords" and may_make and not given and value.startswith("{"):
        value = json.dumps({user: secrets.token_urlsafe(12) for user in users()} | json.loads(value))
    if trouble := wrong(value):
        return f"{name}: {trouble}"
    if may_make and (not file.is_file() or file.read_text().strip() != value):
        write(file, value)
    return ""


def write(file: Path, value: str) -> None:
    """Write a secret for the users of the containers: Postgres, Redis and Airflow run as three different ones."""
    draft = file.with_suffix(".new")
    draft.write_text(value + "\n")
    if file.name == "ui_passwords":  # Airflow's API server insists on opening it for writing
        if os.geteuid() == 0:
            os.chown(draft, AIRFLOW_UID, 0)
        draft.chmod(0o600)
    else:
        draft.chmod(0o444)  # the volume is mounted in this deployment's containers alone
    draft.rename(file)


def main() -> int:
    """Check or make every secret."""
    folder = Path(sys.argv[1])
    may_make = not os.environ.get("SECRETS_FOLDER")
    troubles = [trouble for name in MAKERS if (trouble := settle(folder, name, may_make=may_make))]
    for trouble in troubles:
        print(f"secrets: {trouble}", file=sys.stderr)
    if not troubles:
        print("secrets: all there")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
