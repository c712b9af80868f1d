"""Users out of S3 objects."""

import csv
import io
import json
import logging
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.request.objects import TARO, read, source

from cognito_import.errors import RequestError, SourceError
from cognito_import.request.fields import Given
from cognito_import.request.model import ImportRequest, UserRow
from cognito_import.request.sources import Users
from cognito_import.request.users import check_users

HEADER = b"useremail,given_name,custom:department,groups\r\n"


def test_an_object_is_read_from_s3(resources):
    """The version that was read is told."""
    etag = resources.s3.put_object(Bucket=resources.bucket, Key="users.csv", Body=b"useremail\na@example.com\n")["ETag"]
    request = ImportRequest("admin@example.com", "import", "mapped", source=(resources.bucket, "users.csv"))
    users = Users(request, resources.s3)
    assert [given.user for given in users] == [{"useremail": "a@example.com"}]
    assert users.etag == etag.strip('"')


def test_data_is_given_as_it_is():
    """A request's own users need no S3."""
    users = [{"useremail": "a@example.com"}, "b@example.com", 5]
    given = list(Users(ImportRequest("a@b.jp", "import", "mapped", data=users), None))
    assert given == [Given(number, user) for number, user in enumerate(users, start=1)]


# CSV


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_csv_is_read_with_any_line_end_and_mark(mark, end):
    """A byte order mark and CRLF are Excel's habits, not the user's fault."""
    content = mark + end.join([b"useremail,groups", b"a@example.com,BASIC; STAFF", b"", b"b@example.com,", b""])
    assert read(content) == [
        {"useremail": "a@example.com", "groups": ["BASIC", "STAFF"]},
        {"useremail": "b@example.com"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("announced", [False, True], ids=["", "sep"])
def test_a_csv_is_read_in_any_usual_form(encoding, delimiter, announced):
    """Excel in Japan writes Shift_JIS, in Germany semicolons, as Unicode text tabs; a `sep=` line tells which."""
    lines = [
        "メールアドレス,氏名,groups,,",
        f"a@example.com,{TARO},A,,",
        ",,,,",
        "b@example.com,ﾃｽﾄ,,,",
        ",,,,",
        "",
        " ",
    ]
    lines = [line.replace(",", delimiter) for line in lines]
    content = "\r\n".join([f"sep={delimiter}", *lines] if announced else lines).encode(encoding)
    assert list(source(content)) == [
        Given(2, {"useremail": "a@example.com", "groups": ["A"]}, {"氏名": TARO}),
        Given(4, {"useremail": "b@example.com"}, {"氏名": "ﾃｽﾄ"}),
    ]


@pytest.mark.parametrize("header", ["useremail", "UserEmail", " E-Mail ", "mail", "EMAIL", "メールアドレス", "ﾒｰﾙｱﾄﾞﾚｽ"])
def test_a_header_may_be_written_in_any_usual_way(header):
    """What people call the column of addresses is that column; attributes count in any case."""
    assert read(f"{header},Given_Name,GROUPS\na@example.com,花子,A".encode()) == [
        {"useremail": "a@example.com", "attributes": {"given_name": "花子"}, "groups": ["A"]}
    ]


def test_flags_have_columns_of_their_own():
    """An empty cell says nothing; what is no flag is for the check of that user."""
    assert read("mail,Email Verified,有効\na@example.com,FALSE,\nb@example.com,,soon".encode()) == [
        {"useremail": "a@example.com", "email_verified": "FALSE"},
        {"useremail": "b@example.com", "enabled": "soon"},
    ]


def test_the_very_name_beats_the_usual_ones():
    """Beside `useremail`, a column `mail` is extra; two usual names alone are ambiguous."""
    assert list(source(b"mail,useremail\nold@example.com,a@example.com")) == [
        Given(2, {"useremail": "a@example.com"}, {"mail": "old@example.com"})
    ]
    with pytest.raises(SourceError, match=r"'useremail' more than once \(mail, email\)"):
        read(b"mail,email\na@example.com,b@example.com")


@pytest.mark.parametrize("end", ["", ",,", ";"], ids=["plain", "empty-columns", "semicolon"])
def test_addresses_alone_need_no_header(end):
    """One column that begins with an address is a list of addresses; the first one is in it."""
    content = f"a@example.com{end}\nｂ＠example.com{end}\n".encode()  # noqa: RUF001 - as a Japanese keyboard writes it
    users = [row.useremail for row in check_users(source(content), ())]
    assert users == ["a@example.com", "b@example.com"]


def test_an_address_that_is_missing_is_told_with_its_row():
    """A row with something in it but no address fails with its row, and a blank row is none."""
    content = f"useremail,氏名\na@example.com,x\n,\n,{TARO}\n".encode()
    cells = io.BytesIO()
    good, bad = check_users(source(content, cells=cells), ())
    assert isinstance(good, UserRow)
    assert (bad.row, bad.code) == (2, "InvalidAddress")
    assert json.loads(cells.getvalue().splitlines()[1]) == {"row": "4", "氏名": TARO}


def test_columns_are_attributes():
    """A column named as an attribute is that attribute; commas and line breaks may stand in quotes; empty is left out."""
    content = HEADER + 'a@example.com,"山田, 花子","営業\n1課",\r\nb@example.com,,,;\r\n'.encode()
    first, second = read(content)
    assert first["attributes"] == {"given_name": "山田, 花子", "custom:department": "営業\n1課"}
    assert second == {"useremail": "b@example.com", "groups": []}


def test_an_extra_column_goes_to_the_report_alone(caplog):
    """A column that is no attribute costs nobody; the log says what became of the columns, and nobody's data."""
    caplog.set_level(logging.INFO)
    content = f"E-Mail,氏名,name2,department,message\na@example.com,{TARO},b,c,d".encode("cp932")
    users = source(content)
    (row,) = check_users(users, ("BASIC",))
    assert row == UserRow(1, "a@example.com", {}, ("BASIC",))
    assert users.columns == ["row", "氏名", "name2", "department", "message (2)"]
    for word in ("Shift_JIS", "commas", "E-Mail = useremail", "'氏名'", "did you mean 'name'", "custom:department"):
        assert word in caplog.text
    assert "a@example.com" not in caplog.text
    assert TARO not in caplog.text


@pytest.mark.parametrize(
    ("content", "name", "row"),
    [
        (b'[{"useremail": "a@example.com", "external_id": "E-7"}]', "users.json", "1"),
        (b"External ID,E-Mail\nE-7,a@example.com\n", "users.csv", "2"),
    ],
)
@pytest.mark.parametrize("jobtype", ["import", "delete"])
def test_the_upstream_systems_name_comes_back(content, name, row, jobtype):
    """Whatever its header is like, `external_id` is a column of the report, and nobody's attribute."""
    cells = io.BytesIO()
    users = source(content, name, jobtype, cells)
    (user,) = check_users(users, (), jobtype)
    assert user == UserRow(1, "a@example.com")
    assert users.columns == ["row", "external_id"]
    assert json.loads(cells.getvalue()) == {"row": row, "external_id": "E-7"}


def test_a_row_with_too_many_fields_fails_alone():
    """A comma too many is that row's own problem."""
    bad, good = check_users(source(b"useremail\na@example.com,oops\nb@example.com,\n"), ())
    assert (bad.useremail, bad.code) == ("a@example.com", "UnreadableUser")
    assert good.useremail == "b@example.com"


# Refused


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("a.csv", b"", ["is empty"], id="empty"),
        pytest.param("a.csv", b" \n\n", ["is empty"], id="blank"),
        pytest.param("a.csv", b"name,tel\nx,y\n", ["no column 'useremail'", "2 columns"], id="no-column"),
        pytest.param("a.csv", b"a@example.com;x\nb;y\n", ["no column 'useremail'", "2 columns"], id="no-header"),
        pytest.param("a.csv", b"useremail,name,Name\n", ["'name' more than once"], id="column-twice"),
        pytest.param("a.csv", "useremail\na@example.com\n".encode("utf-16"), ["UTF-16", "UTF-8"], id="utf-16"),
        pytest.param("a.csv", b"useremail\n\xff\xfe\xfa\x80\n", ["neither", "line 2"], id="no-encoding"),
        pytest.param("a.csv", "useremail,name\n,Renée\n".encode("latin-1"), ["neither", "line 2"], id="latin-1"),
        pytest.param(
            "a.csv", "useremail\n日本\n".encode() + b"\x93\n", ["neither", "line 3"], id="one-character-broken"
        ),
        pytest.param("a.csv", b"useremail\n\x00\x01\x02", ["binary"], id="binary"),
        pytest.param("a.csv", b"PK\x03\x04rest", ["Excel workbook"], id="xlsx"),
        pytest.param("a.csv", b'useremail\n"' + b"x" * 10_000_000, ["line 2", "quote"], id="10-MB-field"),
        pytest.param("a.csv", b'useremail\n"a@example.com\n', ["quote"], id="open-quote"),
        pytest.param("a.json", b'{"useremail": "a@example.com"}', ["an object", "array"], id="json-object"),
        pytest.param("a.json", b"[1,", ["is not JSON", "line 1"], id="json-broken"),
        pytest.param("a.json", b'[1,\n{"a" 5},2]', ["user 2", "line 2", "delimiter"], id="json-element"),
        pytest.param("a.json", b"[1,]", ["user 2"], id="json-comma"),
        pytest.param("a.json", b'["a@example.com"] []', ["goes on after"], id="json-twice"),
        pytest.param("a.json", b'{"data": ["a@example.com"], "x": 1}', ["goes on after"], id="json-more-keys"),
        pytest.param("a.json", b"[" * 100_000, ["is not JSON"], id="json-deep"),
        pytest.param("a.json", b'["' + b"a" * 40_000_000, ["user 1", "not closed"], id="json-quote"),
        pytest.param("a.jsonl", b'{"useremail": "a@example.com"}\n{"user', ["line 2", "not JSON"], id="jsonl-broken"),
        pytest.param("a.xlsx", b"x", [".csv, .json or .jsonl"], id="ending"),
    ],
)
def test_a_broken_source_is_refused_in_words(name, content, words):
    """The message names the object, what is wrong with it and what to do; nobody's data is in it."""
    with pytest.raises(SourceError) as refused:
        read(content, name)
    assert [word for word in [name, *words] if word not in str(refused.value)] == []
    assert "a@example.com" not in str(refused.value)
    assert refused.value.__cause__ is None or isinstance(refused.value.__cause__, csv.Error)


