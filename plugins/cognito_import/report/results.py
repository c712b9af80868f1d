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
from itertools import islice, repeat
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple
from zoneinfo import ZoneInfo

from cognito_import.outcomes import (
    EXISTED,
    EXISTED_AS_LISTED,
    EXISTS_CODES,
    INTERRUPTED,
    NOT_ATTEMPTED,
    SUCCEEDED,
    UNCHANGED,
    WOULD_COMPLETE,
    common,
    plain,
)
from cognito_import.request.fields import REPORTED as COLUMNS
from cognito_import.request.fields import is_attribute
from cognito_import.request.formulas import neutral
from cognito_import.values import aware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cognito_import.outcomes import Outcome

_MAX_REASONS: Final = 5
_ROWS_AT_ONCE: Final = 10_000
_SAFE_RUN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")

_WORDS: Final = {
    "succeeded": "succeeded",
    "changed": "existed and were changed",
    "existed": "existed as listed",
    "exists": "existed already",
    "failed": "failed",
    "not_attempted": "not attempted",
    "interrupted": "interrupted",
}
_FORESEEN: Final = {
    "succeeded": "would succeed",
    "incomplete": "exist and would be changed",
    "existed": "would stay as they are",
    "exists": "exist already",
    "failed": "would fail",
    "not_attempted": "not looked up",
}


