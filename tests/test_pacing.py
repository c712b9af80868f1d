"""The pace of one slot."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cognito_import.pacing import Category, Pacer


class Time:
    """A clock that only moves by what sleeps and calls take; sleeps may end early, as real ones do."""

    def __init__(self, early: float = 0.0) -> None:
        self.now = 100.0
        self._early = early

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds - self._early, seconds / 2, 1e-6)


CALLS = st.lists(st.tuples(st.sampled_from(list(Category)), st.floats(0, 5)), min_size=1, max_size=60)


@given(CALLS, st.floats(0.01, 3), st.floats(0, 0.01), st.floats(0, 5))
def test_two_starts_of_one_category_are_never_closer_than_the_pace(calls, seconds, early, held):
    """Whatever the calls take and however the categories mix, start to start is at least the pace, for the slot too."""
    time = Time(early)
    pacer = Pacer(seconds, held_for=held, clock=lambda: time.now, sleep=time.sleep)
    starts = dict.fromkeys(Category, time.now - held)  # when the slot's earlier holder may have called last
    for category, duration in calls:
        pacer.wait(category)
        assert time.now - starts[category] >= seconds - 1e-9
        starts[category] = time.now
        time.now += duration


@given(st.floats(0, 0.9), st.integers(2, 50))
def test_a_slow_call_costs_no_pace(duration, count):
    """Calls shorter than the pace start exactly at the pace: it is counted from start to start."""
    time = Time()
    pacer = Pacer(1.0, held_for=1.0, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(count):
        pacer.wait(Category.USER_CREATION)
        time.now += duration
    assert abs(time.now - (100.0 + (count - 1) + duration)) < 1e-3


def test_categories_do_not_wait_for_each_other():
    """One user's creation and its membership may follow each other at once."""
    time = Time()
    pacer = Pacer(1.0, clock=lambda: time.now, sleep=time.sleep)
    pacer.wait(Category.USER_CREATION)
    assert abs(time.now - 101.0) < 1e-3
    pacer.wait(Category.USER_RESOURCE_UPDATE)
    assert abs(time.now - 101.0) < 1e-3


def test_a_call_that_may_have_been_late_holds_the_next_one_back():
    """A call of unusual length may have reached the service at its end; the pace is kept from there, and only once."""
    time = Time()
    pacer = Pacer(1.0, held_for=1.0, clock=lambda: time.now, sleep=time.sleep)
    starts = []
    for duration in (0.15, 0.15, 0.75, 0.15, 0.15):
        pacer.wait(Category.USER_CREATION)
        starts.append(time.now)
        time.now += duration
        pacer.done(Category.USER_CREATION)
    gaps = [round(later - earlier, 3) for earlier, later in pairwise(starts)]
    assert gaps == [1.0, 1.0, 1.5, 1.0]


def test_a_service_that_is_far_away_costs_no_pace():
    """Calls that always take long are not late: after the first one the pace is start to start."""
    time = Time()
    pacer = Pacer(1.0, held_for=1.0, clock=lambda: time.now, sleep=time.sleep)
    starts = []
    for _ in range(5):
        pacer.wait(Category.USER_CREATION)
        starts.append(time.now)
        time.now += 0.6
        pacer.done(Category.USER_CREATION)
    assert [round(later - earlier, 3) for earlier, later in pairwise(starts)] == [1.4, 1.0, 1.0, 1.0]
