"""A few seeds of the random runs; `make chaos SEEDS=100` runs more."""

import logging

import pytest

from .kinds import ENGINES, KINDS
from .run import Run
from .two_runs import TwoRuns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", [3, 17, 33, 76])
def test_whatever_breaks_each_row_is_true(seed, engine, kind):
    """Under the seed's faults, every report says what is so, and at the end nobody is left.

    An undo deletes whom its import has created and nobody else has changed. A dry run changes nothing, and foresees what the
    same request does afterwards.
    """
    logging.disable(logging.CRITICAL)
    try:
        figures = KINDS[kind](seed, engine, kind).to_its_end()
    finally:
        logging.disable(logging.NOTSET)
    assert figures.rows >= 40


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
