"""The request, and the users in it: parsed and checked before any user is touched.

What is wrong with the request as a whole raises :class:`~cognito_import.errors.RequestError`; what is wrong with one
user becomes that row's outcome.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cognito_import.errors import RequestError
from cognito_import.outcomes import Outcome
from cognito_import.settings import ENGINES, JOB_TYPES
from cognito_import.values import is_at, is_mail_address, kind, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cognito_import.settings import Settings

KEYS: Final = ("data", "source", "adminemail", "jobtype", "engine")
USER_FIELDS: Final = ("useremail", "attributes", "groups")

STANDARD_ATTRIBUTES: Final = frozenset(
    {
        "address", "birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname",
        "phone_number", "phone_number_verified", "picture", "preferred_username", "profile", "updated_at", "website",
        "zoneinfo",
    }
)  # fmt: skip
"""The OpenID Connect attributes that a row may set ("User pool attributes", Amazon Cognito Developer Guide). `email`
and `email_verified` are not among them: the import sets both from the address."""

LONGEST_USERNAME: Final = 128
LONGEST_ATTRIBUTE: Final = 2_048
LONGEST_GROUP: Final = 128
LONGEST_FIELD: Final = 50_000
"""Characters. Nothing that a user needs is near it; a longer field is a broken file, not a wrong user."""
MOST_USERS: Final = 300_000
"""Batches of 300 then stay below Airflow's usual limit of 1,024 mapped tasks."""

