"""Lists as people upload them to the page: read, checked, corrected, and handed to a run that reads the same."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import pytest
from openpyxl import Workbook

from cognito_import.console import workbooks
from cognito_import.console.checked import check, corrected, grouped, source
from cognito_import.console.drafts import Draft, Drafts
from cognito_import.console.reading import as_stored, read
from cognito_import.errors import RequestError, SourceError
from cognito_import.ingest import ingest_request
from cognito_import.request.fields import Given
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings

SETTINGS = Settings("ap-northeast-1_abc", "reports", "from@example.com")
HOSTILE = '<script>alert("x")</script>@example.com'


def workbook(*rows: list[object], sheets: int = 1) -> io.BytesIO:
    """An Excel workbook whose last sheet has the rows."""
    book = Workbook()
    for _ in range(sheets - 1):
        book.create_sheet()
    for row in rows:
        book.worksheets[-1].append(row)
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


def understood(content, kind: str = "csv", columns=None, **options):
    """What is read of an upload."""
    file = content if isinstance(content, io.BytesIO) else io.BytesIO(content.encode())
    return read(*as_stored(file, kind, "users"), "users", delete=False, columns=columns or {}, **options)


def checked(text: str, kind: str = "csv", jobtype: str = "import"):
    """What the check says of an upload."""
    return check(understood(text, kind).users, SETTINGS, jobtype)


def test_workbook_says_what_a_csv_says():
    """Numbers, dates and empty cells are as a person reads them, rows are counted as Excel does, empty sheets passed over."""
    file = workbook(
        ["社員番号", "メールアドレス", "birthdate", "groups"],
        [1001, "a@example.com", date(1990, 4, 1), "BASIC;STAFF"],
        [],
        [1002.5, "b@example.com", None, None],
        sheets=2,
    )
    first, second = understood(file, "xlsx").users
    assert (first.number, second.number) == (2, 4)
    assert first.user == {
        "useremail": "a@example.com",
        "groups": ["BASIC", "STAFF"],
        "attributes": {"birthdate": "1990-04-01"},
    }
    assert (first.extra, second.extra) == ({"社員番号": "1001"}, {"社員番号": "1002.5"})


def test_workbook_that_would_fill_the_disk_is_refused(monkeypatch):
    """What it unpacks to is counted, whatever it says of its own size; so are its files."""
    monkeypatch.setattr(workbooks, "MAX_UNPACKED_BYTES", 1_000_000)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 5_000_000)
    assert bomb.tell() < 10_000
    bomb.seek(0)
    with pytest.raises(SourceError, match="unpacks to more than 1,000,000 bytes"):
        as_stored(bomb, "xlsx", "bomb.xlsx")
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(workbooks.MAX_FILES + 1):
            archive.writestr(str(number), "")
    many.seek(0)
    with pytest.raises(SourceError, match="holds 1,001 files"):
        as_stored(many, "xlsx", "many.xlsx")


@pytest.mark.parametrize("content", [b"no zip at all", b"PK\x03\x04broken", b""])
def test_what_is_no_workbook_is_named(content):
    """A broken file is the person's to save again, and never an error of the server."""
    with pytest.raises(SourceError, match=r"users\.xlsx cannot be read as an Excel workbook"):
        as_stored(io.BytesIO(content), "xlsx", "users.xlsx")


def test_problems_are_told_at_their_rows_with_their_cells():
    """The core's own check, its sentences in the reader's language, and every cell as it was given."""
    found = checked(f"email,given_name\n{HOSTILE},A\n{HOSTILE} x,B\na@example.com,\nA@example.com,=1+1\n")
    told = found.as_json("token", "ja")
    assert (told["users"], told["good"], told["wrong"]) == (4, 2, 2)
    wrong, double = told["problems"]
    assert (wrong["row"], wrong["code"]) == (3, "InvalidAddress")
    assert wrong["cells"] == {"useremail": f"{HOSTILE} x", "given_name": "B"}
    assert (double["row"], double["cells"]["given_name"]) == (5, "=1+1")
    assert double["message"].startswith("4 行目")


