"""The report of an earlier run as a source."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.request.objects import TARO, read, source

from cognito_import.errors import SourceError
from cognito_import.outcomes import Outcome
from cognito_import.report import results
from cognito_import.request.fields import Given
from cognito_import.request.users import check_users


def reported(outcomes, columns=(), cells=()) -> bytes:
    """Return the CSV of a report."""
    file = io.BytesIO()
    results.write_csv(outcomes, file, columns, cells)
    return file.getvalue()


def once(content: bytes, name: str = "a.csv"):
    """Read users, fail each of them, and return them and the report's CSV."""
    cells = io.BytesIO()
    users = source(content, name, cells=cells)
    checked = list(check_users(users, ("BASIC",)))
    failed = [Outcome.failed(row.row, row.useremail, "SomeException", "No.") for row in checked]
    return checked, reported(failed, users.columns, [json.loads(line) for line in cells.getvalue().splitlines()])


def test_a_report_is_a_list_of_its_failed_rows(caplog):
    """Rows that succeeded are passed over; what was neutralised for a spreadsheet is itself again."""
    caplog.set_level(logging.INFO)
    outcomes = [
        Outcome(1, "done@example.com", "succeeded", username="id-1"),
        Outcome.failed(2, "=x@example.com", "InternalErrorException", "Later."),
        Outcome.failed(3, "b@exmaple.com", "UsernameExistsException", "There."),
    ]
    cells = [{"row": str(row), "氏名": name} for row, name in ((2, "x"), (3, "=1+1"), (4, TARO))]
    content = reported(outcomes, ["row", "氏名"], cells).replace(b"b@exmaple.com", b"b@example.com")
    assert list(source(content)) == [
        Given(3, {"useremail": "=x@example.com"}, {"氏名": "=1+1"}),
        Given(4, {"useremail": "b@example.com"}, {"氏名": TARO}),
    ]
    assert "1 rows that succeeded are passed over" in caplog.text


def test_a_report_without_a_failure_is_refused():
    """Nothing is left to do, and the message says so."""
    with pytest.raises(SourceError, match="all 1 rows succeeded"):
        read(reported([Outcome(1, "a@example.com", "succeeded")]))


def test_a_deletion_takes_no_report_of_an_import():
    """Its failed rows are users who were there before the import: the last whom anybody wants to delete."""
    content = reported([Outcome.failed(1, "a@example.com", "UsernameExistsException", "There.")])
    with pytest.raises(SourceError, match="report of an import"):
        list(source(content, jobtype="delete"))
    deletion = reported([Outcome.failed(1, "a@example.com", "InternalErrorException", "Later.")])
    assert [given.user for given in source(deletion, jobtype="delete")] == [{"useremail": "a@example.com"}]


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


FORMULA = st.sampled_from(["=1+1", "+81", "-1", "@x", "'=1", "''=", "-"])


MEMBERS = st.lists(
    st.fixed_dictionaries(
        {"useremail": st.from_regex(r"[=+'-]{0,2}[a-z]{1,4}@[xy]\.jp", fullmatch=True)},
        optional={
            "attributes": st.dictionaries(
                st.sampled_from(["name", "custom:dept", "family_name"]), PRINTABLE | FORMULA, min_size=1
            ),
            "groups": st.lists(
                PRINTABLE.filter(lambda group: ";" not in group) | st.just("=A"), max_size=3, unique=True
            ),
        },
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda user: user["useremail"],
)


@given(MEMBERS)
def test_a_list_survives_its_report(users):
    """Whoever failed is imported from the report with the attributes and groups of the first list, however often."""
    first, content = once(json.dumps(users).encode(), "a.json")
    again, content = once(content)
    third, _ = once(content)
    assert first == again == third
