"""How a table is laid out: its delimiter, its header row, and what each of its columns holds."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from cognito_import.errors import ColumnsError, SourceError
from cognito_import.request.fields import (
    COLUMN_FIELDS,
    REPORTED,
    STANDARD_ATTRIBUTES,
    USER_FIELDS,
    Given,
    attribute_hint,
    field_of,
    is_attribute,
    normal,
)
from cognito_import.request.formulas import original
from cognito_import.values import did_you_mean, is_mail_address

if TYPE_CHECKING:
    from typing import TextIO

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SEPARATOR: Final = re.compile(r'"?sep=([\t!#-/:-@\[-`{-~])"?[\r\n]*', re.IGNORECASE)
_MAX_SEPARATOR_LENGTH: Final = 16
_ADDRESS: Final = "useremail"
_MAX_SHOWN_LENGTH: Final = 40
_SAMPLED_ROWS: Final = 100

Columns = Mapping[int, str | None]
"""What a person says of columns, by their place from 0: a field, an empty text for the report alone, or None to leave one out."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is laid out: the delimiter, the header's row (0: none), and each column's header and field.

    A field is `useremail`, one of COLUMN_FIELDS, an attribute, one of a report's columns, or empty for a column that no field
    takes: `extra` has the names of those that the report shows, by their place from 0.
    """

    delimiter: str
    header_row: int
    headers: list[str]
    fields: list[str]
    is_report: bool
    extra: dict[int, str] = field(default_factory=dict)

    def check(self, name: str) -> None:
        """Raise ColumnsError unless a column has the addresses, and no two columns have the same field."""
        if _ADDRESS not in self.fields:
            # The first row of a file without a header is somebody's data, so it is not shown.
            columns = len(self.headers)
            message = (
                f"{name} has no column 'useremail' in its first row of {columns} column{'s' * (columns != 1)}; expected a header "
                "row such as useremail,given_name,groups (email, mail or メールアドレス will do, too), or one address in each "
                "row."
            )
            raise ColumnsError(message)
        for column, times in Counter(filter(None, self.fields)).items():
            if times > 1:
                pairs = zip(self.headers, self.fields, strict=True)
                same = [header[:_MAX_SHOWN_LENGTH] for header, field in pairs if field == column]
                message = f"{name} has the column {column!r} more than once ({', '.join(same)}); expected each once."
                raise ColumnsError(message)

    def with_columns(self, columns: Columns, name: str) -> Layout:
        """Return the layout with what a person says of `columns`, whatever their headers say. Raises SourceError."""
        taken = set(filter(None, columns.values()))
        fields = ["" if field in taken else field for field in self.fields]
        for place, chosen in columns.items():
            if not 0 <= place < len(fields):
                message = f"{name} has {len(fields)} columns, and none in place {place + 1}; expected one of them."
                raise SourceError(message)
            if chosen and chosen not in (_ADDRESS, *COLUMN_FIELDS) and not is_attribute(chosen):
                message = (
                    f"{name}: column {place + 1} is said to hold {chosen[:_MAX_SHOWN_LENGTH]!r}, which is no field of a user; "
                    f"expected {_ADDRESS}, {', '.join(COLUMN_FIELDS)}, an attribute, or nothing."
                )
                raise SourceError(message)
            fields[place] = chosen or ""
        left_out = {place for place, chosen in columns.items() if chosen is None}
        return replace(self, fields=fields, extra=_extra(self.headers, fields, left_out))

    def samples(self, text: TextIO, count: int) -> list[list[str]]:
        """Return the first cells of each column that are not empty, `count` of them at most, each once."""
        found: list[dict[str, None]] = [{} for _ in self.headers]
        try:
            for number, cells in zip(
                range(1, _SAMPLED_ROWS), lines(text, self.delimiter, strict=False)[0], strict=False
            ):
                for cell, seen in zip(cells, found, strict=False):
                    if number > self.header_row and len(seen) < count and (shown := cell.strip()):
                        seen[shown] = None
        except csv.Error:
            pass  # whoever reads the rows is told
        return [list(seen) for seen in found]

    def row(self, cells: list[str]) -> dict[str, str]:
        """Return the cells by field, those of extra columns left out, as they were before a report neutralised them."""
        pairs = zip(self.fields, cells, strict=False)
        return {name: original(cell) if self.is_report else cell for name, cell in pairs if name}

    def given(self, number: int, row: dict[str, str], cells: list[str]) -> Given:
        """Return the user of a row."""
        extra = {name: cells[place] if place < len(cells) else "" for place, name in self.extra.items()}
        if self.is_report:
            extra = {name: original(cell) for name, cell in extra.items()}
        user: dict[str, object] = {"useremail": row.get("useremail", "")}
        if any(cell.strip() for cell in cells[len(self.headers) :]):
            problem = f"The row has a field beyond the {len(self.headers)} columns of the header."
            return Given(number, user, extra, problem)
        for name, kind in USER_FIELDS.items():
            if kind.read and (cell := row.get(name, "").strip()):  # an empty cell is as none
                user[name] = kind.read(cell)
        if attributes := {name: cell for name, cell in row.items() if cell and is_attribute(name)}:
            user["attributes"] = attributes
        return Given(number, user, extra)

    def assumed(self) -> str:
        """Return what was assumed of the file, for the log."""
        if not self.header_row and not self.extra:
            return "Taken for a list of addresses alone: the first row is no header."
        renamed = [
            f"{header} = {name}"
            for header, name in zip(self.headers, self.fields, strict=True)
            if name not in {"", header}
        ]
        parts = [f"Taken for a {'report' if self.is_report else 'table'} separated by {_named(self.delimiter)}"]
        if renamed:
            parts.append(f"columns understood: {', '.join(renamed)}")
        if self.extra:
            parts.append(f"columns for the report alone: {', '.join(map(_advised, self.extra.values()))}")
        return "; ".join(parts) + "."


def layout(text: TextIO, *, header_needed: bool = True) -> Layout:
    """Return how a table is laid out; what is not clear of its columns :meth:`Layout.check` says.

    Where no header is needed, the column with an address in the first row has all addresses.
    """
    return _table(text) if header_needed else _pasted(text)


def lines(text: TextIO, delimiter: str, *, strict: bool = True) -> tuple[Any, int]:
    """Read from the beginning, after a `sep=` line; also return how many lines that is."""
    text.seek(0)
    skipped = 1 if _SEPARATOR.fullmatch(text.readline(_MAX_SEPARATOR_LENGTH)) else 0
    if not skipped:
        text.seek(0)
    return csv.reader(text, strict=strict, delimiter=delimiter), skipped


def _first(text: TextIO, delimiter: str) -> tuple[int, list[str]]:
    """Return the number and the cells of the first row that is not blank, without empty cells at its end.

    Not strict: with a wrong delimiter, quotes stand in wrong places.
    """
    for number, cells in enumerate(lines(text, delimiter, strict=False)[0], start=1):
        if any(cell.strip() for cell in cells):
            while not cells[-1].strip():
                cells.pop()
            return number, cells
    return 0, []


def _table(text: TextIO) -> Layout:
    text.seek(0)
    separator = _SEPARATOR.fullmatch(text.readline(_MAX_SEPARATOR_LENGTH))
    alone, unclear = None, Layout(",", 0, [], [], is_report=False)
    for delimiter in [separator[1]] if separator else list(_DELIMITERS):
        number, cells = _first(text, delimiter)
        if any(field_of(cell) == _ADDRESS for cell in cells):
            return _with_header(delimiter, number, cells)
        if len(cells) == 1 and is_mail_address(normal(cells[0])):
            alone = Layout(delimiter, 0, [_ADDRESS], [_ADDRESS], is_report=False)
        if len(cells) > len(unclear.headers):
            data = any(is_mail_address(normal(cell)) for cell in cells)
            unclear = _headless(delimiter, len(cells)) if data else _with_header(delimiter, number, cells)
    return alone or unclear


def _pasted(text: TextIO) -> Layout:
    """Return the layout of cells that somebody copied out of a spreadsheet, which may begin with the first user."""
    layouts = []
    for delimiter in _DELIMITERS:
        places = [place for place, cell in enumerate(_first(text, delimiter)[1]) if is_mail_address(normal(cell))]
        if len(places) == 1:
            rows = [row for cells in lines(text, delimiter, strict=False)[0] if (row := list(map(normal, cells)))]
            addresses = sum(is_mail_address(row[places[0]]) for row in rows if len(row) > places[0])
            columns = max(place for row in rows for place, cell in enumerate(row, start=1) if cell)
            layouts.append((addresses, columns, delimiter, places[0]))
    if not layouts:
        return _table(text)
    _, columns, delimiter, place = max(layouts)
    return _headless(delimiter, columns, place)


def _headless(delimiter: str, columns: int, address: int | None = None) -> Layout:
    headers = [f"column {number}" for number in range(1, columns + 1)]
    fields = [_ADDRESS if number == address else "" for number in range(columns)]
    return Layout(delimiter, 0, headers, fields, is_report=False, extra=_extra(headers, fields))


def _with_header(delimiter: str, number: int, cells: list[str]) -> Layout:
    headers = [original(normal(cell)) or f"column {place}" for place, cell in enumerate(cells, start=1)]
    fields = [field_of(header) for header in headers]
    if _ADDRESS in headers:
        # The very name beats the usual ones, whose columns are extra then.
        pairs = zip(headers, fields, strict=True)
        fields = ["" if field == _ADDRESS and header != field else field for header, field in pairs]
    is_report = {"status", "code"} <= set(fields)
    known = {*REPORTED, "row"} if is_report else {_ADDRESS}
    fields = [field if field in known or field in COLUMN_FIELDS or is_attribute(field) else "" for field in fields]
    return Layout(delimiter, number, headers, fields, is_report, _extra(headers, fields))


def _extra(headers: list[str], fields: list[str], left_out: AbstractSet[int] = frozenset()) -> dict[int, str]:
    """Name the extra columns: each once, and none as a column that the report has already."""
    taken = {*REPORTED, "row", *COLUMN_FIELDS, *STANDARD_ATTRIBUTES, *fields}
    extra = {}
    for place, (header, column) in enumerate(zip(headers, fields, strict=True)):
        if not column and place not in left_out:
            name, copies = header, 1
            while name in taken:
                copies += 1
                name = f"{header} ({copies})"
            taken.add(name)
            extra[place] = name
    return extra


def _named(delimiter: str) -> str:
    return _DELIMITERS.get(delimiter, repr(delimiter))


def _advised(column: str) -> str:
    shown = repr(column[:_MAX_SHOWN_LENGTH])
    hint = did_you_mean(column.lower(), (*COLUMN_FIELDS, *STANDARD_ATTRIBUTES))
    custom = attribute_hint(column)
    return shown + (hint or (f" (an attribute of the user pool is given as {custom})" if custom else ""))
