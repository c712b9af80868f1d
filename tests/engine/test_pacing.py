"""The pace of one slot."""

import heapq
import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import.engine.pacing import MAX_SLOWDOWN, Category, Pacer, pauses

LIVE = -1


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
    pacer.wait(Category.USER_UPDATE)
    assert abs(time.now - 101.0) < 1e-3


def test_a_category_with_seconds_of_its_own_yields_like_the_others():
    """A dry run reads faster than an import writes, and a throttle slows it down alike."""
    time = Time()
    pacer = Pacer(1.0, own={Category.USER_READ: 0.2}, held_for=1.0, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(11):
        pacer.wait(Category.USER_READ)
    assert abs(time.now - 102.0) < 1e-3
    pacer.throttled()
    pacer.wait(Category.USER_READ)
    assert time.now >= 102.0 + 0.2 / 0.71


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


def test_a_throttle_slows_the_slot_down_until_it_comes_back():
    """No call after a throttle is closer than the pace, the next ones are a good deal slower, and in the end all is as before."""
    time = Time()
    pacer = Pacer(1.0, held_for=1.0, clock=lambda: time.now, sleep=time.sleep)
    pacer.wait(Category.USER_CREATION)
    pacer.throttled()
    starts = [time.now]
    for _ in range(150):
        pacer.wait(Category.USER_CREATION)
        starts.append(time.now)
    gaps = [after - before for before, after in pairwise(starts)]
    assert gaps[0] > 1.4
    assert all(after <= before + 1e-6 for before, after in pairwise(gaps))
    assert abs(gaps[-1] - 1.0) < 1e-3


def test_a_slot_never_stands_still():
    """However many throttles there are, a slot keeps a quarter of its pace, which a worker's lease counts on."""
    time = Time()
    pacer = Pacer(1.0, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(50):
        pacer.throttled()
    pacer.wait(Category.USER_CREATION)
    before = time.now
    pacer.wait(Category.USER_UPDATE)
    pacer.wait(Category.USER_CREATION)
    assert time.now - before <= MAX_SLOWDOWN


def test_live_traffic_comes_first():
    """Beside live traffic that needs half of the quota, 20 slots take what is free and throttle few of the live calls."""
    chance = random.Random(1)  # noqa: S311 - a simulation
    times = [Time() for _ in range(20)]
    pacers = [Pacer(1.0, held_for=1.0, clock=lambda time=time: time.now, sleep=time.sleep) for time in times]
    events = [(100.0 + chance.random(), slot) for slot in range(20)] + [(100.0, LIVE)]
    quota, tokens, filled = 25.0, 25.0, 100.0
    served: Counter[tuple[bool, bool]] = Counter()
    while (event := heapq.heappop(events))[0] < 700:
        now, slot = event
        tokens, filled = min(quota, tokens + (now - filled) * quota), now
        fits = tokens >= 1
        tokens -= fits
        served[slot == LIVE, fits] += 1
        if slot == LIVE:
            heapq.heappush(events, (now + chance.expovariate(12), LIVE))
            continue
        if not fits:
            pacers[slot].throttled()
        times[slot].now = max(now, times[slot].now)
        pacers[slot].wait(Category.USER_CREATION)
        heapq.heappush(events, (times[slot].now, slot))
    assert served[True, False] < 0.05 * (served[True, True] + served[True, False])
    assert served[False, True] > 0.9 * 600 * (quota - 12)


@given(st.sampled_from([0.001, 0.5, 1.0, 1.5, 3.0]), st.floats(0.25, 1.0))
def test_children_keep_the_shared_rate_together(pacing, rate):
    """A child waits whole seconds and never less than its pace; that some wait longer makes the rate of all of them."""
    told = [pauses(pacing, rate, number) for number in range(1, 201)]
    least = max(1, math.ceil(pacing))
    assert {one for one, _ in told} == {least}
    assert all(least <= first <= max(least, math.ceil(pacing / rate)) for _, first in told)
    together = sum(1 / first for _, first in told) / len(told)
    assert together == pytest.approx(1 / max(least, pacing / rate), rel=0.02)
