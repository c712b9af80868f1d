"""Why a user was not finished, in the mail's language, and how to finish it: one catalogue for the CSV and the mail.

What is stored in a run folder is English, or a service's own words. :class:`Reasons` turns our own sentences into those
of the locale (`templates/*.{locale}.json`, English template to translated one) and leaves a service's alone. What
to do about a user who is left depends on who runs the import, so it is said here and not where the outcome is stored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cognito_import.engine import claims
from cognito_import.engine.breaker import GO_ON
from cognito_import.inbox_files import is_from_inbox
from cognito_import.outcomes import INTERRUPTED, NOT_ATTEMPTED
from cognito_import.report.rendering import one_line
from cognito_import.run import daily_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.outcomes import Outcome

Way = Literal["airflow", "execution", "command_line"]
"""Who runs an import: Airflow, an execution of the state machine that an application started, or a terminal."""

_PLACE: Final = re.compile(r"<(\w+)>")
_NOT_APPROVED: Final = re.compile(r"The run was (?:rejected|not approved)|Nobody approved the run")
_FULL_STOP: Final = re.compile(r"[^.。!?]\Z")
_CODE_FIRST: Final = re.compile(r"(\w+): .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reasons:
    """The reasons of one run, told in `locale`; `way` is how the run is continued."""

    locale: str
    run: str
    way: Way = "airflow"

    @property
    def to_continue(self) -> str:
        """What a person does so that the run finishes the users who are left, a part of a sentence."""
        ways: dict[str, str] = _texts(self.locale)["continue"]
        return _filled(ways[self.way], {"run": self.run})

    @property
    def not_today(self) -> str:
        """What a dry run says behind its forecast of a user whose invitation would wait for another day."""
        sentence: str = _texts(self.locale)["not_today"]
        return _filled(sentence, {"number": str(daily_limit.DAILY_MAILS)})

    def told(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its message in the locale, and what to do about a user who is left."""
        if not outcome.code:
            return outcome
        return replace(outcome, message=self.message(outcome.code, outcome.message))

    def message(self, code: str, message: str) -> str:
        """Return what :meth:`told` says for an outcome's code and message."""
        if code not in (INTERRUPTED, NOT_ATTEMPTED):
            return translated(message, self.locale)
        return self._sentence(*self._what_to_do(code, message))

    def _what_to_do(self, code: str, message: str) -> tuple[str, str]:
        """Return the name of the sentence about a user who is left, and its detail."""
        if code == INTERRUPTED:
            return ("unfinished", self._explained(message)) if message else ("unsettled", "")
        if not message:
            return "ended", ""
        if message.startswith(f"{daily_limit.CODE}:"):
            own = message == daily_limit.REASON  # which needs no explanation
            detail = translated(daily_limit.TEXT, self.locale) if own else self._explained(message)
            return ("next_night" if is_from_inbox(self.run) else "next_day"), detail
        if message.startswith(f"{claims.CODE}:"):
            return "elsewhere", ""
        if _NOT_APPROVED.match(message):
            return "ask_again", translated(message, self.locale)
        alike = message.removesuffix(GO_ON)
        return ("alike" if alike != message else "stopped"), self._explained(alike)

    def _explained(self, message: str) -> str:
        cause = _CODE_FIRST.match(message)
        return " ".join([self.hint(cause[1]) if cause else "", *lines(message, self.locale)]).strip()

    def hint(self, code: str) -> str:
        """Return what a service's error code means for the user's row, or nothing."""
        hint: str = _texts(self.locale)["codes"].get(code, "")
        return hint

    def _sentence(self, name: str, detail: str) -> str:
        template: str = _texts(self.locale)[name]
        # AWS's own sentences often lack their full stop, and a bracket needs none.
        bracketed = "（<detail>）" in template  # noqa: RUF001 - as Japanese is written
        detail = detail.removesuffix("。") if bracketed else _FULL_STOP.sub(r"\g<0>.", detail)
        return _filled(template, {"continue": self.to_continue, "detail": detail})


@lru_cache(maxsize=1_000)
def translated(message: str, locale: str) -> str:
    """One of our own sentences in `locale`; any other text as it is."""
    return _translated(message, "messages", _texts(locale))


def lines(message: str, locale: str) -> list[str]:
    """Return the lines of a message, each of our own sentences in `locale`, also after the dash of a list."""
    shown = [line for text in message.splitlines() if (line := one_line(text))]
    return ["- " * line.startswith("- ") + translated(line.removeprefix("- "), locale) for line in shown]


def _translated(text: str, table: str, texts: Mapping[str, Any]) -> str:
    """Translate by the templates of a table; what stands in a place of them by the table of the place's name."""
    templates: dict[str, str] = texts.get(table, {})
    for template in sorted(templates, key=_literal_length, reverse=True):  # the longer one says more of the text
        match = _pattern(template).fullmatch(text)
        if match:
            values = {name: _translated(value, name, texts) for name, value in match.groupdict().items()}
            return _filled(templates[template], values)
    return text


@cache
def _literal_length(template: str) -> int:
    return len(_PLACE.sub("", template))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template)
    literal = [re.escape(part) if number % 2 == 0 else f"(?P<{part}>.+?)" for number, part in enumerate(parts)]
    return re.compile("".join(literal), re.DOTALL)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)


@cache
def _texts(locale: str) -> dict[str, Any]:
    texts: dict[str, Any] = {}
    for path in sorted(Path(__file__).with_name("templates").glob(f"*.{locale}.json")):
        for name, value in json.loads(path.read_text(encoding="utf-8")).items():
            texts[name] = {**texts[name], **value} if name in texts else value
    return texts
