"""How values are named in messages, and the checks that more than one module makes of them."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAIL_ADDRESS: Final = re.compile(
    r"[^@\s,;<>()\[\]\\\"\x00-\x1f\x7f]+@[^@\s,;<>()\[\]\\\"\x00-\x1f\x7f]+\.[^@\s.,;<>]+"
)
_MAX_ADDRESS_LENGTH: Final = 254


def describe_type(value: object) -> str:  # noqa: PLR0911 - one line for each kind
    """Name the kind of a JSON value for a message, never its content: 'a number', 'an array of 3'."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case "":
            return "an empty text"
        case str():
            return f"a text of {len(value):,} character{'s' * (len(value) != 1)}"
        case list() | tuple():
            return f"an array of {len(value):,}" if value else "an empty array"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that `word` probably meant, with a leading space, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def is_mail_address(value: str) -> bool:
    """Return whether mail can be sent to `value`: one plain address, no display name, list or line break."""
    return len(value) <= _MAX_ADDRESS_LENGTH and _MAIL_ADDRESS.fullmatch(value) is not None


def is_at(address: str, domains: Iterable[str]) -> bool:
    """Return whether `address` is at one of `domains`, in upper or lower case."""
    return address.rpartition("@")[2].lower() in {domain.lower() for domain in domains}


def aware(moment: datetime) -> datetime:
    """Return `moment`, or raise ValueError if it has no time zone: it would be read in the machine's own."""
    if moment.tzinfo is None:
        message = f"{moment} has no time zone"
        raise ValueError(message)
    return moment
