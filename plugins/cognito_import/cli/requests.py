"""The request of a command: out of a file of JSON, or a list of users and options."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cognito_import.errors import RequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from cognito_import.run.folder import RunFolder

OPTIONS = {
    "admin": "adminemail",
    "jobtype": "jobtype",
    "existing": "existing_users",
    "invite": "invite",
    "resend_invitation": "resend_invitation",
    "create_groups": "create_groups",
    "dry_run": "dry_run",
}
"""The options that are keys of a request."""


def request_of(options: Namespace, folder: RunFolder) -> dict[str, Any] | None:
    """Return the request that the options name, None where they name none. Raises RequestError.

    A list on this machine is put into the run's `folder`, from where it is read like any other source.
    """
    keys = {key: value for name, key in OPTIONS.items() if (value := getattr(options, name, None)) is not None}
    if options.request is None and options.list is None:
        if keys:
            message = f"{', '.join(sorted(keys))} is given without users; expected a list, or --request."
            raise RequestError(message)
        return None
    request: Any = {} if options.request is None else _json(options.request)
    if not isinstance(request, dict):
        message = f"The request in {options.request} is no JSON object; expected one with 'adminemail' and 'source'."
        raise RequestError(message)
    if request.get("engine") not in (None, "", "mapped"):
        message = (
            f"'engine' is {request['engine']!r}; expected nothing or 'mapped': this process makes the calls itself."
        )
        raise RequestError(message)
    if options.list is not None:
        keys["source"] = options.list if options.list.startswith("s3://") else _put(Path(options.list), folder)
    return {**request, **keys}


def _json(path: str) -> Any:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"The request in {path} cannot be read: {error}."
        raise RequestError(message) from error
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"The request in {path} is no JSON: {error}."
        raise RequestError(message) from error.with_traceback(None)


def _put(path: Path, folder: RunFolder) -> str:
    try:
        return folder.put_list(path.name, path.read_bytes())
    except OSError as error:
        message = f"The list {path} cannot be read: {error}."
        raise RequestError(message) from error
