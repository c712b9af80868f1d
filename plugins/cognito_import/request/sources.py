"""Users out of a request: its `data`, its `lines`, or a CSV, JSON or JSON Lines object in S3.

Files are taken as people have them, and read one user at a time: `tables` and `json_users` say how.
"""

from __future__ import annotations

import codecs
import io
import json
import logging
import re
import tempfile
from typing import IO, TYPE_CHECKING, Final, TextIO

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import error_details, is_temporary
from cognito_import.errors import CognitoImportError, NotReadyError, SourceError
from cognito_import.request.fields import MAX_ATTRIBUTE_LENGTH, USER_FIELDS, Given, is_attribute
from cognito_import.request.json_users import read_json, read_json_lines
from cognito_import.request.tables import read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_s3.client import S3Client

    from cognito_import.request.model import ImportRequest

MAX_SOURCE_BYTES: Final = 256 * 1024 * 1024
"""Bytes. 300,000 users take about 15 MB; what is larger is not a list of users."""

MAX_COLUMNS: Final = 200
"""A user pool has up to 50 custom attributes; the rest is for a CSV's extra columns."""

ENDINGS: Final = ("csv", "json", "jsonl")

_CHUNK: Final = 1024 * 1024
_SAVED_AS: Final = {
    b"PK\x03\x04": "an Excel workbook or another ZIP file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_ONE_IN: Final = 20
_PAIR: Final = re.compile(rb"[\x80-\xff]{2}")
_NO_SHIFT_JIS: Final = re.compile("[\ufffd\x80\xa0\uf8f0-\uf8f3]")
"""Single bytes that Python's cp932 reads although they stand for nothing, and what it cannot read."""
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f\ufffd]")

log = logging.getLogger(__name__)


class Users:
    """The request's users in their order; to be gone through once.

    `etag` is the version of the `source` that was read, once reading has begun, and `written` when that was put into S3;
    both are None for `data` and `lines`. `columns` are the
    names of what the report shows behind its five columns: `row` first, then what the list says of its users. Going
    through it raises SourceError where `source` cannot be read as users, and NotReadyError while S3 cannot give it.
    """

    def __init__(self, request: ImportRequest, s3: S3Client, cells: IO[bytes] | None = None) -> None:
        """Read nothing yet. `cells` gets a line of JSON for each user, what stands in its `columns`."""
        self.etag: str | None = None
        self.written: datetime | None = None
        self._request = request
        self._s3 = s3
        self._cells = cells
        self._columns = {"row": None}

    @property
    def columns(self) -> list[str]:
        """The names of the columns so far."""
        return list(self._columns)

    def __iter__(self) -> Iterator[Given]:
        """Yield the users."""
        for given in self._read():
            cells = cells_of(given)
            self._columns.update(dict.fromkeys(cells))
            if len(self._columns) > MAX_COLUMNS:
                message = (
                    f"The users have more than {MAX_COLUMNS} columns and attributes in all; expected at most that many."
                )
                raise SourceError(message)
            if self._cells:
                line = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
                self._cells.write(line.encode("utf-8", "surrogatepass") + b"\n")
            yield given

    def _read(self) -> Iterator[Given]:
        delete = self._request.jobtype != "import"
        if self._request.lines is not None:
            lines = io.StringIO(self._request.lines, newline="")
            yield from read_csv(lines, "'lines'", delete=delete, header_needed=False)
            return
        if self._request.source is None:
            for number, user in enumerate(self._request.data or (), start=1):
                yield Given(number, user)
            return
        bucket, key = self._request.source
        name = f"s3://{bucket}/{key}"
        ending = key.lower().rpartition(".")[2]
        if ending not in ENDINGS:
            message = f"'source' {name} has no ending that names its format; expected .csv, .json or .jsonl."
            raise SourceError(message)
        with tempfile.TemporaryFile() as file:
            self.etag, self.written = _download(self._s3, bucket, key, file)
            yield from read_file(file, ending, name, delete=delete)


def read_file(file: IO[bytes], ending: str, name: str, *, delete: bool = False) -> Iterator[Given]:
    """Yield the users of a file that is open at its beginning; `ending`, one of ENDINGS, tells its format. Closes it.

    `name` is what errors call the file; `delete` is as for :func:`~.tables.read_csv`. Raises SourceError.
    """
    with as_text(file, name) as text:
        if ending == "csv":
            yield from read_csv(text, f"'source' {name}", delete=delete)
        else:
            yield from (read_json if ending == "json" else read_json_lines)(text, name)


