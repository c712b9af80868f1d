"""Outcomes > counts and CSV.

::

    outcomes ─┬─ summarise ─────────────────────────────────> Summary ─┐
              └─ write_csv > file ─ link.store > S3 ─ link.sign > Link ─┴─> mail.compose

An Airflow task and a Lambda run the same functions: they hand over the boto3 client, the settings' values and
the moment; nothing here reads a clock. pandas is imported by :func:`write_csv` alone, so that the mail and
the console can use the rest without its start-up time.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from io import TextIOWrapper
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple
from zoneinfo import ZoneInfo

from cognito_import.outcomes import EXISTS_CODES, INTERRUPTED, NOT_ATTEMPTED, SUCCEEDED
from cognito_import.values import aware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.outcomes import Outcome

COLUMNS: Final = ("useremail", "status", "message", "code", "username")
"""The CSV's header."""

_MOST_REASONS: Final = 5
_LONGEST_REASON: Final = 500
_ROWS_AT_ONCE: Final = 10_000
_SAFE_RUN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")

# The tail that Step Functions adds to a service's message, and what differs between users with one problem.
_SERVICE_TAIL: Final = re.compile(r"\s*\(Service: [^()]*\)\s*$")
_PER_USER: Final = re.compile(r"[^\s@'\"]+@[^\s@'\"]+|[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}|\d+")

# OWASP, "CSV Injection": = + - @ TAB CR LF and the full-width signs. With them go the small and mathematical
# forms that a spreadsheet may fold into them, and whatever is trimmed or not seen in front. Apostrophes in
# front count too, so that no field looks like another one neutralised and a reader can undo it. A "-" alone,
# the message of a success, is no formula.
_FORMULA: Final = re.compile(
    r"(?!-\Z)'*(?:[\t\r\n]"
    r"|[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212])"
)


class Reason(NamedTuple):
    """Why so many `users` failed: the error code, and the message with `…` where it differs between them."""

    code: str
    message: str
    users: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of one run; `total` is the sum of the other five.

    `exists` counts the users who were in the pool before, `not_attempted` those for whom no call was made,
    `interrupted` those who were under way when their worker died, `failed` all other failures. `reasons`
    holds the five commonest reasons at most, the commonest first, without `exists`.
    """

    total: int
    succeeded: int
    exists: int
    failed: int
    not_attempted: int
    interrupted: int = 0
    reasons: tuple[Reason, ...] = ()

    @property
    def unfinished(self) -> int:
        """How many users the run has still to deal with; it is complete at 0."""
        return self.not_attempted + self.interrupted

    def as_dict(self) -> dict[str, object]:
        """The counts as small JSON for an XCom or a page, without messages: they can hold an address."""
        return {
            "total": self.total,
            "succeeded": self.succeeded,
            "exists": self.exists,
            "failed": self.failed,
            "not_attempted": self.not_attempted,
            "interrupted": self.interrupted,
            "reasons": [{"code": reason.code, "users": reason.users} for reason in self.reasons],
        }


def summarise(outcomes: Iterable[Outcome]) -> Summary:
    """Count `outcomes`, in one pass and in any order."""
    counts: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    shown: dict[tuple[str, str], str] = {}
    for outcome in outcomes:
        kind = _kind(outcome)
        counts[kind] += 1
        if kind in ("succeeded", "exists"):
            continue
        message = _SERVICE_TAIL.sub("", outcome.message[:_LONGEST_REASON])
        group = outcome.code, _PER_USER.sub("…", message)
        reasons[group] += 1
        # A number in a message (a limit, say) is worth reading as long as the whole group shares it.
        shown[group] = message if shown.get(group, message) == message else group[1]
    # Not most_common: it keeps the order of arrival among equal counts, and that differs between engines.
    commonest = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:_MOST_REASONS]
    return Summary(
        total=counts.total(),
        succeeded=counts["succeeded"],
        exists=counts["exists"],
        failed=counts["failed"],
        not_attempted=counts["not_attempted"],
        interrupted=counts["interrupted"],
        reasons=tuple(Reason(group[0], shown[group], users) for group, users in commonest),
    )


def _kind(outcome: Outcome) -> str:
    if outcome.status == SUCCEEDED:
        return "succeeded"
    if outcome.code in EXISTS_CODES:
        return "exists"
    return {NOT_ATTEMPTED: "not_attempted", INTERRUPTED: "interrupted"}.get(outcome.code, "failed")


def write_csv(outcomes: Iterable[Outcome], target: str | PathLike[str] | BinaryIO) -> None:
    """Write `outcomes` in the request's order to `target`, a path or an open binary file, which stays open.

    RFC 4180 (CRLF, quotes where needed) in UTF-8 with BOM, without which Excel would not read it as UTF-8. A
    field that a spreadsheet would run gets a leading apostrophe. What UTF-8 cannot encode (half a surrogate
    pair) is written as its escape: one malformed address must not cost the report. Raises OSError.
    """
    if isinstance(target, (str, PathLike)):
        with Path(target).open("wb") as file:
            write_csv(outcomes, file)
        return

    import pandas as pd

    ordered = sorted(outcomes, key=lambda outcome: outcome.row)
    text = TextIOWrapper(target, encoding="utf-8-sig", errors="backslashreplace", newline="")
    try:
        # pandas holds a slice of the rows at a time. A report without any still has its header.
        for start in range(0, len(ordered) or 1, _ROWS_AT_ONCE):
            part = ordered[start : start + _ROWS_AT_ONCE]
            rows = [[_neutral(getattr(outcome, column)) for column in COLUMNS] for outcome in part]
            # dtype object: pandas' text type may be Arrow's, which refuses half a surrogate pair.
            frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
            frame.to_csv(text, index=False, header=start == 0, lineterminator="\r\n")
    finally:
        text.detach()


def _neutral(value: str) -> str:
    return f"'{value}" if _FORMULA.match(value) else value


def report_key(jobtype: str, run: str, now: datetime, time_zone: str) -> str:
    """Where the report of `run` is stored: `cognito{jobtype}log/{jobtype}_result_{yyyymmddHHMMSS}_{run}.csv`.

    The time is `now` in `time_zone` (IANA name). Raises ValueError for a naive `now`, and for a `run` that is
    not 1 to 128 letters, digits, `.`, `_` and `-`: it becomes a file name.
    """
    if not _SAFE_RUN.fullmatch(run):
        message = "'run' must be 1 to 128 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise ValueError(message)
    local = aware(now).astimezone(ZoneInfo(time_zone))
    return f"cognito{jobtype}log/{jobtype}_result_{local:%Y%m%d%H%M%S}_{run}.csv"
