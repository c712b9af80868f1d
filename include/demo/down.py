"""Stop what `make up` keeps running, and wait until it is gone."""

from __future__ import annotations

import os
import signal
import sys
import time

from demo.up import read_state

_PATIENCE = 60


def main() -> int:
    """Give 0 when nothing runs any more."""
    state = read_state()
    if state is None:
        print("Nothing is running.")
        return 0
    os.kill(int(state["pid"]), signal.SIGTERM)
    for _ in range(_PATIENCE):
        if read_state() is None:
            print("Stopped.")
            return 0
        time.sleep(1)
    print(f"Process {state['pid']} has not ended within {_PATIENCE} s; end it with: kill -9 {state['pid']}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
