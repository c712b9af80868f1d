"""The report: its counts, its CSV, and where it is stored."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import.outcomes import INTERRUPTED, Outcome
from cognito_import.report import results
from cognito_import.request import formulas

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 23, 5, 7, tzinfo=UTC)
BUCKET, KEY = "example-reports", "cognitoimportlog/import_result_20261123080507_run-1.csv"
DAY = 86_400
EXISTS = "UsernameExistsException"


def made(outcomes: list[Outcome]) -> bytes:
    """Return the CSV of `outcomes`."""
    file = io.BytesIO()
    results.write_csv(outcomes, file)
    return file.getvalue()


def rows(content: bytes) -> list[list[str]]:
    """Read a CSV the way the standard library does."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def cell(value: str) -> str:
    """Return what the CSV holds for `value`."""
    return rows(made([Outcome(1, value, "failed")]))[1][0]


def runs(value: str) -> bool:
    """Tell whether a spreadsheet may run `value`: a sign after what is trimmed or not seen."""
    trimmed = value.lstrip("".join(filter(lambda x: x.isspace() or unicodedata.category(x) == "Cc", value)))
    sign = unicodedata.normalize("NFKC", trimmed[:1])
    return value != "-" and (sign in tuple("=+-@") or value.startswith(("\t", "\r", "\n")))


# Counts


def test_summary_counts_every_user_once() -> None:
    """Each outcome is in one count, and users who existed are no failures."""
    outcomes = [
        Outcome(1, "a@example.com", "succeeded"),
        Outcome.failed(2, "b@example.com", EXISTS, "User account already exists"),
        Outcome.failed(3, "c@example.com", "AliasExistsException", "An account with the email exists."),
        Outcome.failed(4, "d@example.com", "InvalidParameterException", "Invalid email address format."),
        Outcome.not_attempted(5, "e@example.com", "The calls were stopped."),
        Outcome.failed(6, "f@example.com", INTERRUPTED, "The worker ended."),
    ]
    summary = results.summarise(outcomes)
    assert (summary.total, summary.succeeded, summary.exists, summary.failed) == (6, 1, 2, 1)
    assert (summary.not_attempted, summary.interrupted, summary.unfinished) == (1, 1, 2)
    assert {reason.code for reason in summary.reasons} == {
        "InvalidParameterException",
        "NotAttempted",
        INTERRUPTED,
    }


def test_reasons_are_the_five_commonest_in_an_order_of_their_own() -> None:
    """Five reasons at most, the commonest first and ties by name, in whatever order the outcomes come."""
    outcomes = [
        Outcome.failed(10 * number + repeat, "a@example.com", f"Code{number}", "No.")
        for number in range(7)
        for repeat in range(1 + (number == 6))
    ]
    expected = ["Code6", "Code0", "Code1", "Code2", "Code3"]
    assert [reason.code for reason in results.summarise(outcomes).reasons] == expected
    assert results.summarise(outcomes) == results.summarise(reversed(outcomes))


def test_one_problem_of_many_users_is_one_reason() -> None:
    """Addresses, row numbers and ids in a message don't split a reason."""
    outcomes = [Outcome.failed(row, "a@example.com", "InvalidParameterException", "Bad value") for row in range(1, 4)]
    outcomes.append(Outcome.failed(4, "a@example.com", "InvalidParameterException", "Bad value"))
    outcomes += [Outcome.failed(row, "b", "Duplicate", f"u{row}@x.org is in row {row}") for row in (5, 6)]
    assert results.summarise(outcomes).reasons == (
        ("InvalidParameterException", "Bad value", 4),
        ("Duplicate", "… is in row …", 2),
    )


def test_a_number_that_all_share_stays_in_the_reason() -> None:
    """A limit in a message is shown, because it does not differ between the users."""
    outcomes = [Outcome.failed(row, "a", "TooLong", "more than 128 characters") for row in (1, 2)]
    assert results.summarise(outcomes).reasons == (("TooLong", "more than 128 characters", 2),)


def test_counts_as_json_hold_no_message() -> None:
    """The counts go where messages, which can hold an address, must not."""
    outcomes = [Outcome.failed(1, "secret@example.com", "Code", "secret@example.com is bad")]
    shown = json.dumps(results.summarise(outcomes).as_dict())
    assert "secret" not in shown
    assert json.loads(shown)["reasons"] == [{"code": "Code", "users": 1}]


