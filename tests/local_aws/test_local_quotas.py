"""The quotas themselves, on a clock of the test's own."""

from __future__ import annotations

import pytest

from local_aws.quotas import Quotas


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


def test_the_second_slides() -> None:
    """A request counts for one second from its own moment, not until the end of a clock second."""
    clock = Clock()
    quotas = Quotas(limits={"UserUpdate": 2}, clock=clock)
    assert quotas.admit("AdminDeleteUser")
    clock.now += 0.9
    assert quotas.admit("AdminDeleteUser")
    clock.now += 0.05
    assert not quotas.admit("AdminDeleteUser")
    clock.now += 0.06
    assert quotas.admit("AdminDeleteUser")
    assert not quotas.admit("AdminDeleteUser")


def test_a_refused_request_uses_no_quota() -> None:
    """What was throttled does not push back the moment at which the next request passes."""
    clock = Clock()
    quotas = Quotas(limits={"UserUpdate": 1}, clock=clock)
    assert quotas.admit("AdminDeleteUser")
    clock.now += 0.5
    assert not quotas.admit("AdminDeleteUser")
    clock.now += 0.5
    assert quotas.admit("AdminDeleteUser")


def test_categories_do_not_share_a_quota() -> None:
    """A spent category leaves the others as they were."""
    quotas = Quotas(limits={"UserCreation": 1, "UserResourceUpdate": 1}, clock=Clock())
    assert quotas.admit("AdminCreateUser")
    assert quotas.admit("AdminAddUserToGroup")


def test_outside_traffic_takes_its_share() -> None:
    """With 40 % of the quota taken by others, 30 of 50 are left."""
    quotas = Quotas(clock=Clock(), outside_share=0.4)
    assert sum(quotas.admit("AdminCreateUser") for _ in range(60)) == 30


def test_an_operation_without_quota_always_passes() -> None:
    """Operations outside the product's categories are not limited."""
    quotas = Quotas(clock=Clock())
    assert all(quotas.admit("CreateGroup") for _ in range(500))
