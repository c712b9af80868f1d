"""CSV files as people have them: any usual delimiter and header, a list of addresses alone, or the CSV of a report."""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cognito_import.errors import SourceError
from cognito_import.outcomes import EXISTS_CODES, SUCCEEDED, WOULD, WOULD_COMPLETE
from cognito_import.request.fields import (
    COLUMN_FIELDS,
    MAX_FIELD_LENGTH,
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
    from collections.abc import Iterator
    from typing import TextIO

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SEPARATOR: Final = re.compile(r'"?sep=([\t!#-/:-@\[-`{-~])"?[\r\n]*', re.IGNORECASE)
_MAX_SEPARATOR_LENGTH: Final = 16
_MAX_SHOWN_LENGTH: Final = 40
_OF_AN_IMPORT: Final = EXISTS_CODES | {WOULD_COMPLETE}

log = logging.getLogger(__name__)


def read_csv(text: TextIO, name: str, *, delete: bool = False, header_needed: bool = True) -> Iterator[Given]:
    """Yield the users of a table. Raises SourceError if it has no column of addresses or is broken.

    `name` is what errors call the table. Where no header is needed, the column with an address in the first row has all
    addresses. Of a report, the rows that succeeded are passed over, but for those of a dry run. `delete` refuses the report
    of an import: its rows are users who were there before.
    """
    csv.field_size_limit(MAX_FIELD_LENGTH)
    line = 0
    try:
        table = _table(text, name) if header_needed else _pasted(text, name)
        log.info("%s", table.assumed())
        lines, skipped = _lines(text, table.delimiter)
        passed_over, taken = 0, False
        for number, cells in enumerate(lines, start=1):
            line = lines.line_num + skipped
            if number <= table.header_row or not any(cell.strip() for cell in cells):
                continue
            row = table.row(cells)
            if row.get("status") == SUCCEEDED and table.is_report and not row.get("code", "").startswith(WOULD):
                passed_over += 1
                continue
            if delete and table.is_report and row.get("code") in _OF_AN_IMPORT:
                message = (
                    f"{name} is the report of an import, whose rows are users who were there before; "
                    "expected a list of users, or the report of a run like this one."
                )
                raise SourceError(message)
            taken = True
            yield table.given(number, row, cells)
    except csv.Error as error:
        message = (
            f"{name}, line {line + 1:,} or after: {error}. Expected fields of at most {MAX_FIELD_LENGTH:,} characters "
            "between delimiters; look for a quote that is not closed."
        )
        raise SourceError(message) from error
    if passed_over:
        log.info("The file is a report: %d rows that succeeded are passed over.", passed_over)
    if passed_over and not taken:
        message = f"{name} is a report in which all {passed_over:,} rows succeeded; expected failed rows."
        raise SourceError(message)


@dataclass(frozen=True, slots=True)
class _Table:
    """How a file is laid out: the delimiter, the header's row (0: none), and each column's header and field.

    A field is `useremail`, one of COLUMN_FIELDS, an attribute, one of a report's columns, or empty for a column that is extra.
    """

    delimiter: str
    header_row: int
    headers: list[str]
    fields: list[str]
    is_report: bool
    extra: dict[int, str] = field(default_factory=dict)

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


def _lines(text: TextIO, delimiter: str, *, strict: bool = True) -> tuple[Any, int]:
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
    lines, _ = _lines(text, delimiter, strict=False)
    for number, cells in enumerate(lines, start=1):
        if any(cell.strip() for cell in cells):
            while not cells[-1].strip():
                cells.pop()
            return number, cells
    return 0, []


def _table(text: TextIO, name: str) -> _Table:
    text.seek(0)
    separator = _SEPARATOR.fullmatch(text.readline(_MAX_SEPARATOR_LENGTH))
    delimiters = [separator[1]] if separator else list(_DELIMITERS)
    alone, most = None, 0
    for delimiter in delimiters:
        number, cells = _first(text, delimiter)
        if any(field_of(cell) == "useremail" for cell in cells):
            return _with_header(delimiter, number, cells, name)
        most = max(most, len(cells))
        if len(cells) == 1 and is_mail_address(normal(cells[0])):
            alone = _Table(delimiter, 0, ["useremail"], ["useremail"], is_report=False)
    if alone:
        return alone
    # The first row of a file without a header is somebody's data, so it is not shown.
    message = (
        f"{name} has no column 'useremail' in its first row of {most} column{'s' * (most != 1)}; expected a header "
        "row such as useremail,given_name,groups (email, mail or メールアドレス will do, too), or one address in each row."
    )
    raise SourceError(message)


def _pasted(text: TextIO, name: str) -> _Table:
    """Return the layout of cells that somebody copied out of a spreadsheet, which may begin with the first user."""
    layouts = []
    for delimiter in _DELIMITERS:
        rows = [row for cells in _lines(text, delimiter, strict=False)[0] if (row := [normal(cell) for cell in cells])]
        places = [place for place, cell in enumerate(_first(text, delimiter)[1]) if is_mail_address(normal(cell))]
        if len(places) == 1:
            addresses = sum(is_mail_address(row[places[0]]) for row in rows if len(row) > places[0])
            columns = max(place for row in rows for place, cell in enumerate(row, start=1) if cell)
            layouts.append((addresses, columns, delimiter, places[0]))
    if not layouts:
        return _table(text, name)
    _, columns, delimiter, place = max(layouts)
    headers = [f"column {number}" for number in range(1, columns + 1)]
    fields = ["useremail" if number == place else "" for number in range(columns)]
    return _Table(delimiter, 0, headers, fields, is_report=False, extra=_extra(headers, fields))


def _with_header(delimiter: str, number: int, cells: list[str], name: str) -> _Table:
    headers = [original(normal(cell)) or f"column {place}" for place, cell in enumerate(cells, start=1)]
    fields = [field_of(header) for header in headers]
    if "useremail" in headers:
        # The very name beats the usual ones, whose columns are extra then.
        fields = [
            "" if field == "useremail" and header != field else field
            for header, field in zip(headers, fields, strict=True)
        ]
    is_report = {"status", "code"} <= set(fields)
    known = {*REPORTED, "row"} if is_report else {"useremail"}
    fields = [field if field in known or field in COLUMN_FIELDS or is_attribute(field) else "" for field in fields]
    for column, columns in Counter(filter(None, fields)).items():
        if columns > 1:
            same = [
                header[:_MAX_SHOWN_LENGTH] for header, field in zip(headers, fields, strict=True) if field == column
            ]
            message = f"{name} has the column {column!r} more than once ({', '.join(same)}); expected each once."
            raise SourceError(message)
    return _Table(delimiter, number, headers, fields, is_report, _extra(headers, fields))


def _extra(headers: list[str], fields: list[str]) -> dict[int, str]:
    """Name the extra columns: each once, and none as a column that the report has already."""
    taken = {*REPORTED, "row", *COLUMN_FIELDS, *STANDARD_ATTRIBUTES, *fields}
    extra = {}
    for place, (header, column) in enumerate(zip(headers, fields, strict=True)):
        if not column:
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
