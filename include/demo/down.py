"""Stop what `make up` keeps running, and wait until it is gone."""

from __future__ import annotations

import os
import signal
import sys

from demo.up import read_state
from sandbox.waiting import WaitError, until

_PATIENCE = 60


def main() -> int:
    """Return 0 as soon as nothing runs any more."""
    state = read_state()
    if state is None:
        print("Nothing is running.")
        return 0
    os.kill(int(state["pid"]), signal.SIGTERM)
    try:
        until("the end of what runs", lambda: read_state() is None, seconds=_PATIENCE, every=1)
    except WaitError:
        print(f"Process {state['pid']} has not ended within {_PATIENCE} s; end it with: kill -9 {state['pid']}")
        return 1
    print("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
