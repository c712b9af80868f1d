"""Real Airflow of each version that the product runs on, with its own defaults and nothing of airflow.env."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from demo.sandbox import Sandbox

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MWAA = HERE / "mwaa"
APPROVER = "approver"
SHIFT_SECONDS = 4


@dataclass(frozen=True)
class Version:
    """A version of Airflow in a virtual environment of its own, which the Makefile makes."""

    name: str
    mwaa: bool
    """Whether MWAA's versions of all packages were installed."""

    @property
    def python(self) -> Path:
        """The interpreter."""
        return ROOT / f".venv-airflow-{self.name}" / "bin" / "python"

    @property
    def before_3_3(self) -> bool:
        """Whether an approval still defers, and so waits in the triggerer."""
        return tuple(map(int, self.name.split("."))) < (3, 3)

    @cached_property
    def packages(self) -> dict[str, str]:
        """What is installed, by normalized name."""
        listing = [ROOT / ".venv" / "bin" / "uv", "pip", "freeze", "--quiet", "--python", self.python]
        done = subprocess.run(listing, check=True, capture_output=True, text=True)
        return pins(done.stdout)

    def run(self, *command: Any, **env: str) -> str:
        """Run Python and return what it prints."""
        done = subprocess.run([self.python, *command], env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


def pins(text: str) -> dict[str, str]:
    """Read lines `name==version`; names are normalized as the Packaging User Guide tells."""
    lines = (line.partition(";")[0].strip() for line in text.splitlines() if "==" in line and not line.startswith("#"))
    pairs = (line.partition("==")[::2] for line in lines)
    return {name.partition("[")[0].lower().replace("_", "-").replace(".", "-"): version for name, version in pairs}


def newest() -> str:
    """Return the version that the locks name."""
    return pins((ROOT / "requirements-image.in").read_text())["apache-airflow"]


VERSIONS = [
    *(Version(path.stem.removeprefix("essential-"), mwaa=True) for path in sorted(MWAA.glob("essential-*.txt"))),
    Version(newest(), mwaa=False),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the virtual environments, so that it is left out unless it is asked for."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.versions)


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> Version:
    """One of the versions."""
    found: Version = request.param
    assert found.python.exists(), f"Airflow {found.name} is not installed: run make test-versions"
    return found


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugins, but with workers that are given back after seconds instead of hours."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(ROOT / "plugins", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    module = folder / "cognito_import" / "airflow" / "worker.py"
    usual = module.read_text()
    short = usual.replace("timedelta(hours=6)", f"timedelta(seconds={SHIFT_SECONDS})")
    assert short != usual
    module.write_text(short)
    return folder


@pytest.fixture(scope="module")
def whole_sandbox(version: Version, plugins: Path) -> Iterator[Sandbox]:
    """Start this Airflow as an operator finds it: no settings but the user's, no pool, new DAGs paused."""
    env = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"admin:admin,{APPROVER}:admin",
    }
    if version.mwaa:
        env["AIRFLOW__CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER"] = "True"
    with Sandbox(
        state_machine=True,
        env=env,
        python=version.python,
        plugins_folder=plugins,
        recommended=False,
        pools=None,
        triggerer=version.before_3_3,
    ) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(whole_sandbox: Sandbox) -> Sandbox:
    """The sandbox as it came up; the plugin has to create the pool."""
    return whole_sandbox
