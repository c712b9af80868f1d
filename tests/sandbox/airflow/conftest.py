"""One small Airflow for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.airflow.stack import AirflowStack

DAGS = Path(__file__).parent / "dags"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs Airflow."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "airflow" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """Start it once: it takes longer than all tests together."""
    plugins = tmp_path_factory.mktemp("plugins")
    with AirflowStack(dags_folder=DAGS, plugins_folder=plugins, dag_ids=["tried_out"]) as stack:
        yield stack
