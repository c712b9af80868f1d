"""How a mail is laid out: its texts from the templates of a locale, and what comes from outside made harmless.

Every text of a locale stands in `templates/{locale}.jinja`, those of notes, rejected requests and runs that wait in
`notes.{locale}.jinja`, `rejection.{locale}.jinja` and `question.{locale}.jinja`, those of reasons in
`reasons.{locale}.json`, and nowhere else; `mail.*` and `notice.*` lay the texts out, and `page.html` frames
both. Whatever comes from outside (a service's message, a run's name) is made one line in both parts, and escaped in the
HTML part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail ready to send. Both parts hold the link, which is a secret, so the repr leaves them out."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def render(kind: str, values: dict[str, object]) -> Mail:
    """Render the mail `kind`: the result of a run (`mail`), a `rejection` or a `question`."""
    # The texts of a result are apart: they need its counts and its link.
    layout, texts = ("mail", "") if kind == "mail" else ("notice", f"{kind}.")
    names = ("subject.txt", f"{layout}.txt", f"{layout}.html")
    subject, text, html = (templates().get_template(name) for name in names)
    values = {**values, "texts": f"{texts}{values['locale']}.jinja"}
    return Mail(one_line(subject.render(values)), text.render(values), html.render(values))


def one_line(text: str) -> str:
    """Return `text` without line breaks and other characters that do not show."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _zone(moment: datetime) -> str:
    """Name the zone of `moment` so that nobody can mistake it: `JST (UTC+09:00)`, `UTC-03:00`, `UTC`."""
    name = moment.tzname() or ""
    if name == "UTC":
        return name
    offset = f"UTC{moment.isoformat()[-6:]}"
    return f"{name} ({offset})" if name.isalpha() else offset


def _code(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "`" + "".join(mark if mark.isprintable() and mark != "`" else "'" for mark in text) + "`"


@cache
def templates() -> Environment:
    """Return the templates, loaded once."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        # The texts of a locale are escaped once, where mail.html puts them.
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["number"] = "{:,}".format
    found.filters["zone"] = _zone
    found.filters["code"] = _code
    return found