def test_a_correction_is_checked_anew_and_a_row_can_be_left_out():
    """An empty cell takes away what it held, a field of a wrong kind can be replaced, and other rows stay as they were."""
    users = [
        Given(1, {"useremail": "a", "attributes": {"nam": "A", "name": "B"}}),
        Given(2, {"useremail": "b@example.com", "groups": "BASIC"}),
        Given(3, "c@example.com", {}, "The row has a field too many."),
        Given(4, 5),
    ]
    edits = {
        "1": {"useremail": "a@example.com", "nam": ""},
        "2": {"groups": "BASIC; STAFF"},
        "3": {"useremail": "c@example.com"},
        "4": None,
    }
    found = check(corrected(users, edits), SETTINGS, "import")
    assert not found.problems
    assert [(row.useremail, row.attributes, row.groups) for _, row in found.good] == [
        ("a@example.com", {"name": "B"}, ("BASIC",)),
        ("b@example.com", {}, ("BASIC", "STAFF")),
        ("c@example.com", {}, ("BASIC",)),
    ]


def test_a_list_without_anybody_is_an_error_but_not_one_without_a_good_row():
    """So that the last problem can still be corrected."""
    assert len(checked("email\nnobody\n").problems) == 1
    with pytest.raises(RequestError, match="no users"):
        checked("email\n")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_run_reads_of_the_source_what_was_checked(resources, settings, kind):
    """The rows that passed, with attributes, groups, further columns and row numbers; the others are in no file."""
    text = {
        "csv": "email,groups,部署,name\na@example.com,STAFF;BASIC,営業,A\nwrong,,,\n\n"
        'b@example.com,;,"a ""b""\nc",\nc@example.com,,,"=1+1"\n',
        "jsonl": '{"useremail": "a@example.com", "groups": ["STAFF", "BASIC"], "attributes": {"name": "A"}}\n"wrong"\n\n'
        '{"useremail": "b@example.com", "groups": []}\n{"useremail": "c@example.com", "attributes": {"name": "=1+1"}}\n',
    }[kind]
    found = check(understood(text, kind).users, settings, "import")
    drafts = Drafts(resources.s3, resources.bucket, "hanako")
    address = drafts.publish(found)
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    ingest_request({"source": address, "adminemail": resources.admin}, settings, resources.s3, folder)
    assert [(row.useremail, row.groups, row.attributes) for row in folder.all_rows()] == [
        ("a@example.com", ("STAFF", "BASIC"), {"name": "A"}),
        ("b@example.com", (), {}),
        ("c@example.com", ("BASIC",), {"name": "=1+1"}),
    ]
    if kind == "csv":
        cells = list(folder.cells())
        assert [one["row"] for one in cells] == [str(given.number) for given, _ in found.good]
        assert [one["部署"] for one in cells] == ["営業", 'a "b"\nc', ""]
    assert b"wrong" not in source(found)


def test_a_draft_is_its_owners_alone(resources):
    """Whoever knows the token of somebody else's list finds nothing, and no token leads out of the folder."""
    drafts = Drafts(resources.s3, resources.bucket, "hanako")
    draft = Draft(
        drafts.keep(b"a"), "csv", "users.csv", columns={0: "useremail", 3: None}, edits={"2": {"x": "y"}, "3": None}
    )
    token = drafts.store(draft)
    assert (drafts.load(token), drafts.upload(draft)) == (draft, b"a")
    other = Drafts(resources.s3, resources.bucket, "taro")
    assert (other.load(token), other.upload(draft)) == (None, None)
    assert drafts.load(f"../{token}") is None


def test_small_workbook_with_a_huge_table_is_refused(monkeypatch):
    """A cell that many rows show stands in the file once, so what the file unpacks to says nothing of the table."""
    monkeypatch.setattr(workbooks, "MAX_TABLE_CHARACTERS", 10_000)
    with pytest.raises(SourceError, match="unpacks to more than 10,000 bytes"):
        as_stored(workbook(*[["x" * 1_000]] * 11), "xlsx", "users.xlsx")


ATTRIBUTES = ("custom:Team", "family_name", "given_name", "name", "phone_number")


