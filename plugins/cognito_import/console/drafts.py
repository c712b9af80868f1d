"""A list of users on its way to a run: read as people have it, checked by the core, corrected row by row, stored as a `source`.

::

    console/drafts/{owner}/{token}.jsonl.gz   what was understood of a list, one user a line
    console/sources/{token}.csv               the users who passed, which a run reads

Each correction makes another draft, so that nothing is changed that a person is looking at. Whoever else knows the token finds
no draft: the folder's name is made of the owner's id. All of it may be deleted after days; a run keeps its own copy of its users.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import uuid
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Final

from cognito_import.console.workbooks import read_workbook
from cognito_import.errors import RequestError
from cognito_import.outcomes import Outcome
from cognito_import.report.reasons import translated
from cognito_import.request.fields import USER_FIELDS, Given, is_attribute
from cognito_import.request.model import UserRow
from cognito_import.request.sources import ENDINGS, cells_of, read_file
from cognito_import.request.tables import read_csv
from cognito_import.request.users import check_users
from cognito_import.run.shared_objects import SharedObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_s3.client import S3Client

    from cognito_import.settings import Settings

ROOT: Final = "console/"
FORMATS: Final = (*ENDINGS, "xlsx", "text")
MAX_UPLOAD_BYTES: Final = 32 * 1024 * 1024
"""Bytes. 300,000 users take about 15 MB; a larger list is put into S3, which takes 256 MB."""
MAX_PROBLEMS: Final = 500
"""How many problems a page shows at once; the next ones come when these are solved."""
MAX_FIRST: Final = 50

_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Checked:
    """What the core's check says of a list: the rows that may be imported, and what is wrong with the others."""

    good: list[tuple[Given, UserRow]]
    problems: list[tuple[Given, Outcome]]

    def as_json(self, token: str, locale: str) -> dict[str, Any]:
        """Return what the page shows, sentences in `locale`."""
        shown = [(given, outcome) for given, outcome in self.problems[:MAX_PROBLEMS]]
        first = self.good[:MAX_FIRST]
        rows = [_shown(given) for given, _ in (*shown, *first)]
        groups: dict[str, int] = {}
        for _, row in self.good:
            for group in row.groups:
                groups[group] = groups.get(group, 0) + 1
        return {
            "token": token,
            "users": len(self.good) + len(self.problems),
            "good": len(self.good),
            "wrong": len(self.problems),
            "columns": list(dict.fromkeys(name for row in rows for name in row)),
            "problems": [
                {
                    "row": given.number,
                    "cells": _shown(given),
                    "code": outcome.code,
                    "message": translated(outcome.message, locale),
                }
                for given, outcome in shown
            ],
            "first": [{"row": given.number, "cells": _shown(given)} for given, _ in first],
            "groups": groups,
        }


def read(file: IO[bytes], kind: str, name: str, *, delete: bool) -> list[Given]:
    """Return the users of an upload, `kind` one of FORMATS: `text` is pasted. Raises SourceError.

    `name` is what errors call a file; `delete` is as for :func:`~cognito_import.request.tables.read_csv`.
    """
    if kind == "text":
        text = io.TextIOWrapper(file, "utf-8", "replace", newline="")
        return list(read_csv(text, "'lines'", delete=delete, header_needed=False))
    if kind == "xlsx":
        return list(read_file(read_workbook(file, name), "csv", name, delete=delete))
    return list(read_file(file, kind, name, delete=delete))


def corrected(users: Iterable[Given], edits: Mapping[str, Mapping[str, str] | None]) -> list[Given]:
    """Return the users with the cells of `edits`, by row: an empty cell is as none, and None leaves the user out."""
    found = []
    for given in users:
        edit = edits.get(str(given.number), {})
        if edit is not None:
            found.append(_edited(given, edit) if edit else given)
    return found


def check(
    users: Iterable[Given], settings: Settings, jobtype: str, *, case_sensitive: Callable[[], bool] = lambda: False
) -> Checked:
    """Check users as a run does. Raises RequestError for a list that is empty or too long.

    `case_sensitive` is as for :func:`~cognito_import.request.users.check_users`.
    """
    given = list(users)
    checked = Checked([], [])
    rows = check_users(
        given,
        settings.default_groups,
        jobtype,
        allowed_groups=settings.groups_allowed(),
        case_sensitive=case_sensitive,
    )
    try:
        for user, row in zip(given, rows, strict=False):
            if isinstance(row, Outcome):
                checked.problems.append((user, row))
            else:
                checked.good.append((user, row))
        next(rows, None)
    except RequestError:
        if not checked.problems or len(checked.good) + len(checked.problems) < len(given):
            raise  # that nobody is left the rows say themselves
    return checked