def test_a_source_that_is_not_there_is_named(resources):
    """A missing object and a missing bucket are told apart."""
    for bucket, word in ((resources.bucket, "no such object"), ("no-such-bucket-here", "no such bucket")):
        request = ImportRequest("admin@example.com", "import", "mapped", source=(bucket, "gone.csv"))
        with pytest.raises(SourceError, match=word):
            list(Users(request, resources.s3))


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_a_written_csv_is_read_as_it_was_meant(rows, delimiter):
    """Whatever a CSV writer quotes comes back, for rows that are not blank."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL, delimiter=delimiter).writerows([("useremail", "name"), *rows])
    meant = [(mail, name) for mail, name in rows if mail.strip() or name.strip()]
    try:
        users = read(file.getvalue().encode())
    except SourceError as refused:
        assert "binary" in str(refused)  # one in twenty is a control character
        return
    assert [(user["useremail"], user.get("attributes", {}).get("name", "")) for user in users] == meant


HEADS = st.sampled_from(
    [b"", b"useremail\n", b"sep=;\n", b"useremail,status,code\n", b"[", b'{"data":[', b'"', b"\xef\xbb\xbf"]
)


@given(HEADS, st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("cp932", "replace")), HEADS)
def test_any_bytes_are_read_or_refused(head, content, tail):
    """No content whatever gets anything but users or a RequestError."""
    for ending in ("csv", "json", "jsonl"):
        try:
            for checked in check_users(source(head + content + tail, f"any.{ending}"), ()):
                json.dumps(asdict(checked)).encode()
        except RequestError as refused:
            assert str(refused).startswith(("'source' ", "All ", "The ", "There "))
