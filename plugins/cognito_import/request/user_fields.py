"""The checks of one user's fields, each by itself."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from cognito_import.request.fields import (
    MAX_ATTRIBUTE_LENGTH,
    MAX_FIELD_LENGTH,
    MAX_USERNAME_LENGTH,
    STANDARD_ATTRIBUTES,
    flag,
    is_attribute,
)
from cognito_import.values import describe_type, did_you_mean

MAX_NAME_LENGTH: Final = 40
"""Characters of a field's or an attribute's name that a message shows."""
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, and half a surrogate pair, which UTF-8 cannot encode."""


class RowProblemError(Exception):
    """Carries the code and the message of a row that cannot be processed."""

    def __init__(self, code: str, message: str) -> None:
        """Take what the outcome says."""
        super().__init__(message)
        self.code = code


def check_address(value: object, address: str) -> None:
    """Raise RowProblemError unless `address`, made of `value`, can be a username that is an e-mail address."""
    code = "InvalidAddress"
    if not isinstance(value, str):
        missing = "is missing" if value is None else f"is {describe_type(value)}"
        raise RowProblemError(code, f"useremail {missing}; expected an e-mail address.")
    if not address:
        raise RowProblemError(code, "useremail is empty; expected an e-mail address.")
    if len(address) > MAX_USERNAME_LENGTH:
        message = f"useremail has {len(address):,} characters; Cognito takes at most {MAX_USERNAME_LENGTH}."
        raise RowProblemError(code, message)
    # AdminCreateUser's Username allows letters, marks, symbols, numbers and punctuation (its API reference), so no
    # white space, control or invisible character. All else that may be wrong with an address is Cognito's to say.
    for character in address:
        if unicodedata.category(character)[0] in "ZC":
            message = f"useremail contains the character U+{ord(character):04X} (white space or invisible)."
            raise RowProblemError(code, message)
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or "@" in local:
        raise RowProblemError(code, "useremail is not an e-mail address: expected one '@' with a name and a domain.")


def check_text(code: str, name: str, value: object) -> None:
    """Raise RowProblemError, with `code`, unless the value called `name` is a text that can be stored."""
    if not isinstance(value, str):
        raise RowProblemError(code, f"{name} is {describe_type(value)}; expected a text.")
    if len(value) > MAX_ATTRIBUTE_LENGTH:
        message = f"{name} has {len(value):,} characters; expected at most {MAX_ATTRIBUTE_LENGTH:,}."
        raise RowProblemError(code, message)
    if wrong := _NO_TEXT.search(value):
        message = f"{name} contains U+{ord(wrong[0]):04X}, which is no character; correct it."
        raise RowProblemError(code, message)


def flag_of(name: str, value: object) -> bool | None:
    """Return what the field `name` says, None if nothing. Raises RowProblemError."""
    said = flag(value)
    if value is not None and said is None:
        raise RowProblemError("InvalidFlag", f"{name} is {describe_type(value)}; expected true or false.")
    return said


def attributes_of(value: object) -> dict[str, str]:
    """Return the attributes that a row gives. Raises RowProblemError."""
    code = "InvalidAttribute"
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RowProblemError(code, f"attributes is {describe_type(value)}; expected an object of name to text.")
    for name, text in value.items():
        if name == "email_verified":
            raise RowProblemError(code, "The attribute 'email_verified' cannot be given: it is a field of the user.")
        if name in {"email", "sub"}:
            raise RowProblemError(code, f"The attribute {name!r} cannot be given: the import sets it from useremail.")
        if not is_attribute(name):
            hint = did_you_mean(name[:MAX_NAME_LENGTH], STANDARD_ATTRIBUTES)
            message = f"Unknown attribute {name[:MAX_NAME_LENGTH]!r}{hint}; expected a standard one, or custom:NAME."
            raise RowProblemError("UnknownAttribute", message)
        check_text(code, f"The attribute {name!r}", text)
    return dict(value)


def reject_huge(user: dict[str, Any]) -> None:
    """Raise RowProblemError for a field that is larger than anything that a user needs."""
    for name, value in user.items():
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,)
        length = sum(len(text) for text in (name, *texts) if isinstance(text, str))
        if length > MAX_FIELD_LENGTH:
            message = f"{name[:MAX_NAME_LENGTH]!r} holds {length:,} characters; expected at most {MAX_FIELD_LENGTH:,}."
            raise RowProblemError("TooLong", message)
