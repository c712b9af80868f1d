"""Waiting returns what was seen, and says what was not."""

from __future__ import annotations

import pytest

from sandbox.waiting import WaitError, until


def test_what_was_seen_is_returned_as_soon_as_it_is_enough() -> None:
    """Anything true is enough unless the caller says what is."""
    numbers = iter(range(10))
    assert until("one", lambda: next(numbers), every=0) == 1
    assert until("five", lambda: next(numbers), lambda seen: seen >= 5, every=0) == 5
    assert next(numbers) == 6


def test_what_did_not_come_is_named_with_what_was_seen_last() -> None:
    """The message has both, and a long sight is cut."""
    with pytest.raises(WaitError, match=r"waited 0 s for the end; last seen: \['running'\]"):
        until("the end", lambda: ["running"], lambda seen: seen == ["success"], seconds=0, every=0)
    with pytest.raises(WaitError) as caught:
        until("the end", lambda: "x" * 10_000, lambda _: False, seconds=0, every=0)
    assert len(str(caught.value)) < 2_100
