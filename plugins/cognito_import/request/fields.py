"""What a list may say of a user: the fields, their limits, and the headers that people give them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

REPORTED: Final = ("useremail", "status", "message", "code", "username")
"""The columns that every report begins with. Behind them stand `row` and what the list said of the user."""

STANDARD_ATTRIBUTES: Final = frozenset(
    {
        "address", "birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname",
        "phone_number", "phone_number_verified", "picture", "preferred_username", "profile", "updated_at", "website",
        "zoneinfo",
    }
)  # fmt: skip
"""The OpenID Connect attributes that a row may set ("User pool attributes", Amazon Cognito Developer Guide). `email`
is not among them, for the import sets it from the address, and `email_verified` is a field of its own."""

MAX_USERNAME_LENGTH: Final = 128
MAX_ATTRIBUTE_LENGTH: Final = 2_048
MAX_GROUP_LENGTH: Final = 128
MAX_FIELD_LENGTH: Final = 50_000
"""Characters. Nothing that a user needs is near it."""
MAX_USERS: Final = 300_000
"""Batches of 300 then stay below Airflow's usual limit of 1,024 mapped tasks."""

GROUP_SEPARATOR: Final = ";"

_CUSTOM_ATTRIBUTE: Final = re.compile(r"custom:[\w.:-]{1,20}")
_NEARLY_CUSTOM: Final = re.compile(r"(?:custom[_. :-]*)?([A-Za-z][\w.-]{0,19})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Given:
    """What a list says of one user.

    `number` is the row in the file as a spreadsheet counts it (JSON Lines: the line, an array: the place), from 1.
    `user` is an object or a plain address, as in a request's `data`; `extra` are a CSV's columns that are no field of a
    user; `problem` is why the rest of the row could not be read, or empty.
    """

    number: int
    user: object
    extra: dict[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class UserField:
    """A field of a user, and the usual headers of its column: without white space, `_` and `-`, in lower case.

    `read` makes the field's value of a cell that is not empty; without it a table has no such column. `shown` makes of a
    value the cell that the report has beside the outcome, None for what the check rejects.
    """

    headers: tuple[str, ...] = ()
    read: Callable[[str], object] | None = None
    shown: Callable[[object], str | None] = lambda _: None


def _groups(cell: str) -> list[str]:
    # A separator alone means no group at all, as an empty array does.
    return [group for part in cell.split(GROUP_SEPARATOR) if (group := part.strip())]


def _groups_cell(groups: object) -> str | None:
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        return None
    return GROUP_SEPARATOR.join(groups) or GROUP_SEPARATOR


_YES: Final = frozenset({"true", "yes", "y", "1", "on", "はい"})
_NO: Final = frozenset({"false", "no", "n", "0", "off", "いいえ"})


def flag(value: object) -> bool | None:
    """Return what a flag says, a boolean or one of the usual words or numbers for it; None for anything else."""
    if isinstance(value, bool):
        return value
    word = normal(str(value)).lower() if isinstance(value, (str, int)) else ""
    return True if word in _YES else False if word in _NO else None


def _flag_cell(value: object) -> str | None:
    said = flag(value)
    return None if said is None else str(said).lower()


def _text_cell(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_ATTRIBUTE_LENGTH else None


USER_FIELDS: Final = {
    "useremail": UserField((
        "useremail", "email", "mail", "emailaddress", "mailaddress", "メールアドレス", "メール", "eメール", "電子メール",
    )),
    "external_id": UserField(("externalid",), str, _text_cell),
    "attributes": UserField(),  # a table has a column for each attribute
    "groups": UserField(("groups", "group", "グループ"), _groups, _groups_cell),
    "email_verified": UserField(("emailverified", "メール確認済み"), str, _flag_cell),
    "enabled": UserField(("enabled", "有効"), str, _flag_cell),
}  # fmt: skip
"""Beside this table only the check of a field's value, in `users`, and what is done with it know a field."""

COLUMN_FIELDS: Final = tuple(name for name, kind in USER_FIELDS.items() if kind.read)
"""The fields beside `useremail` that have a column of their own."""


def is_attribute(name: str) -> bool:
    """Return whether a row may set the attribute `name`: a standard one, or custom:NAME."""
    return name in STANDARD_ATTRIBUTES or _CUSTOM_ATTRIBUTE.fullmatch(name) is not None


def field_of(header: str) -> str:
    """Return the field that a column's header means, in any case and by its usual names; else the header itself."""
    shown = normal(header)
    return _FIELDS.get(_squeezed(shown)) or re.sub(r"(?i)\Acustom\s*:\s*", "custom:", shown)


def attribute_hint(column: str) -> str:
    """Return the custom attribute that an extra column's name may be meant for, or nothing."""
    match = _NEARLY_CUSTOM.fullmatch(column)
    return f"custom:{match[1]}" if match else ""


def normal(text: str) -> str:
    """Return `text` without white space around it, its full-width and half-width characters as usual (NFKC)."""
    return unicodedata.normalize("NFKC", text).strip()


def _squeezed(header: str) -> str:
    return re.sub(r"[\s_-]", "", header).lower()


_FIELDS: Final = {
    **{_squeezed(name): name for name in STANDARD_ATTRIBUTES},
    **{name: name for name in (*REPORTED, "row")},
    **{header: name for name, kind in USER_FIELDS.items() for header in kind.headers},
}