def as_text(file: IO[bytes], name: str) -> TextIO:
    """Return the text of a file that is open at its beginning, whose encoding is found out. Raises SourceError."""
    _reject_binary(file, name)
    encoding = _encoding(file, name)
    log.info("Reading %s as %s.", name, "UTF-8" if encoding == "utf-8-sig" else "Shift_JIS (cp932)")
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def cells_of(given: Given) -> dict[str, str]:
    """What the report shows of a user beside the outcome: a failed row leads to a person, and can be corrected and fed back."""
    cells = {"row": str(given.number), **given.extra}
    if isinstance(given.user, dict):
        for name, kind in USER_FIELDS.items():
            if (shown := kind.shown(given.user.get(name))) is not None:
                cells[name] = shown
        if isinstance(attributes := given.user.get("attributes"), dict):
            cells |= {
                name: text
                for name, text in attributes.items()
                if is_attribute(name) and isinstance(text, str) and len(text) <= MAX_ATTRIBUTE_LENGTH
            }
    return cells


def _download(s3: S3Client, bucket: str, key: str, file: IO[bytes]) -> tuple[str, datetime]:
    """Write the object into `file` and give its ETag, and when it was put into S3."""
    name = f"s3://{bucket}/{key}"
    try:
        response = s3.get_object(Bucket=bucket, Key=key)
        if response["ContentLength"] > MAX_SOURCE_BYTES:
            message = f"'source' {name} has {response['ContentLength']:,} bytes; expected at most {MAX_SOURCE_BYTES:,}."
            raise SourceError(message)
        for chunk in response["Body"].iter_chunks(_CHUNK):
            file.write(chunk)
    except ClientError as error:
        code, _ = error_details(error)
        reason = {
            "NoSuchKey": "there is no such object",
            "404": "there is no such object",
            "NoSuchBucket": "there is no such bucket",
            "AccessDenied": "access is denied: allow s3:GetObject on it (without s3:ListBucket a missing object looks so too)",
            "403": "access is denied: allow s3:GetObject on it",
        }.get(code, f"S3 answered {code}")
        raise _unread(name, f"{reason}.", error) from error
    except BotoCoreError as error:
        raise _unread(name, str(error), error) from error
    file.seek(0)
    return response["ETag"].strip('"'), response["LastModified"]


def _unread(name: str, reason: str, error: Exception) -> CognitoImportError:
    kind = NotReadyError if is_temporary(error) else SourceError  # S3 that is away says nothing of the list
    return kind(f"'source' {name} cannot be read: {reason}")


def _reject_binary(file: IO[bytes], name: str) -> None:
    head = file.read(64 * 1024)
    file.seek(0)
    if not head.strip():
        message = f"'source' {name} is empty; expected users."
        raise SourceError(message)
    for magic, what in _SAVED_AS.items():
        if head.startswith(magic):
            message = f"'source' {name} is {what}; expected a text file in UTF-8 (in Excel: save as 'CSV UTF-8')."
            raise SourceError(message)
    # A few such characters are the fault of the rows that they stand in.
    if len(_CONTROL.findall(head)) * _ONE_IN > len(head):
        message = f"'source' {name} is a binary file; expected a text file in UTF-8."
        raise SourceError(message)


def _encoding(file: IO[bytes], name: str) -> str:
    """Return `utf-8-sig` or `cp932`. Raises SourceError for a file that is neither.

    Much that is no UTF-8 could be Shift_JIS. So a file counts as such only if little in it reads as UTF-8, since one broken
    character must not turn all names into others, and if not all its bytes beyond ASCII stand alone, as Latin-1's do.
    """
    broken = _broken_line(file)
    if not broken:
        return "utf-8-sig"
    utf_8, shift_jis = (codecs.getincrementaldecoder(name)("replace") for name in ("utf-8-sig", "cp932"))
    wrong = right = 0
    pairs, possible = False, True
    while chunk := file.read(_CHUNK):
        text = utf_8.decode(chunk)
        wrong += text.count("\ufffd")
        right += len(_NOT_ASCII.findall(text))
        pairs = pairs or _PAIR.search(chunk) is not None
        possible = possible and not _NO_SHIFT_JIS.search(shift_jis.decode(chunk))
    file.seek(0)
    if pairs and possible and right < wrong and not shift_jis.decode(b"", final=True):
        return "cp932"
    message = (
        f"'source' {name} is neither UTF-8 (line {broken:,} is broken) nor Shift_JIS; expected UTF-8 (in Excel: save as "
        "'CSV UTF-8')."
    )
    raise SourceError(message)


def _broken_line(file: IO[bytes]) -> int:
    """Return the number of the first line that is no UTF-8, or 0. Leaves the file at its beginning."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line = 1
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
            line += chunk.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return line + error.object[: error.start].count(b"\n")
    finally:
        file.seek(0)
    return 0
