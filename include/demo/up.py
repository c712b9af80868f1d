"""Keep local AWS and Airflow running to play with (`make up`), until `make down` or Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo.stage import Stage

if TYPE_CHECKING:
    from types import FrameType

STATE = Path(__file__).resolve().parents[2] / ".local" / "up.json"


def main() -> int:
    """Run in the foreground; a second one is refused."""
    if (running := read_state()) is not None:
        print(f"It is running already: {running['url']} (stop it with: make down).")
        return 1
    STATE.parent.mkdir(exist_ok=True)
    try:
        with Stage(triggerer=True) as stage:
            assert stage.aws is not None
            state = {"pid": os.getpid(), "url": stage.airflow.url}
            STATE.write_text(json.dumps(state))
            print(
                f"\nAirflow    {stage.airflow.url}  (user {stage.airflow.username}, password {stage.airflow.password})\n"
                f"Local AWS  {stage.aws.endpoint_url}  (outbox: {stage.aws.endpoint_url}/_ministack/ses/messages)\n"
                f"To import  open {stage.airflow.url}/dags/cognito_import and press Trigger; report to {stage.ground.admin}\n"
                "To stop    make down, or Ctrl-C here\n",
                flush=True,
            )
            signal.signal(signal.SIGTERM, _end)
            signal.pause()
    except (KeyboardInterrupt, SystemExit):
        print("Stopping.")
    finally:
        STATE.unlink(missing_ok=True)
    return 0


def read_state() -> dict[str, str | int] | None:
    """What `make up` wrote of itself, or None if it is not running."""
    try:
        state: dict[str, str | int] = json.loads(STATE.read_text())
        os.kill(int(state["pid"]), 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
