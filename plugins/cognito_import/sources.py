"""Users out of a request: its `data`, or a CSV, JSON or JSON Lines object in S3.

Files are UTF-8, with or without a byte order mark. Nothing is read into memory whole but a `.json` file.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from typing import IO, TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cognito_import.aws import explain
from cognito_import.errors import SourceError
from cognito_import.request import LONGEST_FIELD, USER_FIELDS, is_attribute
from cognito_import.values import kind, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

    from cognito_import.request import ImportRequest

LARGEST_SOURCE: Final = 256 * 1024 * 1024
"""Bytes. 300,000 users take about 15 MB; what is larger is not a list of users."""

GROUP_SEPARATOR: Final = ";"

_SAVED_AS: Final = {
    b"PK\x03\x04": "an Excel workbook or another ZIP file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


class Users:
    """The request's users, objects as in `data`, in their order; to be gone through once.

    `etag` is the version of the `source` that was read, once reading has begun, and None for `data`. Going through it
    raises SourceError where `source` cannot be read as users.
    """

    def __init__(self, request: ImportRequest, s3: S3Client) -> None:
        """Read nothing yet."""
        self.etag: str | None = None
        self._request = request
        self._s3 = s3

    def __iter__(self) -> Iterator[object]:
        """Yield the users."""
        if self._request.source is None:
            yield from self._request.data or ()
            return
        bucket, key = self._request.source
        name = f"s3://{bucket}/{key}"
        read = _READERS.get(key.lower().rpartition(".")[2])
        if read is None:
            message = f"'source' {name} has no ending that tells its format; expected .csv, .json or .jsonl."
            raise SourceError(message)
        with tempfile.TemporaryFile() as file:
            self.etag = _download(self._s3, bucket, key, file)
            _refuse_binary(file, name)
            with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
                try:
                    yield from read(text, name)
                except UnicodeDecodeError as error:
                    message = (
                        f"'source' {name} is not UTF-8{_guess(error)}; expected UTF-8 (in Excel: save as 'CSV UTF-8')."
                    )
                    raise SourceError(message) from None  # the cause would show the file's bytes


def _download(s3: S3Client, bucket: str, key: str, file: IO[bytes]) -> str:
    """Write the object into `file` and give its ETag."""
    name = f"s3://{bucket}/{key}"
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > LARGEST_SOURCE:
            message = f"'source' {name} has {answer['ContentLength']:,} bytes; expected at most {LARGEST_SOURCE:,}."
            raise SourceError(message)
        for chunk in answer["Body"].iter_chunks(1024 * 1024):
            file.write(chunk)
    except ClientError as error:
        code, _ = explain(error)
        reason = {
            "NoSuchKey": "there is no such object",
            "404": "there is no such object",
            "NoSuchBucket": "there is no such bucket",
            "AccessDenied": "access is denied: allow s3:GetObject on it (without s3:ListBucket a missing object looks so too)",
            "403": "access is denied: allow s3:GetObject on it",
        }.get(code, f"S3 answered {code}")
        message = f"'source' {name} cannot be read: {reason}."
        raise SourceError(message) from error
    except BotoCoreError as error:
        message = f"'source' {name} cannot be read: {error}"
        raise SourceError(message) from error
    file.seek(0)
    return answer["ETag"].strip('"')


def _refuse_binary(file: IO[bytes], name: str) -> None:
    head = file.read(64 * 1024)
    file.seek(0)
    if not head.strip():
        message = f"'source' {name} is empty; expected users."
        raise SourceError(message)
    for magic, what in _SAVED_AS.items():
        if head.startswith(magic):
            message = f"'source' {name} is {what}; expected a text file in UTF-8 (in Excel: save as 'CSV UTF-8')."
            raise SourceError(message)
    if b"\0" in head:
        message = f"'source' {name} is a binary file; expected a text file in UTF-8."
        raise SourceError(message)


def _guess(error: UnicodeDecodeError) -> str:
    """Name the encoding that the undecodable bytes are probably in."""
    try:
        error.object.decode("cp932")
    except UnicodeDecodeError:
        return ""
    return " but looks like Shift_JIS"


def _read_csv(text: io.TextIOWrapper, name: str) -> Iterator[object]:
    csv.field_size_limit(LONGEST_FIELD)
    lines = csv.reader(text, strict=True)
    try:
        header = _header(next((cells for cells in lines if any(cells)), []), name)
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield _csv_user(header, cells)
    except csv.Error as error:
        message = (
            f"'source' {name}, line {lines.line_num:,}: {error}. Expected comma-separated fields of at most "
            f"{LONGEST_FIELD:,} characters; look for a quote that is not closed."
        )
        raise SourceError(message) from error


def _header(cells: list[str], name: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    if "useremail" not in header:
        # The first row of a file without a header is somebody's data, so it is not shown.
        hint = " (are the fields separated by ';' or tabs?)" if len(header) == 1 and set(";\t") & set(header[0]) else ""
        message = (
            f"'source' {name} has no column 'useremail' in its first row of {len(header)} column{'s' * (len(header) != 1)}"
            f"{hint}; expected a header row such as useremail,given_name,groups."
        )
        raise SourceError(message)
    for column in header:
        if header.count(column) > 1:
            message = f"'source' {name} has the column {column[:40]!r} more than once; expected each once."
            raise SourceError(message)
        if column not in {"useremail", "groups"} and not is_attribute(column):
            hint = nearest(column, USER_FIELDS)
            message = (
                f"'source' {name} has an unknown column {column[:40]!r}{hint}; expected useremail, groups, a standard "
                "attribute or custom:NAME."
            )
            raise SourceError(message)
    return header


def _csv_user(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) > len(header):
        # An unknown field fails this row alone, and its name says why.
        return {"useremail": cells[header.index("useremail")], f"a field beyond the {len(header)} columns": ""}
    user: dict[str, Any] = {"useremail": ""}
    attributes: dict[str, str] = {}
    for column, cell in zip(header, cells, strict=False):
        if column == "useremail":
            user["useremail"] = cell
        elif column == "groups":
            user["groups"] = [group for part in cell.split(GROUP_SEPARATOR) if (group := part.strip())] or None
        elif cell:
            attributes[column] = cell
    if attributes:
        user["attributes"] = attributes
    return user


def _read_json(text: io.TextIOWrapper, name: str) -> Iterator[object]:
    try:
        content = json.load(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f", line {error.lineno:,}, column {error.colno:,}: {error.msg}" if isinstance(error, ValueError) else ""
        message = f"'source' {name} is not JSON{where}; expected an array of users."
        raise SourceError(message) from None  # the cause holds the whole file
    users = content.get("data") if isinstance(content, dict) and set(content) == {"data"} else content
    if not isinstance(users, list):
        message = f"'source' {name} is {kind(users)}; expected an array of users, or an object with 'data' alone."
        raise SourceError(message)
    yield from users


def _read_json_lines(text: io.TextIOWrapper, name: str) -> Iterator[object]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            message = f"'source' {name}, line {number:,} is not JSON; expected one user, an object, in each line."
            raise SourceError(message) from None  # the cause holds somebody's data


_READERS: Final = {"csv": _read_csv, "json": _read_json, "jsonl": _read_json_lines}
