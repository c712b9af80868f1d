"""Excel workbooks as CSV, so that one reader says what a table means."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from datetime import date, datetime
from itertools import chain
from typing import IO, TYPE_CHECKING, Final

from cognito_import.errors import SourceError
from cognito_import.request.fields import MAX_USERS
from cognito_import.request.sources import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024
"""Bytes. A workbook of 300,000 users unpacks to some 60 MB; a file that is made to fill a disk, to much more."""
MAX_TABLE_CHARACTERS: Final = 32 * 1024 * 1024
"""300,000 users take about 15 million. A cell is stored once in a workbook, however many rows show it."""
MAX_FILES: Final = 1_000
MAX_ROWS: Final = MAX_USERS + 1_000
"""With a header, and rows that somebody left empty."""

_BLOCK: Final = 1024 * 1024


def read_workbook(file: IO[bytes], name: str) -> IO[bytes]:
    """Return the first sheet with anything in it as a CSV in UTF-8: one record for each row, so that rows keep their numbers.

    `name` is what errors call the file. Raises SourceError for what is no workbook, or too large a one.
    """
    from openpyxl import load_workbook

    try:
        _refuse_bomb(file, name)
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            for sheet in book.worksheets:
                rows = sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True)
                table = _csv(_texts(rows, name))
                if table is not None:
                    return table
        finally:
            book.close()
    except SourceError:
        raise
    except Exception as error:  # the reader fails in many ways at a file that is broken, or made to break it
        message = (
            f"{name} cannot be read as an Excel workbook ({type(error).__name__}); save it again as .xlsx, or as CSV."
        )
        raise SourceError(message) from error
    message = f"{name} has no sheet with anything in it; expected users."
    raise SourceError(message)


def _refuse_bomb(file: IO[bytes], name: str) -> None:
    """Unpack everything once, into nothing: the sizes that the archive names may be false."""
    total = 0
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_FILES:
            message = f"{name} holds {len(entries):,} files; expected a workbook of at most {MAX_FILES:,}."
            raise SourceError(message)
        for entry in entries:
            with archive.open(entry) as unpacked:
                while block := unpacked.read(_BLOCK):
                    total += len(block)
                    if total > MAX_UNPACKED_BYTES:
                        message = f"{name} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes; expected a list of users."
                        raise SourceError(message)
    file.seek(0)


def _texts(rows: Iterable[Sequence[object]], name: str) -> Iterator[list[str]]:
    characters = 0
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            message = f"{name} has more than {MAX_ROWS:,} rows; expected at most {MAX_USERS:,} users."
            raise SourceError(message)
        texts = [_text(cell) for cell in row]
        characters += len(texts) + sum(map(len, texts))
        if characters > MAX_TABLE_CHARACTERS:
            message = f"{name} unpacks to more than {MAX_TABLE_CHARACTERS:,} bytes; expected a list of users."
            raise SourceError(message)
        yield texts


def _text(cell: object) -> str:
    """Return a cell as a person reads it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if not (cell.hour or cell.minute or cell.second) else cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _csv(rows: Iterator[list[str]]) -> IO[bytes] | None:
    """Return the rows as CSV, or None if all of them are empty."""
    for skipped, row in enumerate(rows):
        if any(cell.strip() for cell in row):
            file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
            try:
                text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
                csv.writer(text).writerows(chain([[""]] * skipped, [row], rows))
                text.detach()
            except BaseException:
                file.close()
                raise
            file.seek(0)
            return file
    return None
