"""CSV files as people have them: any usual delimiter and header, a list of addresses alone, or the CSV of a report."""

from __future__ import annotations

import csv
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognito_import.errors import SourceError
from cognito_import.outcomes import EXISTS_CODES, SUCCEEDED, WOULD, WOULD_COMPLETE
from cognito_import.request.fields import MAX_FIELD_LENGTH, Given
from cognito_import.request.layouts import Columns, Layout, layout, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

_OF_AN_IMPORT: Final = EXISTS_CODES | {WOULD_COMPLETE}

log = logging.getLogger(__name__)


def read_csv(  # noqa: PLR0913 - how a table may be read
    text: TextIO,
    name: str,
    *,
    delete: bool = False,
    header_needed: bool = True,
    columns: Columns = MappingProxyType({}),
    told: Callable[[Layout], None] = lambda _: None,
) -> Iterator[Given]:
    """Yield the users of a table. Raises ColumnsError if it has no column of addresses, and SourceError if it is broken.

    `name` is what errors call the table. Where no header is needed, the column with an address in the first row has all
    addresses. `columns` is what a person says of columns, and whoever is `told` learns how the table is read, before any error
    about its columns. Of a report, the rows that succeeded are passed over, but for those of a dry run. `delete` refuses the
    report of an import: its rows are users who were there before.
    """
    csv.field_size_limit(MAX_FIELD_LENGTH)
    line = 0
    try:
        table = layout(text, header_needed=header_needed)
        if columns:
            table = table.with_columns(columns, name)
        told(table)
        table.check(name)
        log.info("%s", table.assumed())
        found, skipped = lines(text, table.delimiter)
        passed_over, taken = 0, False
        for number, cells in enumerate(found, start=1):
            line = found.line_num + skipped
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
