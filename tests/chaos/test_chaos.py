"""A few seeds of the random runs; `make chaos SEEDS=100` runs more."""

import logging

import pytest

from .run import ENGINES, JOBTYPES, Run
from .two_runs import TwoRuns


@pytest.mark.parametrize("jobtype", JOBTYPES)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", [3, 17, 19, 33, 49, 76])
def test_whatever_breaks_each_row_is_true(seed, engine, jobtype):
    """Of 60 users, under the seed's faults, every report says what is so, and at the end nobody is left."""
    logging.disable(logging.CRITICAL)
    try:
        figures = Run(seed, engine, jobtype).to_its_end()
    finally:
        logging.disable(logging.NOTSET)
    assert figures.rows >= 60


@pytest.mark.parametrize("other", ENGINES)
def test_two_runs_that_share_addresses_are_both_true(other):
    """Whatever breaks: one says that it created a user, the other that it exists, and they never call for one at once."""
    logging.disable(logging.CRITICAL)
    try:
        met = [TwoRuns(seed, other).to_its_end() for seed in range(1, 9)]
    finally:
        logging.disable(logging.NOTSET)
    assert any(met), "They never met, so this has shown nothing."


def test_a_seed_gives_the_same_run_each_time():
    """So that a seed that fails can be repeated."""
    first, again = (Run(44, "mapped", "import") for _ in range(2))
    assert first.to_its_end() == again.to_its_end()
    assert first.cognito.deeds == again.cognito.deeds
