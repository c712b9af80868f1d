"""The quotas themselves, on a clock of the test's own."""

from __future__ import annotations

import pytest

from sandbox.aws.quotas import QUOTAS, Quotas


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        """Return the moment it stands at."""
        return self.now


@pytest.mark.parametrize(
    ("operation", "rate"),
    [
        ("AdminCreateUser", 50),
        ("AdminAddUserToGroup", 25),
        ("AdminDeleteUser", 25),
        ("AdminGetUser", 120),
        ("ListUsers", 30),
    ],
)
def test_each_operation_has_the_rate_of_its_category(operation: str, rate: int) -> None:
    """As many requests as the documented rate pass at one moment, and not one more."""
    quotas = Quotas(clock=Clock())
    assert [quotas.admit(operation) for _ in range(rate + 1)] == [True] * rate + [False]


def admitted(quotas: Quotas, clock: Clock, *moments: float) -> list[bool]:
    """Say of a deletion at each of the moments whether it was admitted."""
    answers = []
    for moment in moments:
        clock.now = moment
        answers.append(quotas.admit("AdminDeleteUser"))
    return answers


def test_a_bucket_fills_steadily() -> None:
    """After one second's worth at once, a call passes each time that its share of a second has gone by, wherever it began."""
    clock = Clock()
    quotas = Quotas(limits={"UserUpdate": 2}, clock=clock)
    assert admitted(quotas, clock, 100.9, 100.9, 100.9, 101.3, 101.45, 101.5) == [True, True, False, False, True, False]
    assert admitted(quotas, clock, 109.0, 109.0, 109.0) == [True, True, False]  # it never holds more


def test_a_window_opens_with_the_second() -> None:
    """A spent second admits nothing up to its end, and the next one all at once."""
    clock = Clock()
    quotas = Quotas(limits={"UserUpdate": 2}, clock=clock, enforcement="window")
    assert admitted(quotas, clock, 100.5, 100.6, 100.7, 100.99) == [True, True, False, False]
    assert admitted(quotas, clock, 101.0, 101.01, 101.02) == [True, True, False]


@pytest.mark.parametrize("enforcement", ["bucket", "window"])
def test_a_refused_request_uses_no_quota(enforcement: str) -> None:
    """However many are refused, the quota is admitted second by second."""
    clock = Clock()
    quotas = Quotas(limits={"UserUpdate": 2}, clock=clock, enforcement=enforcement)
    moments = [100 + tenth / 10 for tenth in range(100)]
    assert 20 <= sum(admitted(quotas, clock, *moments)) <= 22


def test_categories_do_not_share_a_quota() -> None:
    """A spent category leaves the others as they were."""
    quotas = Quotas(limits={"UserCreation": 1, "UserUpdate": 1}, clock=Clock())
    assert quotas.admit("AdminCreateUser")
    assert quotas.admit("AdminAddUserToGroup")


@pytest.mark.parametrize("enforcement", ["bucket", "window"])
def test_live_traffic_draws_from_the_same_quota(enforcement: str) -> None:
    """Beside 12 live calls a second 13 of 25 are left, and each live call that they displace is counted."""
    clock = Clock()
    quotas = Quotas(clock=clock, enforcement=enforcement)
    quotas.set_traffic([(12, 60)])
    ours = sum(admitted(quotas, clock, *(100 + tenth / 50 for tenth in range(50 * 100))))
    live = quotas.traffic()["UserUpdate"]
    assert 25 * 100 <= ours + live["served"] <= 25 * 101
    assert 1100 < live["served"] + live["throttled"] < 1300
    assert live["throttled"] > 300  # 50 calls a second of ours leave it few of the 25


def test_live_traffic_alone_is_served() -> None:
    """Whoever asks late for the count finds each live call admitted at its own moment, in every category."""
    clock = Clock()
    quotas = Quotas(clock=clock)
    quotas.set_traffic([(3, 60)])
    clock.now += 1000
    assert set(quotas.traffic()) == set(QUOTAS)
    assert all(2800 < live["served"] < 3200 and live["throttled"] == 0 for live in quotas.traffic().values())


def test_live_traffic_changes_by_its_schedule() -> None:
    """Each phase makes its own number of calls for its time, and the last is followed by the first."""
    clock = Clock()
    quotas = Quotas(clock=clock)
    quotas.set_traffic([(10, 60), (0, 30)])
    counts = []
    for seconds in (60, 30, 60, 30):
        clock.now += seconds
        counts.append(quotas.traffic()["UserUpdate"]["served"])
        quotas.clear()
    assert [500 < count < 700 for count in counts] == [True, False, True, False]
    assert counts[1] == counts[3] == 0


@pytest.mark.parametrize("phases", [[(0, 60)], [(12, 0)], [(12, -1)], [(-12, 60)]])
def test_live_traffic_without_calls_is_refused(phases: list[tuple[float, float]]) -> None:
    """A schedule in which nothing would ever come, or time would stand still, is a mistake."""
    with pytest.raises(ValueError, match="calls a second and seconds"):
        Quotas(clock=Clock()).set_traffic(phases)


def test_unknown_names_are_refused() -> None:
    """A misspelt category or enforcement is named, with what is expected."""
    with pytest.raises(ValueError, match=r"UserUpdates: one of UserCreation, .* is expected"):
        Quotas().enforce(UserUpdates=30)
    with pytest.raises(ValueError, match="bucket, window is expected, not 'sieve'"):
        Quotas().enforce("sieve")


def test_an_operation_without_quota_always_passes() -> None:
    """Operations outside the product's categories are not limited."""
    quotas = Quotas(clock=Clock())
    assert all(quotas.admit("CreateGroup") for _ in range(500))
