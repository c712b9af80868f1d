"""How a run's users are split into batches."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import.engine.plan import FEW, MAX_BATCH_BYTES, MAX_BATCH_USERS, MAX_BATCHES, plan
from cognito_import.request.model import UserRow
from cognito_import.run.manifest import Rows
from cognito_import.settings import ENGINES


@given(st.integers(1, 5_000), st.integers(1, 60), st.sampled_from(ENGINES))
def test_the_plan_holds_every_row_once(users, slots, engine):
    """Batches follow each other without gap, none is empty, and none is above the limit while there is room."""
    rows = Rows()
    for number in range(1, users + 1):
        rows.add(UserRow(number, f"{number}@x.jp"), 10)
    made = plan(rows, slots, engine)
    assert [batch.number for batch in made] == list(range(1, len(made) + 1))
    assert made[0].offset == 0
    assert all(one.offset + one.length == two.offset for one, two in pairwise(made))
    assert sum(batch.size for batch in made) == users
    sizes = {batch.size for batch in made}
    assert max(sizes) - min(sizes) <= 1
    assert 1 <= min(sizes) <= max(sizes) <= MAX_BATCH_USERS[engine]
    if users <= 2 * slots:
        assert max(sizes) == (2 if engine == "mapped" and users > FEW else 1)


@pytest.mark.parametrize(
    ("users", "sharing", "count"),
    [
        pytest.param(45, 1, 20, id="alone"),
        pytest.param(20, 1, 10, id="two-each-alone"),
        pytest.param(5, 1, 5, id="few-alone"),
        pytest.param(45, 12, 5, id="twelve"),
        pytest.param(20, 12, 3, id="twelve-of-few"),
        pytest.param(45, 2, 10, id="its-share-of-the-slots"),
        pytest.param(5, 2, 5, id="not-empty"),
        pytest.param(10, 2, 5, id="no-more-than-alone"),
        pytest.param(1_000, 12, 20, id="large-beside-small"),
    ],
)
def test_runs_that_share_the_slots_have_batches_worth_a_task(users, sharing, count):
    """Several small imports at once start fewer tasks; one that is alone, or large, is split as ever."""
    rows = Rows()
    for number in range(1, users + 1):
        rows.add(UserRow(number, f"{number}@x.jp"), 10)
    assert len(plan(rows, 20, "mapped", sharing)) == count
    assert len(plan(rows, 20, "step_functions", sharing)) == len(plan(rows, 20, "step_functions"))


@given(st.lists(st.integers(1, MAX_BATCH_BYTES + 10), min_size=1, max_size=400), st.integers(1, 20))
def test_no_batch_is_too_heavy_for_a_state(weights, slots):
    """Whatever the order of long and short rows: cut by what each takes, never on average."""
    rows = Rows()
    for number, heavy in enumerate(weights, start=1):
        rows.add(UserRow(number, ""), 1, heavy)
    made = plan(rows, slots, "step_functions")
    assert sum(batch.size for batch in made) == len(weights)
    for batch in made:
        held = [heavy for heavy in weights[batch.first - 1 : batch.last] if heavy <= MAX_BATCH_BYTES]
        assert sum(held) <= MAX_BATCH_BYTES


@pytest.mark.parametrize(("users", "count", "size"), [(1_000, 20, 50), (100_000, 340, 295), (300_000, 1_000, 300)])
def test_the_plan_fits_airflow(users, count, size):
    """Many users share tasks, as many for each slot, and 300,000 fit the limit of mapped tasks."""
    rows = Rows()
    for number in range(1, users + 1):
        rows.add(UserRow(number, ""), 1)
    made = plan(rows, 20, "mapped")
    assert (len(made), max(batch.size for batch in made)) == (count, size)
    assert len(made) <= MAX_BATCHES