class Reason(NamedTuple):
    """Why so many `users` failed: the error code, and the message with `…` where it differs between them."""

    code: str
    message: str
    users: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of one run; `total` is the sum of the others.

    `changed` counts the users who were in the pool before and got what their rows say, `existed` those who had it; of a dry
    run `existed` counts those whom it would leave as they are, and `incomplete` those whom it would change. `exists` counts
    those whose creation failed since they were in the pool before, `not_attempted` those for whom no call was made,
    `interrupted` those who were under way when their worker died, `failed` all other failures. `reasons` holds the five
    commonest reasons at most, the commonest first, without `exists`.
    """

    total: int
    succeeded: int
    exists: int
    failed: int
    not_attempted: int
    interrupted: int = 0
    reasons: tuple[Reason, ...] = ()
    existed: int = 0
    incomplete: int = 0
    changed: int = 0

    @property
    def unfinished(self) -> int:
        """How many users the run has still to deal with; it is complete at 0."""
        return self.not_attempted + self.interrupted

    def as_dict(self) -> dict[str, object]:
        """Return the counts as small JSON for an XCom or a page, without messages: they can hold an address."""
        return {
            "total": self.total,
            "succeeded": self.succeeded,
            "changed": self.changed,
            "existed": self.existed,
            "incomplete": self.incomplete,
            "exists": self.exists,
            "failed": self.failed,
            "not_attempted": self.not_attempted,
            "interrupted": self.interrupted,
            "reasons": [{"code": reason.code, "users": reason.users} for reason in self.reasons],
        }


def summarise(outcomes: Iterable[Outcome], told: Callable[[Outcome], Outcome] = lambda outcome: outcome) -> Summary:
    """Count `outcomes` as they are stored, in one pass and in any order; the reasons are as they are `told`."""
    counts: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    shown: dict[tuple[str, str], str] = {}
    for outcome in outcomes:
        kind = kind_of(outcome)
        counts[kind] += 1
        if kind == "exists" or outcome.status == SUCCEEDED:
            continue
        message = plain(told(outcome).message)
        group = outcome.code, common(message)
        reasons[group] += 1
        # A number in a message (a limit, say) is worth reading as long as the whole group shares it.
        shown[group] = message if shown.get(group, message) == message else group[1]
    # Not most_common: it keeps the order of arrival among equal counts, and that differs between engines.
    commonest = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:_MAX_REASONS]
    return Summary(
        total=counts.total(),
        succeeded=counts["succeeded"],
        exists=counts["exists"],
        failed=counts["failed"],
        not_attempted=counts["not_attempted"],
        interrupted=counts["interrupted"],
        existed=counts["existed"],
        incomplete=counts["incomplete"],
        changed=counts["changed"],
        reasons=tuple(Reason(group[0], shown[group], users) for group, users in commonest),
    )


def kind_of(outcome: Outcome) -> str:
    """Return the count of a :class:`Summary` that an outcome belongs to, as it is stored."""
    if outcome.status == SUCCEEDED:
        changed = "existed" if outcome.message == EXISTED_AS_LISTED else "changed"
        return {EXISTED: changed, UNCHANGED: "existed", WOULD_COMPLETE: "incomplete"}.get(outcome.code, "succeeded")
    if outcome.code in EXISTS_CODES:
        return "exists"
    return {NOT_ATTEMPTED: "not_attempted", INTERRUPTED: "interrupted"}.get(outcome.code, "failed")


def told(counts: Mapping[str, Any], *, dry_run: bool = False) -> str:
    """Return the counts of :meth:`Summary.as_dict` in one line."""
    total, words = counts["total"], _FORESEEN if dry_run else _WORDS
    parts = [f"{counts[key]:,} {word}" for key, word in words.items() if counts.get(key)]
    return f"{'dry run, nothing was changed: ' * dry_run}{total:,} user{'s' * (total != 1)}: {', '.join(parts)}"


def write_csv(
    outcomes: Iterable[Outcome],
    target: str | PathLike[str] | BinaryIO,
    columns: Sequence[str] = (),
    cells: Iterable[Mapping[str, str]] = (),
) -> None:
    """Write `outcomes` in the request's order to `target`, a path or an open binary file, which stays open.

    `columns` stand behind COLUMNS; `cells` are their values, a mapping for each outcome, in the request's order. An
    attribute or group is written for a user alone who needs it to be imported again: one who failed, or of a dry run.

    RFC 4180 (CRLF, quotes where needed) in UTF-8 with BOM, without which Excel would not read it as UTF-8. A
    field that a spreadsheet would run gets a leading apostrophe. What UTF-8 cannot encode (half a surrogate
    pair) is written as its escape: one malformed address must not cost the report. Raises OSError, and ValueError if
    there are more or fewer `cells` than outcomes.
    """
    if isinstance(target, (str, PathLike)):
        with Path(target).open("wb") as file:
            write_csv(outcomes, file, columns, cells)
        return

    import pandas as pd

    ordered = sorted(outcomes, key=lambda outcome: outcome.row)
    rows = zip(ordered, cells, strict=True) if columns else zip(ordered, repeat({}))
    text = TextIOWrapper(target, encoding="utf-8-sig", errors="backslashreplace", newline="")
    try:
        # pandas holds a slice of the rows at a time. A report without any still has its header.
        for start in range(0, len(ordered) or 1, _ROWS_AT_ONCE):
            part = [_row(outcome, columns, beside) for outcome, beside in islice(rows, _ROWS_AT_ONCE)]
            # dtype object: pandas' text type may be Arrow's, which refuses half a surrogate pair.
            frame = pd.DataFrame(part, columns=[*COLUMNS, *map(neutral, columns)], dtype=object)
            frame.to_csv(text, index=False, header=start == 0, lineterminator="\r\n")
        next(rows, None)  # whether `cells` has come to its end, too
    finally:
        text.detach()


def _row(outcome: Outcome, columns: Sequence[str], beside: Mapping[str, str]) -> list[str]:
    values = [getattr(outcome, column) for column in COLUMNS]
    for column in columns:
        finished = outcome.status == SUCCEEDED and not outcome.foreseen
        unneeded = finished and (column == "groups" or is_attribute(column))
        values.append("" if unneeded else beside.get(column, ""))
    return [neutral(value) for value in values]


def report_key(jobtype: str, run: str, now: datetime, time_zone: str, *, dry_run: bool = False) -> str:
    """Return where the report of `run` is stored: `cognito{jobtype}log/{jobtype}_result_{yyyymmddHHMMSS}_{run}.csv`.

    That of a dry run has `dry_run` in place of `result`.
    The time is `now` in `time_zone` (IANA name). Raises ValueError for a naive `now`, and for a `run` that is
    not 1 to 128 letters, digits, `.`, `_` and `-`: it becomes a file name.
    """
    if not _SAFE_RUN.fullmatch(run):
        message = "'run' must be 1 to 128 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise ValueError(message)
    local = aware(now).astimezone(ZoneInfo(time_zone))
    return f"cognito{jobtype}log/{jobtype}_{'dry_run' if dry_run else 'result'}_{local:%Y%m%d%H%M%S}_{run}.csv"