def test_column_is_guessed_by_its_name_or_its_cells():
    """Only where no other column has the field; what is understood anyway needs no guess."""
    table = "Work,First name,姓,team,tel,携帯電話,GivenName,Notes,\nA@example.com,A,B,C,090-1234,+8190,D,E,\n"
    found = understood(table, attributes=ATTRIBUTES)
    assert "no column 'useremail'" in found.question
    assert [(column.header, column.field, column.guess) for column in found.columns] == [
        ("Work", "", "useremail"),
        ("First name", "", ""),  # GivenName is that
        ("姓", "", "family_name"),
        ("team", "", "custom:Team"),
        ("tel", "", ""),  # Cognito takes no such number
        ("携帯電話", "", "phone_number"),
        ("GivenName", "given_name", ""),
        ("Notes", "", ""),
    ]
    assert found.columns[0].samples == ["A@example.com"]


def test_columns_hold_what_a_person_says():
    """Whatever their headers say; one that is left out is in no report, and a run reads the source alike."""
    table = "mail,Work,Team,Notes,given_name\nprivate@example.com,a@example.com,STAFF;BASIC,secret,A\n"
    found = understood(table, columns={1: "useremail", 2: "groups", 3: None, 4: ""})
    assert [(user.user, user.extra) for user in found.users] == [
        (
            {"useremail": "a@example.com", "groups": ["STAFF", "BASIC"]},
            {"mail": "private@example.com", "given_name (2)": "A"},
        )
    ]
    assert [column.field for column in found.columns] == ["", "useremail", "groups", None, ""]
    passed = check(found.users, SETTINGS, "import")
    again = understood(source(passed).decode()).users
    assert [(user.number, user.user, user.extra) for user in again] == [
        (user.number, user.user, user.extra) for user in found.users
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({0: "useremail", 1: "useremail"}, "'useremail' more than once"),
        ({0: ""}, "no column 'useremail'"),
    ],
)
def test_columns_that_are_not_clear_are_asked_for(columns, message):
    """With the columns to choose from, and no user."""
    found = understood("mail,work\na@example.com,b@example.com\n", columns=columns)
    assert message in found.question
    assert (len(found.columns), found.users) == (2, [])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        pytest.param({9: "groups"}, "has 1 columns, and none in place 10", id="no such column"),
        pytest.param({-1: "groups"}, "none in place 0", id="before the first"),
        pytest.param({0: "email"}, "said to hold 'email'", id="an attribute of the import's own"),
        pytest.param({0: "status"}, "said to hold 'status'", id="a report's column"),
        pytest.param({0: "custom:<script>"}, "said to hold 'custom:<script>'", id="no attribute"),
    ],
)
def test_columns_that_no_list_has_are_refused(columns, message):
    """None of it reaches a row."""
    with pytest.raises(SourceError, match=message):
        understood("mail\na@example.com\n", columns=columns)


def test_file_without_a_header_is_understood_or_asked_about():
    """One column of addresses is clear, of two a person says which one."""
    assert [user.user for user in understood("a@example.com;A\nb@example.com;B\n").users] == [
        {"useremail": "a@example.com"},
        {"useremail": "b@example.com"},
    ]
    two = "A,a@example.com,boss@example.com\nB,b@example.com,boss@example.com\n"
    found = understood(two)
    assert [column.guess for column in found.columns] == ["", "useremail", ""]
    assert [user.user["useremail"] for user in understood(two, columns={1: "useremail"}).users] == [
        "a@example.com",
        "b@example.com",
    ]


def test_chosen_groups_are_of_those_whose_row_names_none():
    """No group at all is a choice, too."""
    users = [Given(1, "a@example.com"), Given(2, {"useremail": "b@example.com", "groups": ["STAFF"]}), Given(3, 5)]
    for chosen, first in ((["X", "Y"], ("X", "Y")), ([], ()), (None, ("BASIC",))):
        found = check(grouped(users, chosen), SETTINGS, "import")
        assert [row.groups for _, row in found.good] == [first, ("STAFF",)]
        assert [outcome.code for _, outcome in found.problems] == ["UnreadableUser"]


def test_correction_of_a_column_that_is_read_as_another_one_since_is_dropped():
    """It is no field of a user, and what the column holds now is shown again if it is wrong."""
    users = understood("mail,team\na@example.com,STAFF\n", columns={1: "groups"}).users
    assert check(corrected(users, {"2": {"team": "X"}}), SETTINGS, "import").good[0][1].groups == ("STAFF",)
