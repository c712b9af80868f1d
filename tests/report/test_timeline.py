"""How fast a run was from its beginning."""

import pytest

from cognito_import.engine.pacing import Category, Pacer
from cognito_import.report.timeline import timeline
from cognito_import.run.checkpoints import Work, add_step


def test_workers_side_by_side_are_added_up_by_the_moment():
    """A worker that began later counts later; nobody is lost between steps, and throttles stand where they were met."""
    first = Work(1000.0, 20.0, throttles=3, steps=[(0, 2, 0), (1, 2, 3), (9, 1, 0)])
    late = Work(1006.0, 6.0, steps=[(0, 4, 0), (2, 2, 0)])
    found = timeline([first, late, Work(900.0)])
    assert (found.began, found.until, found.seconds) == (1000.0, 1020.0, 2)
    assert found.users == [2, 2, 0, 4, 0, 2, 0, 0, 0, 1, 0]
    assert found.throttles == [0, 3] + [0] * 9
    told = found.as_dict()
    assert told["times"][:2] == [1001.0, 1003.0]
    assert told["rates"][:4] == [1.0, 1.0, 0.0, 2.0]
    assert told["rate"] == round(11 / 20, 2)


@pytest.mark.parametrize("hours", [0.01, 0.5, 7, 300])
def test_picture_has_as_many_steps_whatever_the_run_takes(hours):
    """At most a hundred and twenty, and every user is in one of them."""
    seconds = hours * 3600
    steps = [(step, 1, 0) for step in range(0, int(seconds / 2), max(1, int(seconds / 2000)))]
    found = timeline([Work(5.0, seconds, steps=steps)])
    assert len(found.users) <= 121
    assert sum(found.users) == len(steps)
    assert found.began + found.seconds * len(found.users) >= found.until


def test_nothing_is_drawn_of_a_run_that_told_nothing():
    """Of an earlier version, or one whose workers have finished nobody."""
    assert timeline([Work(0.0, 10.0), Work(5.0)]) is None


def test_worker_tells_when_its_users_were_finished_and_when_it_was_throttled():
    """By its own clock, in steps; what it told before is not told twice."""
    now = [0.0]
    pacer = Pacer(1.0, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    meter = pacer.meter(1000.0)
    assert meter(0).steps == []
    for users in range(1, 4):
        pacer.wait(Category.USER_CREATION)
        meter(users)
    pacer.throttled()
    now[0] = 9.0
    told = meter(3)
    assert sum(step[1] for step in told.steps) == 3
    assert told.steps[-1] == (4, 0, 1)
    assert meter(3).steps == told.steps


def test_step_that_is_told_late_is_added_to_the_last_one():
    """Clocks of several services may differ by a moment."""
    steps = []
    for seconds in (-3.0, 1.9, 2.0, 1.0):
        add_step(steps, seconds, 1)
    add_step(steps, 50.0, 0, 0)
    assert steps == [(0, 2, 0), (1, 2, 0)]
