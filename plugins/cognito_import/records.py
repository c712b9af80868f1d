"""How records are checked: settings, requests and stored JSON are pydantic dataclasses, and one message names all problems."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from cognito_import.errors import RunFolderError
from cognito_import.values import describe_type, did_you_mean, is_mail_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
"""A record takes what its fields name and nothing else, and no error of pydantic's shows a value."""

_PROBLEM: Final = "problem"
_WORD: Final = re.compile(r"\w[\w-]{0,39}", re.ASCII)


def matching(pattern: str, expected: str = "") -> Any:
    """Return the constraint of a text that matches `pattern` as a whole; `expected` is what messages ask for."""
    return Field(pattern=rf"^(?:{pattern})$", description=expected or None)


def problem(text: str) -> PydanticCustomError:
    """Return the error that a validator raises to have `text`, a clause without its full stop, said as it is."""
    return PydanticCustomError(_PROBLEM, "{text}", {"text": text})


def problems(error: ValidationError, model: type[Any], given: Mapping[str, Any], noun: str) -> Iterator[str]:
    """Yield what is wrong with `given`, one clause for each key: its name, the kind of its value, and what was expected.

    `noun` is what a key of the record `model` is called, such as "a setting". No clause holds a value.
    """
    fields = model.__pydantic_fields__
    named = set()
    # A misspelt key first: it explains the one that is missing.
    for details in sorted(
        error.errors(include_url=False), key=lambda one: one["type"] != "unexpected_keyword_argument"
    ):
        if not details["loc"]:
            yield details["msg"]
            continue
        key, path = str(details["loc"][0]), details["loc"][1:]
        if key in named:
            continue
        named.add(key)
        if details["type"] == _PROBLEM:
            yield details["msg"]
        elif key not in fields:
            yield f"{key!r} is not {noun}{did_you_mean(key, fields)}; expected one of {', '.join(fields)}"
        elif key not in given:
            yield f"{key!r} is missing; expected {fields[key].description}"
        else:
            expected = fields[key].description or details["ctx"]["expected"]
            shown = describe_type(given[key]) if path else _shown(details)
            yield f"{key!r} is {shown}{_inside(path, details)}; expected {expected}"


def _inside(path: tuple[int | str, ...], details: ErrorDetails) -> str:
    """Say where in a value the problem is, if not in the value as a whole."""
    if not path:
        return ""
    if path[-1] == "[key]":
        return f" (the key {path[-2]!r} is not allowed)"
    where = " of ".join(f"item {part + 1}" if isinstance(part, int) else repr(part) for part in reversed(path))
    what = {"missing": "missing", "unexpected_keyword_argument": "not known"}.get(details["type"])
    return f" ({where} is {what or _shown(details)})"


def _shown(details: ErrorDetails) -> str:
    """Name the kind of a wrong value, or a misspelt choice itself: a word that stands where one of few words belongs."""
    value = details["input"]
    if details["type"] == "literal_error" and isinstance(value, str) and _WORD.fullmatch(value):
        return f"{value!r}{did_you_mean(value, re.findall(_WORD, details['ctx']['expected']))}"
    return describe_type(value)


class Record:
    """A record that is stored as JSON."""

    __slots__ = ()

    @classmethod
    def from_json(cls, text: bytes, place: str) -> Self:
        """Return the record that is stored at `place`. Raises RunFolderError for anything else than a whole one."""
        try:
            read: Self = _adapter(cls).validate_json(text)  # type: ignore[arg-type]  # mypy takes no class for hashable
        except ValidationError as error:
            found = "; ".join(map(_misfit, error.errors(include_url=False)))
            message = (
                f"{place} is not what this version stores: {found}. A run of another version, or one whose files were changed "
                "by hand, cannot go on; start a new one."
            )
            raise RunFolderError(message) from None  # pydantic's error holds the values
        return read

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the record that :meth:`to_dict` gave."""
        return cls.from_json(json.dumps(fields).encode(), "What was handed over")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as an object of JSON."""
        fields: dict[str, Any] = json.loads(self.to_json())
        return fields

    def to_json(self) -> bytes:
        """Return the record as it is stored."""
        return _adapter(type(self)).dump_json(self)  # type: ignore[arg-type]  # as above


@cache
def _adapter(model: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _misfit(details: ErrorDetails) -> str:
    where = ".".join(map(str, details["loc"]))
    return f"{where!r} is {_shown(details)} ({details['msg']})" if where else details["msg"]


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, OSError) as error:  # OSError: a folder of zones, such as Asia
        raise ValueError from error


def _address(value: str) -> str:
    if not is_mail_address(value):
        raise ValueError
    return value


def _encodable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_encodable)]
"""Any text that somebody else wrote; half a surrogate pair in it, which UTF-8 cannot encode, becomes its escape."""
ZoneName = Annotated[str, matching(r"[\w+/-]+"), AfterValidator(_zone)]
"""A name from the IANA time zone database."""
MailAddress = Annotated[str, AfterValidator(_address)]
"""An address that mail can be sent to."""
