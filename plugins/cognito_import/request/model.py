"""The request: parsed and checked before any user is read.

A request that cannot be run raises :class:`~cognito_import.errors.RequestError`. Its users are checked by `user_checks`.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from cognito_import.errors import RequestError
from cognito_import.records import STRICT, Record, problem, problems
from cognito_import.settings import Engine, ExistingUsers, Flag, JobType, Settings
from cognito_import.values import describe_type, is_at, is_mail_address

WAYS: Final = ("data", "source", "lines", "undo")
"""The keys that say which users; a request has one of them."""

_ADMINISTRATOR: Final = "the address that the report is mailed to"
_DATA: Final = "a non-empty array of objects such as [{'useremail': 'user01@example.com'}]"
_LINES: Final = "text with a user in each line"
_UNDONE: Final = ("import", "delete")
"""The jobtypes that a request may name beside `undo`: the trigger form sends its default, and an undo deletes."""
_SOURCE: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(\S(?:.*\S)?)")


def _address(value: object) -> str:
    if value is None:
        message = f"'adminemail' is missing; expected {_ADMINISTRATOR}"
        raise problem(message)
    if not isinstance(value, str) or not is_mail_address(value.strip(" ")):
        broken = " with a line break" if isinstance(value, str) and len(value.splitlines()) > 1 else ""
        message = f"'adminemail' is {describe_type(value)}{broken} that is no single e-mail address; expected {_ADMINISTRATOR}"
        raise problem(message)
    return value.strip(" ")


def _place(value: object) -> object:
    """Return the bucket and the key of an s3:// address, and what is none as it is."""
    match = _SOURCE.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else match.groups()


def _lines(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        message = f"'lines' is empty; expected {_LINES}"
        raise problem(message)
    return value


@dataclass(frozen=True, slots=True, config=STRICT)
class ImportRequest:
    """A checked request: who gets the report, what to do, and where the users are (one of WAYS).

    Each field is a key of the request. One that has the name of a setting stands over it, for this run.
    """

    adminemail: Annotated[str, BeforeValidator(_address), Field(description=_ADMINISTRATOR)]
    jobtype: JobType = "import"
    engine: Engine = "mapped"
    existing_users: ExistingUsers = "fail"
    create_groups: Flag = False
    invite: Flag = False
    resend_invitation: Flag = False
    dry_run: Flag = False
    data: Annotated[list[Any] | None, Field(min_length=1, description=_DATA)] = None
    source: Annotated[
        tuple[str, str] | None,
        BeforeValidator(_place),
        Field(description="s3://bucket/key of a .csv, .json or .jsonl file"),
    ] = None
    lines: Annotated[str | None, BeforeValidator(_lines), Field(description=_LINES)] = None
    undo: Annotated[str | None, Field(description="the name of a finished import")] = None

    @classmethod
    def parse(cls, conf: object, settings: Settings) -> ImportRequest:
        """Check a DAG run's conf or a state machine's input.

        A key that is null or an empty text counts as left out, and so does an empty `data` beside another way: a
        trigger form sends every key. Raises RequestError, whose one message names every key that is wrong, the kind of its
        value and what was expected.
        """
        if not isinstance(conf, dict):
            message = (
                f"The request is {describe_type(conf)}; expected an object with 'adminemail' and 'data' or 'source'."
            )
            raise RequestError(message)
        given = {key: value for key, value in conf.items() if value not in (None, "")}
        if given.get("data") == [] and len(given.keys() & set(WAYS)) > 1:
            del given["data"]
        over = {key: getattr(settings, key) for key in KEYS if key in Settings.__slots__}
        found = [*_ways_problems(given), *_domain_problems(given.get("adminemail"), settings)]
        if not given.get("invite", over["invite"]):
            over["resend_invitation"] = False
            if given.get("resend_invitation") is True:
                found.append("'resend_invitation' is true and nobody is invited; expected 'invite': true beside it")
        if "undo" in given:
            if given.get("jobtype", "delete") not in _UNDONE:
                found.append("'jobtype' is given beside 'undo', which deletes users; expected nothing")
            given["jobtype"] = "delete"
        try:
            request = cls(**{**over, **given})
        except ValidationError as error:
            found = [*problems(error, cls, given, "a key of a request"), *found]
        if found:
            raise RequestError(_message(found)) from None  # pydantic's error holds the values
        return request


KEYS: Final = tuple(ImportRequest.__slots__)


@dataclass(frozen=True, slots=True, config=STRICT)
class UserRow(Record):
    """One user to process. `row` is the place in the request, counted from 1; `groups` are the groups to join.

    `username` and `until` are of an undo: the user whom the import created, and when the import had finished with it (ISO
    8601). `email_verified` and `enabled` are None where the row does not say so: a new user is both.
    """

    row: int
    useremail: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    email_verified: bool | None = None
    enabled: bool | None = None
    username: str = ""
    until: str = ""


def administrator(value: object, settings: Settings) -> str:
    """Return the address of a request's `adminemail` if reports may be mailed to it. Raises RequestError."""
    try:
        address = _address(value)
    except PydanticCustomError as error:
        raise RequestError(_message([error.message()])) from None
    if found := _domain_problems(address, settings):
        raise RequestError(_message(found))
    return address


def _domain_problems(value: object, settings: Settings) -> list[str]:
    """Say if reports may not be mailed to an address because of where it is."""
    allowed = settings.allowed_admin_domains
    if (
        not isinstance(value, str)
        or not is_mail_address(value.strip(" "))
        or not allowed
        or is_at(value.strip(" "), allowed)
    ):
        return []
    at = value.strip(" ").rpartition("@")[2].lower()
    expected = f"expected one at {' or '.join(allowed)} (setting 'allowed_admin_domains')"
    return [f"'adminemail' is an address at {at!r}, where no report may be mailed; {expected}"]


def _ways_problems(given: dict[str, Any]) -> list[str]:
    """Say if a request does not have exactly one of the keys that hold the users."""
    match [way for way in WAYS if way in given]:
        case [_]:
            return []
        case []:
            expected = f"expected 'data', {_DATA}, 'source', an s3:// address, or 'lines', {_LINES}"
            return [f"'data', 'source' and 'lines' are all missing; {expected}"]
        case [*ways]:
            number = "both" if len(ways) == 2 else "all"  # noqa: PLR2004
            return [f"{' and '.join(map(repr, ways))} are {number} given; expected one of them"]


def _message(found: list[str]) -> str:
    if len(found) == 1:
        return f"{found[0]}."
    return f"The request has {len(found)} problems:" + "".join(f"\n- {clause}." for clause in found)
