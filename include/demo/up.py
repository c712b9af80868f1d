"""Keep local AWS and Airflow running to play with (`make up`), until `make down` or Ctrl-C.

Both engines work there, and the inbox holds a file of joiners and one of leavers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo.sandbox import Sandbox

if TYPE_CHECKING:
    from types import FrameType

APPROVER = "approver"
STATE = Path(__file__).resolve().parents[2] / ".local" / "up.json"
SAMPLES = {
    "joiners.csv": "\ufeffメールアドレス;氏名;部署;groups\n"
    + "".join(f"joiner{number:02}@example.com;入社 {number};営業部;BASIC\n" for number in range(1, 13)),
    "leavers/leavers.csv": "useremail\nleaver01@example.com\nleaver02@example.com\nnobody@example.com\n",
}
"""Files of the inbox by their keys below it: as a Japanese Excel writes them, and as plain as can be."""
HELP = """
Airflow    {url}  (user {user}, password {password})
           The user {approver}, password {approver_password}, may approve what {user} asked for.
Local AWS  {aws}  (the mails: {aws}/_ministack/ses/messages)

Three things to try:
1. Import by hand: open {url}/plugin/cognito-import, paste user01@example.com, and have the report
   mailed to {admin}. Or open {url}/dags/cognito_import, press Trigger, and paste as the configuration:
   {{"adminemail": "{admin}", "data": ["user02@example.com", "user03@example.com"]}}
   Add "engine": "step_functions" to have the state machine make the calls.
2. The nightly import: press Trigger at {url}/dags/cognito_import_nightly. It takes the two files that
   wait in s3://{bucket}/inbox/.
3. Approve a deletion: the nightly run's file of leavers waits for it. Log in as {approver} and open
   {url}/required_actions.

To stop: make down, or Ctrl-C here.
"""


def main() -> int:
    """Run in the foreground; a second one is refused."""
    if (running := read_state()) is not None:
        print(f"It is running already: {running['url']} (stop it with: make down).")
        return 1
    STATE.parent.mkdir(exist_ok=True)
    try:
        users = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"admin:admin,{APPROVER}:admin"}
        with Sandbox(triggerer=True, state_machine=True, env=users) as sandbox:
            fill_inbox(sandbox)
            STATE.write_text(json.dumps({"pid": os.getpid(), "url": sandbox.airflow.url}))
            print(_help(sandbox), flush=True)
            signal.signal(signal.SIGTERM, _end)
            signal.pause()
    except (KeyboardInterrupt, SystemExit):
        print("Stopping.")
    finally:
        STATE.unlink(missing_ok=True)
    return 0


def fill_inbox(sandbox: Sandbox) -> None:
    """Put the sample files into the inbox, and the leavers into the user pool."""
    for name, content in SAMPLES.items():
        sandbox.resources.s3.put_object(Bucket=sandbox.resources.bucket, Key=f"inbox/{name}", Body=content.encode())
    for address in ("leaver01@example.com", "leaver02@example.com"):
        sandbox.resources.add_user(address)


def _help(sandbox: Sandbox) -> str:
    airflow = sandbox.airflow
    assert sandbox.aws is not None
    assert isinstance(airflow.home, Path)
    passwords = json.loads((airflow.home / "passwords.json").read_text())
    return HELP.format(
        url=airflow.url,
        user=airflow.username,
        password=airflow.password,
        approver=APPROVER,
        approver_password=passwords[APPROVER],
        aws=sandbox.aws.endpoint_url,
        admin=sandbox.resources.admin,
        bucket=sandbox.resources.bucket,
    )


def read_state() -> dict[str, str | int] | None:
    """Return what `make up` wrote of itself, or None if it is not running."""
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
