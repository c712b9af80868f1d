"""Keeping addresses out of what operators read: task logs, the function's log, an execution's history.

Services quote addresses in their messages, and so do libraries. Whatever an error says is for the administrator's report
and mail; what leaves a task or the function says it without addresses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_PART: Final = r"[^@\s,;:'\"<>()\[\]{}\\=/]"
ADDRESS: Final = re.compile(rf"{_PART}+@{_PART}+")
HIDDEN: Final = "…"


def hidden(text: str, shown: Collection[str] = ()) -> str:
    """Return `text` with `…` in place of each address but those `shown`, such as the sender."""
    kept = {address.lower() for address in shown}

    def instead(found: re.Match[str]) -> str:
        return found[0] if found[0].rstrip(".").lower() in kept else HIDDEN

    return ADDRESS.sub(instead, text)


def hide_in(error: BaseException, shown: Collection[str] = ()) -> None:
    """Hide the addresses in `error` and in all that a traceback shows with it: causes, contexts and notes.

    A cause that shows one all the same, since its text is not made of its arguments, is left out of the traceback.
    """
    chain = _chain(error)
    for one in chain:
        one.args = tuple(hidden(part, shown) if isinstance(part, str) else part for part in one.args)
        if notes := getattr(one, "__notes__", None):
            one.__notes__ = [hidden(str(note), shown) for note in notes]
    for one in chain:
        if one.__cause__ is not None and _shows(one.__cause__, shown):
            one.__cause__ = None
        if one.__context__ is not None and _shows(one.__context__, shown):
            one.__context__ = None


def _shows(error: BaseException, shown: Collection[str]) -> bool:
    text = str(error)
    return hidden(text, shown) != text


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error, and those that led to it."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__]
    return found
