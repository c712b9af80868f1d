"""One seed of the random faults on a real Airflow of its own; `make chaos AIRFLOW=5` runs more."""

import pytest
from tests.chaos.real_airflow import play


@pytest.mark.slow
def test_whatever_breaks_each_row_is_true():
    """The run ends by itself, each row is true, nobody is created twice or called again when done, and one mail goes out."""
    (result,) = play([4])
    assert not result.wrong, result.figures