class Drafts:
    """The drafts of one person in the report bucket. Every method raises RunFolderError where S3 fails."""

    def __init__(self, s3: S3Client, bucket: str, owner: str) -> None:
        """Take the id of whoever the drafts belong to."""
        self._bucket = bucket
        folder = hashlib.sha256(owner.encode()).hexdigest()[:24]
        self._drafts = SharedObjects(s3, bucket, f"{ROOT}drafts/{folder}/")
        self._sources = SharedObjects(s3, bucket, f"{ROOT}sources/")

    def store(self, users: Iterable[Given]) -> str:
        """Store a draft and return its token."""
        token = uuid.uuid4().hex
        lines = (json.dumps([one.number, one.user, one.extra, one.problem], separators=(",", ":")) for one in users)
        self._drafts.write(f"{token}.jsonl.gz", gzip.compress("\n".join(lines).encode(), 5))
        return token

    def load(self, token: str) -> list[Given] | None:
        """Return a draft's users, or None if there is none of that token."""
        found = self._drafts.read(f"{token}.jsonl.gz") if _TOKEN.fullmatch(token) else None
        return None if found is None else [Given(*json.loads(line)) for line in gzip.decompress(found).splitlines()]

    def publish(self, checked: Checked) -> str:
        """Store the users who passed as a CSV and return its s3:// address."""
        name = f"{uuid.uuid4().hex}.csv"
        self._sources.write(name, source(checked))
        return f"s3://{self._bucket}/{ROOT}sources/{name}"


def source(checked: Checked) -> bytes:
    """Return the users who passed as a CSV that a run reads alike; a user keeps the row that it had, if it was not the first."""
    users = [(given.number, cells_of(given)) for given, _ in checked.good]
    columns = [
        "useremail",
        *dict.fromkeys(name for _, cells in users for name in cells if name not in ("row", "useremail")),
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    line = 1
    for (number, cells), (_, row) in zip(users, checked.good, strict=True):
        text.write("\r\n" * max(0, number - line - 1))
        line = max(line + 1, number)
        writer.writerow([row.useremail if name == "useremail" else cells.get(name, "") for name in columns])
    return text.getvalue().encode("utf-8", "replace")


def _shown(given: Given) -> dict[str, str]:
    """Return the cells of a user as they can be corrected."""
    if not isinstance(given.user, dict):
        return {"useremail": _cell(given.user), **given.extra}
    user = {**given.user}
    attributes = user.pop("attributes", None)
    cells = {
        "useremail": "",
        **{name: _cell(value, name) for name, value in user.items() if value is not None},
        **given.extra,
    }
    if isinstance(attributes, dict):
        return {**cells, **{name: _cell(value) for name, value in attributes.items()}}
    return cells if attributes is None else {**cells, "attributes": _cell(attributes)}


def _cell(value: object, name: str = "") -> str:
    if isinstance(value, str):
        return value
    kind = USER_FIELDS.get(name)
    return (kind.shown(value) if kind else None) or json.dumps(value, ensure_ascii=False)


def _edited(given: Given, edit: Mapping[str, str]) -> Given:
    user: dict[str, Any] = {**given.user} if isinstance(given.user, dict) else {"useremail": given.user}
    attributes = user.get("attributes")
    attributes = {**attributes} if isinstance(attributes, dict) else {}
    extra = {**given.extra}
    for name, text in edit.items():
        if name in extra:
            extra[name] = text
        elif name in attributes or is_attribute(name):
            attributes[name] = text
        else:
            kind = USER_FIELDS.get(name)
            user[name] = kind.read(text) if kind and kind.read and text.strip() else text
    if isinstance(user.get("attributes"), dict) or attributes:
        user["attributes"] = {name: value for name, value in attributes.items() if value != ""}
    kept = {name: value for name, value in user.items() if name == "useremail" or value != ""}
    return replace(given, user=kept, extra=extra, problem="")
