"""Users in JSON and JSON Lines."""

import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.request.objects import read, source

from cognito_import.errors import RequestError
from cognito_import.request.users import check_users


def test_json_and_json_lines_are_read():
    """An array, an object with data alone, and one object a line are the same users; a user may be the address."""
    users = [{"useremail": "a@example.com", "attributes": {"name": '花"子\\'}}, "b@example.com", {"x": [[], {}]}]
    assert read(json.dumps(users).encode(), "a.json") == users
    assert read(json.dumps({"data": users}, indent=1).encode("utf-8-sig"), "b.JSON") == users
    assert read("\n\n".join(json.dumps(user, ensure_ascii=False) for user in users).encode(), "c.jsonl") == users
    assert read(json.dumps(users, ensure_ascii=False).encode("cp932"), "d.json") == users
    assert [given.number for given in source(b'"a"\n\n"b"', "c.jsonl")] == [1, 3]


BAD = {
    "surrogate": rb'{"useremail": "\ud83d@example.com"}',
    "digits": b'{"useremail": ' + b"9" * 5_000 + b"}",
    "escaped-nul": rb'{"useremail": "a\u0000@example.com"}',
    "nul": b'{"useremail": "a\0@example.com"}',
    "deep": b'{"useremail": "c@example.com", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "number": b"5",
    "long": b'{"useremail": "' + b"a" * 1_000_000 + b'@example.com"}',
}


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_value_costs_one_user(bad, ending):
    """The user who cannot be read fails, those round it are imported."""
    users = [b'{"useremail": "a@example.com"}', bad, b'"b@example.com"']
    content = b"[" + b",".join(users) + b"]" if ending == "json" else b"\n".join(users)
    first, failed, last = check_users(source(content, f"a.{ending}"), ())
    assert (first.useremail, last.useremail) == ("a@example.com", "b@example.com")
    assert (failed.row, failed.status) == (2, "failed")


def test_an_endless_array_meets_the_limit_of_users(monkeypatch):
    """The limit of users ends the reading, however long the rest is."""
    monkeypatch.setattr("cognito_import.request.users.MAX_USERS", 1_000)
    users = source(b"[" + b",".join([b"{}"] * 500_000) + b"]", "a.json")
    with pytest.raises(RequestError, match="more than 1,000 users"):
        for _ in check_users(users, ()):
            pass


@pytest.mark.parametrize("element", [b"{}", b'{"useremail": "a@example.com"}', b'"' + b"a" * 5_000 + b'"'])
def test_an_array_of_any_size_takes_little_memory(element):
    """A list is read user by user, never whole."""
    users = source(b"[" + b",".join([element] * (16_000_000 // len(element))) + b"]", "a.json")
    tracemalloc.start()
    try:
        assert sum(1 for _ in itertools.islice(users, 2_000)) == 2_000
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, min_size=1, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_split_where_json_says(users, indent, ascii_only):
    """Brackets, quotes and commas inside a user end no user, and a text may be written in any way."""
    content = json.dumps(users, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        content.decode()
    except UnicodeDecodeError:
        return  # half a surrogate pair, unescaped, is no UTF-8
    if content.strip(b"[] \n"):
        assert read(content, "a.json") == users
