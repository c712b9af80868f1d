"""The commands, their options, and the exit codes that scripts read."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from cognito_import import addresses
from cognito_import.errors import (
    CognitoImportError,
    NotApprovedError,
    NotReadyError,
    PreflightError,
    RequestError,
    RunFolderError,
    SettingsError,
)
from cognito_import.request.model import administrator
from cognito_import.run.manifest import new_run_name
from cognito_import.settings import JOB_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognito_import.cli.deployment import Deployment
    from cognito_import.run.folder import RunFolder

COMPLETE, INCOMPLETE, REFUSED, KILLED = 0, 1, 2, 130
_REFUSALS: Final = (NotApprovedError, NotReadyError, PreflightError, RequestError, RunFolderError, SettingsError)
"""Errors before anybody was touched: later ones of the run folder are raised as IncompleteRunError."""
_CODES: Final = """\
exit codes:
  0    the report went out, and every user was attempted
  1    users are left, or the report did not go out; of 'check': rows would be rejected
  2    nobody was touched: the request, a setting or AWS is not as it has to be, or nobody approved
  130  ended at once by a second Ctrl-C
"""
MAX_ROWS: Final = 20
"""Rejected rows that `check` prints."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do a command and return its exit code."""
    options = parser().parse_args(arguments)
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("cognito_import").setLevel(level)
    from cognito_import.cli.deployment import Deployment
    from cognito_import.cli.terminal import note

    shown: tuple[str, ...] = ()
    try:
        deployment = Deployment(options.settings, options.profile, options.region)
        shown = (deployment.settings.mail_from,)
        return COMPLETE if options.command(options, deployment) else INCOMPLETE
    except CognitoImportError as error:
        note(addresses.hidden(str(error), shown))
        return REFUSED if isinstance(error, _REFUSALS) else INCOMPLETE
    except KeyboardInterrupt:
        return KILLED


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--settings", metavar="FILE", help="settings as JSON; default: $COGNITO_IMPORT")
    common.add_argument("--profile", metavar="NAME", help="profile of the AWS configuration")
    common.add_argument("--region", metavar="NAME", help="AWS Region")
    common.add_argument("-v", "--verbose", action="store_true", help="log what is done")
    link = argparse.ArgumentParser(add_help=False)
    link.add_argument("--link-profile", metavar="NAME", help="AWS profile that signs the report's link")
    users = argparse.ArgumentParser(add_help=False)
    users.add_argument("list", nargs="?", metavar="LIST", help="a .csv, .json or .jsonl file, here or at s3://")
    users.add_argument(
        "--request", metavar="FILE", help="a request as JSON, as in a DAG run's conf; - reads it from stdin"
    )
    users.add_argument("--admin", metavar="ADDRESS", help="who gets the report")
    users.add_argument("--jobtype", choices=JOB_TYPES)
    users.add_argument("--existing", choices=("fail", "complete"), help="what an import does with users who exist")
    users.add_argument("--invite", action="store_const", const=True, help="have Cognito mail invitations")
    users.add_argument(
        "--resend-invitation", action="store_const", const=True, help="invite again who has not signed in"
    )
    users.add_argument("--create-groups", action="store_const", const=True, help="create groups that are missing")
    users.add_argument("--dry-run", action="store_const", const=True, help="change nothing, report what would happen")
    whole = argparse.ArgumentParser(
        prog="python -m cognito_import", epilog=_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", metavar="RUN", help="name of the run; one that is there is gone on with")
    named.add_argument("--yes", action="store_true", help="answer yes where the settings have nobody approve")
    run = commands.add_parser("run", parents=[users, named, link, common], help="run a request, or go on with a run")
    run.set_defaults(command=_run)
    check = commands.add_parser("check", parents=[users, common], help="check a request and AWS, and change nothing")
    check.set_defaults(command=_check)
    undo = commands.add_parser("undo", parents=[named, link, common], help="delete the users whom an import created")
    undo.add_argument("run", metavar="RUN", help="name of the import, or its id in Airflow")
    undo.add_argument("--admin", metavar="ADDRESS", help="who gets the report; default: who got the import's")
    undo.add_argument("--dry-run", action="store_true", help="change nothing, report who would be deleted")
    undo.set_defaults(command=_undo)
    report = commands.add_parser("report", parents=[link, common], help="mail a run's report again, with a new link")
    report.add_argument("run", metavar="RUN", help="name of the run, or its id in Airflow")
    report.add_argument("--admin", metavar="ADDRESS", help="where this run's mails go from now on")
    report.set_defaults(command=_report)
    return whole


def _run(options: argparse.Namespace, deployment: Deployment) -> bool:
    from cognito_import.cli.requests import request_of
    from cognito_import.cli.running import run

    folder = deployment.folder(options.name or new_run_name(datetime.now(UTC)))
    request = request_of(options, folder)
    if request is None and options.name is None:
        message = "There is nothing to do; expected a list of users, --request or --name."
        raise RequestError(message)
    return run(request, folder, deployment, yes=options.yes, link_profile=options.link_profile)


def _check(options: argparse.Namespace, deployment: Deployment) -> bool:
    from cognito_import.cli.read_only import ReadOnlyS3
    from cognito_import.cli.requests import request_of
    from cognito_import.cli.running import make_ready, read
    from cognito_import.cli.terminal import say

    deployment.s3 = ReadOnlyS3(deployment.s3)
    folder = deployment.folder(new_run_name(datetime.now(UTC), "check"))
    request = request_of(options, folder)
    if request is None:
        message = "There is nothing to check; expected a list of users, or --request."
        raise RequestError(message)
    manifest = read({**request, "dry_run": True}, folder, deployment)
    rejected = folder.progress().outcomes
    found = ((rejected[number], cells) for number, cells in enumerate(folder.cells(), start=1) if number in rejected)
    for outcome, cells in islice(found, MAX_ROWS):
        say(f"row {cells['row']}: {outcome.code}: {addresses.hidden(outcome.message)}")
    if (more := len(rejected) - MAX_ROWS) > 0:
        say(f"and {more:,} more rows")
    make_ready(folder, deployment)  # it logs what a run can live with
    say(
        f"{manifest.users:,} users: {manifest.users - len(rejected):,} to process, {len(rejected):,} rejected. AWS is ready."
    )
    return not rejected


def _undo(options: argparse.Namespace, deployment: Deployment) -> bool:
    from cognito_import.cli.running import run

    undone = _there(options, deployment)
    request = {"undo": undone.run, "adminemail": options.admin or undone.required_manifest().adminemail}
    if options.dry_run:
        request["dry_run"] = True
    folder = deployment.folder(options.name or new_run_name(datetime.now(UTC), "undo"))
    return run(request, folder, deployment, yes=options.yes, link_profile=options.link_profile)


def _report(options: argparse.Namespace, deployment: Deployment) -> bool:
    from cognito_import.cli.running import report

    folder = _there(options, deployment)
    if options.admin is not None:
        folder.correct_adminemail(administrator(options.admin, deployment.settings))
    return report(folder, deployment, options.link_profile, anew=True)


def _there(options: argparse.Namespace, deployment: Deployment) -> RunFolder:
    """Return the folder of the run that is named, which has to be there."""
    folder = deployment.folder(options.run)
    if folder.manifest() is None:
        message = f"There is no run {folder.run} in s3://{folder.bucket}; expected a run's name, or its id in Airflow."
        raise RequestError(message)
    return folder
