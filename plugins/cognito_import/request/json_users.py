"""JSON arrays and JSON Lines of any size, read one user at a time.

The standard library parses each user by itself, so that a value which it cannot take costs one user and not the list.
ijson 3.6.0 was tried for the array: a number of 5,000 digits ends the process (segmentation fault), and half a
surrogate pair silently becomes a question mark.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from cognito_import.errors import SourceError
from cognito_import.request.fields import Given

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

MAX_USER_BYTES: Final = 16 * 1024 * 1024
"""Characters. More without an end is no user but a quote or a bracket that is not closed."""

_CHUNK: Final = 256 * 1024
_EXACT_DIGITS: Final = 300
_START: Final = re.compile(r'\s*(\{\s*"data"\s*:\s*)?\[')
_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*+("?)|[\[\]{},]', re.DOTALL)
_KINDS: Final = {"{": "an object", '"': "a text", "t": "true or false", "f": "true or false", "n": "null"}


def read_json(text: TextIO, name: str) -> Iterator[Given]:
    """Yield the users of an array, or of an object with `data` alone. Raises SourceError for what is neither."""
    for number, (line, user) in enumerate(_elements(text, name), start=1):
        try:
            yield _parsed(number, user)
        except json.JSONDecodeError as error:
            where = f"line {line + error.lineno - 1:,}"
            message = (
                f"'source' {name} is not JSON at user {number:,}, {where}: {error.msg}; expected an array of users."
            )
            raise SourceError(message) from None  # the cause holds somebody's data


def read_json_lines(text: TextIO, name: str) -> Iterator[Given]:
    """Yield the user of each line that is not blank. Raises SourceError for a line that is not JSON."""
    number = 0
    while line := text.readline(MAX_USER_BYTES):
        number += 1
        if not line.strip():
            continue
        try:
            yield _parsed(number, line)
        except json.JSONDecodeError:
            message = f"'source' {name}, line {number:,} is not JSON; expected one user, an object, in each line."
            raise SourceError(message) from None  # the cause holds somebody's data


def _parsed(number: int, text: str) -> Given:
    try:
        return Given(number, _DECODER.decode(text))
    except RecursionError:
        return Given(number, None, problem="The user is nested too deeply; expected an object of texts and arrays.")


def _integer(digits: str) -> int | float:
    """Return a number that Python would refuse to read, or to write again, as infinity."""
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


_DECODER: Final = json.JSONDecoder(parse_int=_integer, strict=False)
"""Not strict: a control character in a text is for the check of that user."""


def _elements(text: TextIO, name: str) -> Iterator[tuple[int, str]]:
    """Split an array into its elements, unparsed, each with the line that it begins in."""
    buffer = text.read(_CHUNK)
    start = _START.match(buffer)
    if start is None:
        message = f"'source' {name} is {_kind(buffer)}; expected an array of users, or an object with 'data' alone."
        raise SourceError(message)
    line = 1 + buffer.count("\n", 0, start.end())
    # `begin` is where the element begins, `at` up to where the buffer has been looked through.
    begin = at = start.end()
    depth, elements = 0, 0
    while True:
        mark = _MARK.search(buffer, at)
        if mark is None or mark[1] == "":
            # Nothing more, or a text that goes on. As much again is read as there is: few passes, whatever the length.
            rest = buffer[begin:]
            more = text.read(max(_CHUNK, len(rest)))
            if not more or len(rest) > MAX_USER_BYTES:
                message = (
                    f"'source' {name} is not JSON: user {elements + 1:,}, line {line:,}, does not end; expected an array of "
                    "users. Look for a bracket or a quote that is not closed."
                )
                raise SourceError(message)
            at = (mark.start() if mark else len(buffer)) - begin
            buffer, begin = rest + more, 0
            continue
        at = mark.end()
        character = mark[0]
        if depth == 0 and character in {",", "]"}:
            element = buffer[begin : mark.start()]
            if character == "," or element.strip() or elements:
                yield line, element
            if character == "]":
                break
            elements += 1
            line += element.count("\n")
            begin = at
        else:
            depth += (character in {"[", "{"}) - (character in {"]", "}"})
    _reject_more(buffer[at:] + text.read(_CHUNK), "}" if start[1] else "", name)


def _reject_more(rest: str, expected: str, name: str) -> None:
    if rest.strip() != expected:
        message = (
            f"'source' {name} goes on after its array of users; expected an array, or an object with 'data' alone."
        )
        raise SourceError(message)


def _kind(text: str) -> str:
    start = text.lstrip()[:1]
    return _KINDS.get(start) or ("a number" if start.isdecimal() or start == "-" else "not JSON")
