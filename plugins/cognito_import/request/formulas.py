"""Fields that a spreadsheet would run as a formula: made harmless, and read back."""

from __future__ import annotations

import re
from typing import Final

# OWASP, "CSV Injection": = + - @ TAB CR LF and the full-width signs. With them go the small and mathematical
# forms that a spreadsheet may fold into them, and whatever is trimmed or not seen in front. Apostrophes in
# front count too, so that no field looks like another one neutralised and a reader can undo it. A "-" alone,
# the message of a success, is no formula.
_FORMULA: Final = re.compile(
    r"(?!-\Z)'*(?:[\t\r\n]"
    r"|[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212])"
)


def neutral(value: str) -> str:
    """Return `value` with an apostrophe in front if a spreadsheet would run it."""
    return f"'{value}" if _FORMULA.match(value) else value


def original(value: str) -> str:
    """Return the value that :func:`neutral` was given."""
    return value[1:] if value.startswith("'") and _FORMULA.match(value[1:]) else value
