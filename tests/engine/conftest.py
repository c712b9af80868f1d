"""What tests of the engine share."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def paused():
    """Have the worker of a pool stop before it calls for an address; events say that it is there, and let it go on."""

    def pause(pool, address):
        there, go_on = threading.Event(), threading.Event()
        original = pool.process

        def process(row, resume):
            if row.useremail == address:
                there.set()
                assert go_on.wait(30)
            return original(row, resume)

        pool.process = process
        return there, go_on

    return pause
