"""Start the local AWS: one process, on 127.0.0.1 by default, which stops when its parent does.

    python launcher.py --port 0 --port-file PORT --latency 0.1

All of AWS that the product touches answers on one port (`AWS_ENDPOINT_URL=http://127.0.0.1:PORT`), with
signatures and IAM policies checked. The access key `test` with the secret `test` is the account's root.
Cognito keeps its documented quotas and each call to it takes `--latency` seconds.

Beside AWS there are control endpoints, JSON in and out:

    GET    /_local/stats    {"categories": {NAME: FIGURES}, "operations": {NAME: FIGURES}}; FIGURES are calls,
                            throttles, errors (code to number), peak (the most calls in any one second), first
                            and last (epoch seconds), and for a category its quota; beside them
                            "live": {CATEGORY: {"served": NUMBER, "throttled": NUMBER}} of the live traffic, and
                            "step_functions": {"largest_payload": BYTES} of any state
    GET    /_local/calls    {"calls": [...]}, every Cognito call in order of arrival: time, operation, username
                            and group of the request, code ("" for a success, null while it runs, the fault's
                            kind, such as "drop_after", if no answer came)
    POST   /_local/reset    empties both, the quotas in use, CloudWatch's metrics and Cognito's count of the day's mails
    POST   /_local/faults   {"operation": "AdminCreateUser", "kind": "error", ...}: see `faults.Fault`
    POST   /_local/outage   {"service": "s3", "seconds": 20, ...}: every call of the service meets a 503
    POST   /_local/children {"kind": "kill", ...}: see `faults.ChildFault`
    DELETE /_local/faults   ends all faults and outages
    POST   /_local/quotas   {"enforcement": "bucket" or "window", "UserCreation": 100, ...}; {} puts AWS's values back
    POST   /_local/traffic  {"phases": [[12, 60], [3, 60]]}: live calls in each category, pairs of calls a second and
                            seconds, over and over; [] ends them
    POST   /_local/limits   {"history_events": 25000, "payload_bytes": 262144, "express_seconds": 300,
                            "inline_map_concurrency": 40}: what Step Functions allows; {} puts AWS's values back
    GET    /_ministack/ses/messages   the outbox: all mails sent

Exit status 0 after SIGINT or SIGTERM, or when the parent process is gone (unless `--keep`).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path

if not __package__:
    # As a script its own folder is first on the path; the package is found from the one above.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

PARENT_CHECK_SECONDS = 0.5
ENDING_SECONDS = 10.0
"""For how long it may end in order once its parent process is gone."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; in a container 0.0.0.0")
    parser.add_argument("--name", default="127.0.0.1", help="its name in addresses; BUCKET.NAME is a bucket's")
    parser.add_argument("--port-file", type=Path, help="gets the port's number once requests are answered")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that each Cognito call takes")
    parser.add_argument("--region", default="ap-northeast-1", help="the Region of unsigned requests")
    parser.add_argument("--work-dir", type=Path, help="for its files; removed at the end (default: a new one)")
    parser.add_argument("--log-level", default="WARNING")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process that started this one")
    parser.add_argument("--keep", action="store_true", help="run on when the parent process ends")
    return parser.parse_args()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host`; held from here on, so nobody can take the port between."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener


def prepare_environment(port: int, work_dir: Path, options: argparse.Namespace) -> None:
    """Leave only the variables that the emulator needs; it reads them when it is imported.

    Nothing of the host's AWS settings may reach it (`AWS_ENDPOINT_URL` would even reach the Lambda functions),
    no Docker daemon is looked for, and all files go to `work_dir`.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(
        kept,
        AUTH="true",
        AWS_EC2_METADATA_DISABLED="true",
        DOCKER_HOST=f"unix://{work_dir}/no-docker.sock",
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",
        LOG_LEVEL=options.log_level,
        MINISTACK_HOST=options.name,
        MINISTACK_REGION=options.region,
        S3_DATA_DIR=str(work_dir / "s3"),
        SFTP_ENABLED="0",
        STATE_DIR=str(work_dir / "state"),
        TMPDIR=str(work_dir),
    )
    tempfile.tempdir = str(work_dir)


async def stop_with(parent: int, stop: asyncio.Event, work_dir: Path) -> None:
    """Set `stop` as soon as the process `parent`, which started this one, is gone.

    Executions under way keep starting functions, which can hold up the end for minutes, and nobody is left to kill them.
    """
    while os.getppid() == parent:  # noqa: ASYNC110 there is no event for it
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    timer = threading.Timer(ENDING_SECONDS, end_at_once, (work_dir,))
    timer.daemon = True
    timer.start()
    stop.set()


def end_at_once(work_dir: Path) -> None:
    """End this process, its functions and its files."""
    shutil.rmtree(work_dir, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


async def run(options: argparse.Namespace, listener: socket.socket) -> None:
    """Serve until a signal or the parent's end."""
    # It warns of what it could not do with a key of KMS, which nothing here uses.
    logging.getLogger("kms").setLevel(logging.ERROR)
    # Only now: importing the emulator reads the environment.
    from sandbox.aws import middleware, server
    from sandbox.aws.call_log import CallLog
    from sandbox.aws.control import Control
    from sandbox.aws.faults import FaultPlan
    from sandbox.aws.quotas import Quotas

    quotas, log, plan = Quotas(), CallLog(), FaultPlan()
    middleware.install(quotas, log, plan, options.latency)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    watch = None if options.keep else asyncio.create_task(stop_with(options.parent, stop, options.work_dir))

    port = listener.getsockname()[1]

    def ready() -> None:
        print(f"AWS_ENDPOINT_URL=http://{options.name}:{port}", flush=True)
        if options.port_file:
            # Renamed into place, so that whoever waits for it never reads half a number.
            draft = options.port_file.with_suffix(".new")
            draft.write_text(str(port))
            draft.rename(options.port_file)

    try:
        await server.run(listener, Control(quotas, log, plan), ready, stop)
    finally:
        if watch:
            watch.cancel()


def main() -> None:
    """Run the local AWS and leave nothing behind."""
    options = arguments()
    work_dir = options.work_dir = options.work_dir or Path(tempfile.mkdtemp(prefix="local-aws-"))
    work_dir.mkdir(parents=True, exist_ok=True)
    status = 1
    try:
        # Until the server listens to them itself, a signal is an exception.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with listen(options.host, options.port) as listener:
            prepare_environment(listener.getsockname()[1], work_dir.resolve(), options)
            asyncio.new_event_loop().run_until_complete(run(options, listener))
        status = 0
    except (KeyboardInterrupt, SystemExit):
        status = 0
    except Exception:  # noqa: BLE001 the process ends below, so nobody else would show it
        traceback.print_exc()
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads with a function or an execution at work must not hold up the end.
        os._exit(status)


if __name__ == "__main__":
    main()