_EXAMPLE: Final = "{'useremail': 'user01@example.com'}"
_CUSTOM_ATTRIBUTE: Final = re.compile(r"custom:[\w.:-]{1,20}")
_SOURCE: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(\S(?:.*\S)?)")


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A checked request: who gets the report, what to do, and where the users are (`data` or `source`, never both)."""

    adminemail: str
    jobtype: str
    engine: str
    data: list[dict[str, Any]] | None = None
    source: tuple[str, str] | None = None

    @classmethod
    def parse(cls, conf: object, settings: Settings) -> ImportRequest:
        """Check a DAG run's conf or a state machine's input.

        A key that is null or an empty text counts as left out, and so does an empty `data` beside a `source`: a
        trigger form sends every key. Raises RequestError, whose one message names the key, the kind of its value and
        what was expected.
        """
        if not isinstance(conf, dict):
            message = f"The request is {kind(conf)}; expected an object with 'adminemail' and 'data' or 'source'."
            raise RequestError(message)
        for key in conf:
            if key not in KEYS:
                message = f"{key!r} is not a key of a request{nearest(key, KEYS)}; expected {', '.join(KEYS)}."
                raise RequestError(message)
        given = {key: value for key, value in conf.items() if value not in (None, "")}
        if given.get("data") == [] and "source" in given:
            del given["data"]
        return cls(
            adminemail=_admin(given.get("adminemail"), settings),
            jobtype=_choice("jobtype", given.get("jobtype", "import"), JOB_TYPES),
            engine=_choice("engine", given.get("engine", settings.engine), ENGINES),
            data=_data(given),
            source=_source(given.get("source")),
        )


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user to process. `row` is the place in the request, counted from 1; `groups` are the groups to join."""

    row: int
    useremail: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> UserRow:
        """The row that :meth:`as_dict` wrote."""
        return cls(fields["row"], fields["useremail"], fields["attributes"], tuple(fields["groups"]))

    def as_dict(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return asdict(self)


def check_users(
    users: Iterable[object], default_groups: tuple[str, ...], jobtype: str = "import"
) -> Iterator[UserRow | Outcome]:
    """Check users one by one: a :class:`UserRow` for each that can be processed, else its failed outcome.

    `users` are objects as in the request's `data`. A user without `groups` (or with null) joins `default_groups`; an
    empty array means none. Of two addresses that differ by upper and lower case alone the first is kept, as Cognito
    does with its default of case-insensitive names. For a deletion only the address counts: `attributes` and `groups`
    are passed over unread, so that the list that made users can delete them again. Raises RequestError for an element
    that is no object, for a field longer than LONGEST_FIELD, for more than MOST_USERS, and at the end if there was
    none or none had an address.
    """
    first_rows: dict[str, int] = {}
    addressed = False
    row = 0
    for row, user in enumerate(users, start=1):
        if row > MOST_USERS:
            message = (
                f"There are more than {MOST_USERS:,} users; expected at most that many. Split them over several runs."
            )
            raise RequestError(message)
        if not isinstance(user, dict):
            message = f"User {row} of 'data' is {kind(user)}; expected an object such as {_EXAMPLE}."
            raise RequestError(message)
        _refuse_huge(user, row)
        addressed = addressed or "useremail" in user
        yield _check_user(user, row, default_groups, first_rows, jobtype)
    if row == 0:
        message = "There are no users; expected at least one."
        raise RequestError(message)
    if not addressed:
        message = f"None of the {row:,} users has a 'useremail'; expected one in each."
        raise RequestError(message)


class _RowProblemError(Exception):
    """Carries the code and the message of a row that cannot be processed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _check_user(
    user: dict[str, Any], row: int, default_groups: tuple[str, ...], first_rows: dict[str, int], jobtype: str
) -> UserRow | Outcome:
    value = user.get("useremail")
    address = value.strip() if isinstance(value, str) else ""
    try:
        _check_address(value, address)
        first = first_rows.setdefault(address.casefold(), row)
        if first != row:
            message = f"Duplicate of row {first:,} (upper and lower case count as the same)."
            raise _RowProblemError("DuplicateAddress", message)
        for key in user:
            if key not in USER_FIELDS:
                hint = "; put attributes under 'attributes'" if is_attribute(key) else nearest(key, USER_FIELDS)
                message = f"{key!r} is not a field of a user{hint}."
                raise _RowProblemError("UnknownField", message)
        if jobtype == "delete":
            return UserRow(row, address)
        return UserRow(row, address, _attributes(user.get("attributes")), _groups(user.get("groups"), default_groups))
    except _RowProblemError as problem:
        return Outcome.failed(row, address, problem.code, str(problem))


def _check_address(value: object, address: str) -> None:
    code = "InvalidAddress"
    if not isinstance(value, str):
        missing = "is missing" if value is None else f"is {kind(value)}"
        raise _RowProblemError(code, f"useremail {missing}; expected an e-mail address.")
    if not address:
        raise _RowProblemError(code, "useremail is empty; expected an e-mail address.")
    if len(address) > LONGEST_USERNAME:
        message = f"useremail has {len(address):,} characters; Cognito takes at most {LONGEST_USERNAME}."
        raise _RowProblemError(code, message)
    # AdminCreateUser's Username allows letters, marks, symbols, numbers and punctuation (its API reference), so no
    # white space, control or invisible character. All else that may be wrong with an address is Cognito's to say.
    for character in address:
        if unicodedata.category(character)[0] in "ZC":
            message = f"useremail contains the character U+{ord(character):04X} (white space or invisible)."
            raise _RowProblemError(code, message)
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or "@" in local:
        raise _RowProblemError(code, "useremail is not an e-mail address: expected one '@' with a name and a domain.")


def is_attribute(name: str) -> bool:
    """Whether a row may set the attribute `name`: a standard one, or custom:NAME."""
    return name in STANDARD_ATTRIBUTES or _CUSTOM_ATTRIBUTE.fullmatch(name) is not None


def _attributes(value: object) -> dict[str, str]:
    code = "InvalidAttribute"
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _RowProblemError(code, f"attributes is {kind(value)}; expected an object of name to text.")
    for name, text in value.items():
        if name in {"email", "email_verified", "sub"}:
            raise _RowProblemError(code, f"The attribute {name!r} cannot be given: the import sets it from useremail.")
        if not is_attribute(name):
            hint = nearest(name, STANDARD_ATTRIBUTES)
            message = f"Unknown attribute {name[:40]!r}{hint}; expected a standard one, or custom:NAME."
            raise _RowProblemError("UnknownAttribute", message)
        if not isinstance(text, str):
            raise _RowProblemError(code, f"The attribute {name!r} is {kind(text)}; expected a text.")
        if len(text) > LONGEST_ATTRIBUTE:
            message = (
                f"The attribute {name!r} has {len(text):,} characters; Cognito takes at most {LONGEST_ATTRIBUTE:,}."
            )
            raise _RowProblemError(code, message)
    return dict(value)


def _groups(value: object, default: tuple[str, ...]) -> tuple[str, ...]:
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(group, str) for group in value):
        raise _RowProblemError("InvalidGroup", f"groups is {kind(value)}; expected an array of group names.")
    for group in value:
        if not group or len(group) > LONGEST_GROUP or any(unicodedata.category(mark)[0] in "ZC" for mark in group):
            message = f"A group's name has {len(group):,} characters or a space; expected 1 to {LONGEST_GROUP} without spaces."
            raise _RowProblemError("InvalidGroup", message)
    return tuple(dict.fromkeys(value))


def _refuse_huge(user: dict[str, Any], row: int) -> None:
    """Raise RequestError for a user who is longer than any that an import can be meant to make."""
    for name, value in user.items():
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,)
        length = sum(len(text) for text in (name, *texts) if isinstance(text, str))
        if length > LONGEST_FIELD:
            message = (
                f"User {row:,}: {name[:40]!r} holds {length:,} characters; expected at most {LONGEST_FIELD:,}. "
                "The file looks broken there."
            )
            raise RequestError(message)


def _admin(value: object, settings: Settings) -> str:
    expected = "the address that the report is mailed to"
    if value is None:
        message = f"'adminemail' is missing; expected {expected}."
        raise RequestError(message)
    if not isinstance(value, str) or not is_mail_address(value.strip(" ")):
        broken = " with a line break" if isinstance(value, str) and len(value.splitlines()) > 1 else ""
        message = f"'adminemail' is {kind(value)}{broken} that is no single e-mail address; expected {expected}."
        raise RequestError(message)
    address = value.strip(" ")
    allowed = settings.allowed_admin_domains
    if allowed and not is_at(address, allowed):
        message = (
            f"'adminemail' is an address at {address.rpartition('@')[2].lower()!r}, where no report may be mailed; expected "
            f"one at {' or '.join(allowed)} (setting 'allowed_admin_domains')."
        )
        raise RequestError(message)
    return address


def _choice(key: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        shown = repr(value) if isinstance(value, str) and len(value) < LONGEST_GROUP else kind(value)
        message = f"{key!r} is {shown}; expected {' or '.join(map(repr, choices))}."
        raise RequestError(message)
    return value


def _data(given: dict[str, Any]) -> list[dict[str, Any]] | None:
    expected = f"a non-empty array of objects such as [{_EXAMPLE}]"
    if "data" in given and "source" in given:
        message = "'data' and 'source' are both given; expected one of them."
        raise RequestError(message)
    if "data" not in given:
        if "source" not in given:
            message = (
                f"'data' and 'source' are both missing; expected 'data', {expected}, or 'source', an s3:// address."
            )
            raise RequestError(message)
        return None
    data = given["data"]
    if not isinstance(data, list) or not data:
        message = f"'data' is {kind(data)}; expected {expected}."
        raise RequestError(message)
    for row, user in enumerate(data, start=1):
        if not isinstance(user, dict):
            message = f"User {row:,} of 'data' is {kind(user)}; expected an object such as {_EXAMPLE}."
            raise RequestError(message)
    return data


def _source(value: object) -> tuple[str, str] | None:
    if value is None:
        return None
    match = _SOURCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        message = f"'source' is {kind(value)}; expected s3://bucket/key of a .csv, .json or .jsonl file."
        raise RequestError(message)
    return match[1], match[2]
