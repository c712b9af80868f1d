"""What the core's check says of a list, how its cells are corrected, and the `source` that is made of it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cognito_import.errors import RequestError
from cognito_import.outcomes import Outcome
from cognito_import.report.reasons import translated
from cognito_import.request.fields import USER_FIELDS, Given, is_attribute
from cognito_import.request.model import UserRow
from cognito_import.request.sources import cells_of
from cognito_import.request.users import check_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cognito_import.settings import Settings

MAX_PROBLEMS: Final = 500
"""How many problems a page shows at once; the next ones come when these are solved."""
MAX_FIRST: Final = 50
MAX_GROUPS: Final = 200
"""How many of the groups that rows name a page shows."""


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
            "groups": dict(self.groups().most_common(MAX_GROUPS)),
        }

    def groups(self) -> Counter[str]:
        """Return how many users join each group."""
        return Counter(group for _, row in self.good for group in row.groups)


def corrected(users: Iterable[Given], edits: Mapping[str, Mapping[str, str] | None]) -> list[Given]:
    """Return the users with the cells of `edits`, by row: an empty cell is as none, and None leaves the user out."""
    found = []
    for given in users:
        edit = edits.get(str(given.number), {})
        if edit is not None:
            found.append(_edited(given, edit) if edit else given)
    return found


def grouped(users: Iterable[Given], groups: Sequence[str] | None) -> Iterator[Given]:
    """Yield the users, each who names no groups with `groups`; None leaves such a user to the deployment's default groups."""
    for given in users:
        if groups is None or given.problem or not isinstance(given.user, (dict, str)):
            yield given
            continue
        user = given.user if isinstance(given.user, dict) else {"useremail": given.user}
        yield given if user.get("groups") is not None else replace(given, user={**user, "groups": [*groups]})


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
        elif name in user or name in USER_FIELDS:  # and no column that is read as another one since
            kind = USER_FIELDS.get(name)
            user[name] = kind.read(text) if kind and kind.read and text.strip() else text
    if isinstance(user.get("attributes"), dict) or attributes:
        user["attributes"] = {name: value for name, value in attributes.items() if value != ""}
    kept = {name: value for name, value in user.items() if name == "useremail" or value != ""}
    return replace(given, user=kept, extra=extra, problem="")