@given(st.lists(st.sampled_from(["", EXISTS, "NotAttempted", INTERRUPTED, "Other"])))
def test_counts_add_up(codes: list[str]) -> None:
    """The total is the sum of the other counts."""
    outcomes = [Outcome(n, "a", "failed" if code else "succeeded", "m", code) for n, code in enumerate(codes)]
    s = results.summarise(outcomes)
    assert s.total == len(codes) == s.succeeded + s.exists + s.failed + s.not_attempted + s.interrupted


# CSV


def test_csv_is_what_excel_and_rfc_4180_want() -> None:
    """The CSV begins with the BOM and the header, and its lines end in CRLF, in the request's order."""
    later = Outcome(2, "b@example.com", "succeeded", username="id-2")
    content = made([later, Outcome(1, "a@x.org", "succeeded")])
    assert content == (
        b"\xef\xbb\xbfuseremail,status,message,code,username\r\n"
        b"a@x.org,succeeded,-,,\r\n"
        b"b@example.com,succeeded,-,,id-2\r\n"
    )


def test_csv_of_no_user_has_its_header() -> None:
    """A report without users is a header, not an empty file."""
    assert rows(made([])) == [list(results.COLUMNS)]


def test_csv_has_one_header_however_many_rows() -> None:
    """Writing in parts leaves no second header or BOM and loses no row."""
    outcomes = [Outcome(row, f"u{row}@example.com", "succeeded") for row in range(25_000, 0, -1)]
    content = made(outcomes)
    assert content.count(b"useremail") == content.count(b"\xef\xbb\xbf") == 1
    assert [line[0] for line in rows(content)[1:]] == [f"u{row}@example.com" for row in range(1, 25_001)]


def test_csv_to_a_path_and_to_an_open_file_is_the_same(tmp_path: Path) -> None:
    """A path and a file get the same bytes, and the file stays open."""
    outcomes = [Outcome(1, "a@example.com", "succeeded")]
    results.write_csv(outcomes, tmp_path / "report.csv")
    file = io.BytesIO()
    results.write_csv(outcomes, file)
    assert not file.closed
    assert (tmp_path / "report.csv").read_bytes() == file.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("=1+1", id="equals"),
        pytest.param("+81@example.com", id="plus"),
        pytest.param("-1", id="minus"),
        pytest.param("@SUM(1)", id="at"),
        pytest.param("\t=1", id="tab"),
        pytest.param("\r=1", id="carriage return"),
        pytest.param("\nx", id="line feed"),
        pytest.param("  =1", id="after spaces"),
        pytest.param("\u3000=1", id="after an ideographic space"),
        pytest.param("\x00=1", id="after a null"),
        pytest.param("\ufeff=1", id="after a BOM"),
        pytest.param("\uff1d1", id="full-width equals"),
        pytest.param("\uff0b1", id="full-width plus"),
        pytest.param("\uff0d1", id="full-width minus"),
        pytest.param("\uff20x", id="full-width at"),
        pytest.param("'=1", id="looks neutralised already"),
    ],
)
def test_csv_runs_no_formula(value: str) -> None:
    """A field that a spreadsheet would run gets an apostrophe, in whatever column it stands."""
    content = made([Outcome(1, value, value, value, value, value)])
    assert rows(content)[1] == [f"'{value}"] * 5


@pytest.mark.parametrize("value", ["-", "a=1", "o'hara@example.com", "'quoted'", "", "1", "日本語", "😀"])
def test_csv_leaves_other_fields_alone(value: str) -> None:
    """What is no formula stays as it is, the `-` of a success too."""
    assert rows(made([Outcome(1, value, value, value, value, value)]))[1] == [value] * 5


