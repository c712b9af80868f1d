"""Users out of S3 objects."""

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cognito_import.errors import RequestError, SourceError
from cognito_import.request import ImportRequest
from cognito_import.sources import Users

HEADER = b"useremail,given_name,custom:department,groups\r\n"


@pytest.fixture
def read(ground):
    """Store content under a name and read its users back."""

    def read(content: bytes, name: str = "users.csv"):
        ground.s3.put_object(Bucket=ground.bucket, Key=name, Body=content)
        request = ImportRequest("admin@example.com", "import", "mapped", source=(ground.bucket, name))
        return list(Users(request, ground.s3))

    return read


def test_data_is_given_as_it_is():
    """A request's own users need no S3."""
    users = [{"useremail": "a@example.com"}]
    assert list(Users(ImportRequest("a@b.jp", "import", "mapped", data=users), None)) == users


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_csv_is_read_with_any_line_end_and_mark(read, mark, end):
    """A byte order mark and CRLF are Excel's habits, not the user's fault."""
    content = mark + end.join([b"useremail,groups", b"a@example.com,BASIC; STAFF", b"", b"b@example.com,", b""])
    assert read(content) == [
        {"useremail": "a@example.com", "groups": ["BASIC", "STAFF"]},
        {"useremail": "b@example.com", "groups": None},
    ]


def test_columns_are_attributes(read):
    """A column named as an attribute is that attribute; commas and line breaks may stand in quotes; empty is left out."""
    content = HEADER + 'a@example.com,"山田, 花子","営業\n1課",\r\nb@example.com,,,\r\n'.encode()
    first, second = read(content)
    assert first["attributes"] == {"given_name": "山田, 花子", "custom:department": "営業\n1課"}
    assert "attributes" not in second


def test_a_row_with_too_many_fields_fails_alone(read):
    """A comma too many is that row's own problem."""
    users = read(b"useremail\na@example.com,oops\nb@example.com\n")
    assert [user["useremail"] for user in users] == ["a@example.com", "b@example.com"]
    assert any("beyond" in key for key in users[0])


def test_json_and_json_lines_are_read(read):
    """An array, an object with data alone, and one object a line are the same users."""
    users = [{"useremail": "a@example.com", "attributes": {"name": "花子"}}, {"useremail": "b@example.com"}]
    assert read(json.dumps(users).encode(), "a.json") == users
    assert read(json.dumps({"data": users}).encode(), "b.JSON") == users
    assert read("\n\n".join(json.dumps(user, ensure_ascii=False) for user in users).encode(), "c.jsonl") == users


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("a.csv", b"", ["is empty"], id="empty"),
        pytest.param("a.csv", b" \n\n", ["is empty"], id="blank"),
        pytest.param("a.csv", b"name,mail\nx,y\n", ["no column 'useremail'", "2 columns"], id="no-column"),
        pytest.param(
            "a.csv", b"useremail;groups\nx;y\n", ["no column 'useremail'", "separated by ';'"], id="semicolons"
        ),
        pytest.param("a.csv", b"useremail,naem\nx,y\n", ["unknown column 'naem'"], id="unknown-column"),
        pytest.param("a.csv", b"useremail,name,name\n", ["'name' more than once"], id="column-twice"),
        pytest.param(
            "a.csv", "useremail,name\na@example.com,日本\n".encode("cp932"), ["Shift_JIS", "UTF-8"], id="shift-jis"
        ),
        pytest.param("a.csv", "useremail\na@example.com\n".encode("utf-16"), ["UTF-16", "UTF-8"], id="utf-16"),
        pytest.param("a.csv", b"useremail\n\xff\xfe\xfa\x80\n", ["not UTF-8"], id="no-encoding"),
        pytest.param("a.csv", b"useremail\n\x00\x01\x02", ["binary"], id="binary"),
        pytest.param("a.csv", b"PK\x03\x04rest", ["Excel workbook"], id="xlsx"),
        pytest.param("a.csv", b'useremail\n"' + b"x" * 10_000_000, ["line 2", "quote"], id="10-MB-field"),
        pytest.param("a.csv", b'useremail\n"a@example.com\n', ["quote"], id="open-quote"),
        pytest.param("a.json", b'{"useremail": "a@example.com"}', ["an object", "array"], id="json-object"),
        pytest.param("a.json", b"[1,", ["is not JSON", "line 1"], id="json-broken"),
        pytest.param("a.json", b"[" * 100_000, ["is not JSON"], id="json-deep"),
        pytest.param("a.jsonl", b'{"useremail": "a@example.com"}\n{"user', ["line 2", "not JSON"], id="jsonl-broken"),
        pytest.param("a.xlsx", b"x", [".csv, .json or .jsonl"], id="ending"),
    ],
)
def test_a_broken_source_is_refused_in_words(read, name, content, words):
    """The message names the object, what is wrong with it and what to do; nobody's data is in it."""
    with pytest.raises(SourceError) as refused:
        read(content, name)
    assert [word for word in [name, *words] if word not in str(refused.value)] == []
    assert "a@example.com" not in str(refused.value)
    assert refused.value.__cause__ is None or isinstance(refused.value.__cause__, csv.Error)


def test_a_source_that_is_not_there_is_named(ground):
    """A missing object and a missing bucket are told apart."""
    for bucket, word in ((ground.bucket, "no such object"), ("no-such-bucket-here", "no such bucket")):
        request = ImportRequest("admin@example.com", "import", "mapped", source=(bucket, "gone.csv"))
        with pytest.raises(SourceError, match=word):
            list(Users(request, ground.s3))


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_a_written_csv_is_read_as_it_was_meant(read, rows):
    """Whatever a CSV writer quotes comes back, for rows that are not blank."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("useremail", "name"), *rows])
    users = read(file.getvalue().encode())
    meant = [(mail, name) for mail, name in rows if mail.strip() or name.strip()]
    assert [(user["useremail"], user.get("attributes", {}).get("name", "")) for user in users] == meant


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["csv", "json", "jsonl"]))
def test_any_bytes_are_read_or_refused(read, content, ending):
    """No content whatever gets anything but users or a RequestError."""
    try:
        read(content, f"any.{ending}")
    except RequestError as refused:
        assert "expected" in str(refused).lower()
