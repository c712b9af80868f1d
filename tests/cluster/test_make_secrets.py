"""The deployment's secrets: made once, kept, taken from the operator, and never guessed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from sandbox.airflow.settings import ROOT

NAMES = {"postgres_password", "redis_password", "fernet_key", "jwt_secret", "api_secret_key", "ui_passwords"}


@pytest.fixture
def make(tmp_path):
    """Run the script on this test's folder with some variables; give its exit status and what it said."""

    def make(**variables):
        script = ROOT / "include" / "docker" / "make_secrets.py"
        env = {"PATH": os.environ["PATH"], **variables}
        done = subprocess.run([sys.executable, script, tmp_path], env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return make


def contents(folder):
    """Return the secrets in a folder, by name."""
    return {file.name: file.read_text().strip() for file in folder.iterdir()}


def test_what_is_missing_is_made_and_then_kept(make, tmp_path):
    """The first start makes every secret, good for its purpose and unseen; later starts change nothing."""
    status, said = make(UI_USERS="admin:admin,hanako:viewer")
    assert status == 0
    first = contents(tmp_path)
    assert first.keys() == NAMES
    assert Fernet(first["fernet_key"])
    assert json.loads(first["ui_passwords"]).keys() == {"admin", "hanako"}
    assert not any(value in said for value in first.values())
    assert make(UI_USERS="admin:admin,hanako:viewer")[0] == 0
    assert contents(tmp_path) == first


def test_a_new_user_gets_a_password_beside_the_others(make, tmp_path):
    """Adding somebody to UI_USERS leaves the passwords of the others alone."""
    make()
    before = json.loads(contents(tmp_path)["ui_passwords"])
    make(UI_USERS="admin:admin,hanako:viewer")
    after = json.loads(contents(tmp_path)["ui_passwords"])
    assert before.items() < after.items()


def test_the_environments_secrets_are_taken(make, tmp_path):
    """What the environment names is used as it is, and a malformed one is refused by name without being shown."""
    make(REDIS_PASSWORD="correct-horse-battery")
    assert contents(tmp_path)["redis_password"] == "correct-horse-battery"
    status, said = make(FERNET_KEY="too-short", POSTGRES_PASSWORD="with@sign/and:more")
    assert status == 1
    assert "fernet_key" in said
    assert "postgres_password" in said
    assert "too-short" not in said
    assert "with@sign" not in said


def test_in_the_operators_folder_nothing_is_made(make, tmp_path):
    """A folder that the operator names is only checked: each missing secret is named, and nothing is written."""
    make()
    (tmp_path / "fernet_key").unlink()
    (tmp_path / "jwt_secret").unlink()
    left = contents(tmp_path)
    status, said = make(SECRETS_FOLDER=str(tmp_path))
    assert status == 1
    assert f"{tmp_path}/fernet_key is missing" in said
    assert f"{tmp_path}/jwt_secret is missing" in said
    assert contents(tmp_path) == left
