"""Uploads as people have them: the users in them, and what each column of a table holds or may hold."""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final

from cognito_import.console.workbooks import read_workbook
from cognito_import.errors import ColumnsError
from cognito_import.request.fields import COLUMN_FIELDS, REPORTED, Given, attribute_hint, normal
from cognito_import.request.layouts import Columns, Layout
from cognito_import.request.sources import ENDINGS, as_text, read_file
from cognito_import.request.tables import read_csv
from cognito_import.values import is_mail_address

if TYPE_CHECKING:
    from collections.abc import Collection

FORMATS: Final = (*ENDINGS, "xlsx", "text")
MAX_SAMPLES: Final = 3

_NEARLY: Final = 0.85
"""How like a field's name a header is that is taken for a misspelt one; difflib's usual 0.6 takes `Team` for `name`."""
_REPORTS_OWN: Final = frozenset({*REPORTED, "row"} - {"useremail"})
_MEANT: Final = {
    word: field
    for field, words in {
        "given_name": "firstname forename 名 ファーストネーム",
        "family_name": "lastname surname 姓 苗字 名字",
        "name": "fullname displayname 氏名 名前 お名前",
        "phone_number": "phone tel telephone mobile 電話 電話番号 携帯電話",
        "birthdate": "dateofbirth dob birthday 生年月日 誕生日",
        "address": "住所",
        "gender": "sex 性別",
        "locale": "language 言語",
        "groups": "role roles usergroup usergroups ロール 権限グループ",
        "external_id": "id userid employeeid employeenumber 社員番号 従業員番号 職員番号 学籍番号",
        "enabled": "active 有効無効",
    }.items()
    for word in words.split()
}
"""Headers that are no name of a field, but often stand over one; without white space and marks, in lower case."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its place from 0, its header, the field that it is read as, and its first cells.

    `field` is empty for a column that only the report shows, and None for one that is left out. `guess` is what such a column
    may hold, or empty. `chosen` says that a person has said so.
    """

    place: int
    header: str
    field: str | None
    guess: str
    samples: list[str]
    chosen: bool

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of an upload: its users, and its columns if it is a table.

    `question` says why there are no users as long as nobody says what the columns hold, or is empty.
    """

    users: list[Given]
    columns: list[Column]
    question: str = ""


def as_stored(file: IO[bytes], kind: str, name: str) -> tuple[bytes, str]:
    """Return what is kept of an upload, and its kind, one of FORMATS: a workbook becomes a CSV. Raises SourceError."""
    if kind == "xlsx":
        with read_workbook(file, name) as table:
            return table.read(), "csv"
    return file.read(), kind


def read(  # noqa: PLR0913 - how an upload may be read
    content: bytes,
    kind: str,
    name: str,
    *,
    delete: bool,
    columns: Columns = MappingProxyType({}),
    attributes: Collection[str] = (),
) -> Reading:
    """Return what an upload holds that :func:`as_stored` gave. Raises SourceError.

    `name` is what errors call a file; `delete` and `columns` are as for :func:`~cognito_import.request.tables.read_csv`.
    `attributes` are those of the user pool, which a column may be guessed to hold.
    """
    file = io.BytesIO(content)
    if kind not in ("csv", "text"):
        return Reading(list(read_file(file, kind, name, delete=delete)), [])
    pasted = kind == "text"
    tables: list[Layout] = []
    users: list[Given] = []
    question = ""
    with io.TextIOWrapper(file, "utf-8", "replace", newline="") if pasted else as_text(file, name) as text:
        called = "'lines'" if pasted else f"'source' {name}"
        try:
            # A person sees what was understood, so a file needs no header either.
            users += read_csv(text, called, delete=delete, header_needed=False, columns=columns, told=tables.append)
        except ColumnsError as error:
            question = str(error)
        samples = tables[0].samples(text, MAX_SAMPLES)
    found = _columns(tables[0], samples, columns, attributes)
    if question and not found:  # nothing to choose from
        raise ColumnsError(question)
    return Reading(users, found, question)


def _columns(table: Layout, samples: list[list[str]], columns: Columns, attributes: Collection[str]) -> list[Column]:
    """Return the columns that a person may say something of: no empty one, and none that a report has of its own."""
    taken = set(table.fields)
    found = []
    for place, (header, field) in enumerate(zip(table.headers, table.fields, strict=True)):
        if field in _REPORTS_OWN or (not samples[place] and not field and header == f"column {place + 1}"):
            continue
        guess = "" if field or place in columns else _guess(header, samples[place], attributes)
        if guess in taken:
            guess = ""
        taken.add(guess)
        left_out = not field and place not in table.extra
        found.append(Column(place, header, None if left_out else field, guess, samples[place], place in columns))
    return found


def _guess(header: str, samples: list[str], attributes: Collection[str]) -> str:
    if samples and all(is_mail_address(normal(cell)) for cell in samples):
        return "useremail"
    word = re.sub(r"[\W_]", "", header).lower()
    custom = {name.lower(): name for name in attributes}.get(attribute_hint(header).lower())
    known = [*COLUMN_FIELDS, *attributes]
    nearly = difflib.get_close_matches(header.lower(), known, n=1, cutoff=_NEARLY)
    guess = _MEANT.get(word) or custom or (nearly[0] if nearly else "")
    if guess == "phone_number" and not all(cell.startswith("+") for cell in samples):
        return ""  # Cognito takes a number with its country's code alone
    return guess if guess in known else ""