FIELD = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("=+-@'\t\r\n\x00 ,\";\u3000\uff1d\uff0b\uff0d\uff20\U00020bb7日本a😀", max_size=8),
)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD), max_size=5))
def test_csv_round_trip(fields: list[tuple[str, str, str, str, str]]) -> None:
    """A reader gets every field back, line breaks and emoji too, with one apostrophe before some."""
    content = made([Outcome(row, *values) for row, values in enumerate(fields, 1)])
    for line, values in zip(rows(content)[1:], fields, strict=True):
        for field, value in zip(line, values, strict=True):
            assert field == f"'{value}" if runs(value) else field in {value, f"'{value}"}


@given(FIELD)
def test_csv_fields_that_differ_stay_different(value: str) -> None:
    """No field becomes what another one is, so the apostrophe can be taken away again."""
    assert cell(f"'{value}") != cell(value)


@given(st.lists(FIELD.filter(lambda field: "\0" not in field), min_size=1, max_size=5))
def test_csv_reads_back_in_pandas(messages: list[str]) -> None:
    """Pandas reads the rows and the fields that the standard library reads."""
    content = made([Outcome(row, "a@x.org", "failed", text, "Code") for row, text in enumerate(messages, 1)])
    frame = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", dtype=str, keep_default_na=False)
    assert list(frame.columns) == list(results.COLUMNS)
    assert frame.to_numpy().tolist() == rows(content)[1:]


def test_csv_survives_half_a_surrogate_pair() -> None:
    """An address that UTF-8 cannot encode is written as its escape and costs no other row."""
    content = made([Outcome.failed(1, "\ud83d@example.com", "InvalidEmail", "No."), Outcome(2, "b", "succeeded")])
    assert [line[0] for line in rows(content)[1:]] == [r"\ud83d@example.com", "b"]


def test_csv_shows_what_the_list_said_behind_the_five_columns() -> None:
    """The row and extra columns stand beside everybody; groups and attributes beside those who have to be imported again."""
    outcomes = [Outcome.failed(2, "b", "Code", "No."), Outcome(1, "a", "succeeded")]
    cells = [
        {"row": "2", "\u6c0f\u540d": "A", "groups": "STAFF", "name": "a"},
        {"row": "3", "\u6c0f\u540d": "=B", "groups": "STAFF", "name": "b"},
    ]
    file = io.BytesIO()
    results.write_csv(outcomes, file, ["row", "\u6c0f\u540d", "groups", "name", "=head"], iter(cells))
    assert rows(file.getvalue()) == [
        [*results.COLUMNS, "row", "\u6c0f\u540d", "groups", "name", "'=head"],
        ["a", "succeeded", "-", "", "", "2", "A", "", "", ""],
        ["b", "failed", "No.", "Code", "", "3", "'=B", "STAFF", "b", ""],
    ]


@pytest.mark.parametrize("cells", [1, 3])
def test_csv_puts_no_row_s_cells_beside_another(cells: int) -> None:
    """Cells that are not as many as the outcomes belong to another run."""
    outcomes = [Outcome(row, "a", "succeeded") for row in (1, 2)]
    with pytest.raises(ValueError, match="zip"):
        results.write_csv(outcomes, io.BytesIO(), ["row"], [{"row": "1"}] * cells)


@given(FIELD)
def test_csv_fields_can_be_read_back(value: str) -> None:
    """Whatever was neutralised is itself again, and nothing else is changed."""
    assert formulas.original(formulas.neutral(value)) == value


# Key and object


def test_key_has_the_local_time_of_the_settings() -> None:
    """The key names job, local time and run."""
    assert results.report_key("import", "run-1", NOW, "Asia/Tokyo") == KEY
    deletion = results.report_key("delete", "r", NOW, "UTC")
    assert deletion == "cognitodeletelog/delete_result_20261122230507_r.csv"


@pytest.mark.parametrize("run", ["", "a/b", "../x", "a b", 'a"b', "a\nb", "a:b", "-a", "é", "a" * 129])
def test_key_refuses_a_run_that_is_no_file_name(run: str) -> None:
    """A run's name becomes part of a key and a header, so only safe characters are taken."""
    with pytest.raises(ValueError, match="'run' must be"):
        results.report_key("import", run, NOW, "UTC")


def test_key_refuses_a_moment_without_zone() -> None:
    """A naive moment would silently be the machine's own time."""
    with pytest.raises(ValueError, match="no time zone"):
        results.report_key("import", "r", NOW.replace(tzinfo=None), "UTC")
