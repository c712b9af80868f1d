"""The request and its users."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import.errors import RequestError
from cognito_import.outcomes import Outcome
from cognito_import.request import MOST_USERS, ImportRequest, UserRow, check_users
from cognito_import.settings import Settings

SETTINGS = Settings("ap-northeast-1_abc", "reports", "from@example.com")
GOOD = {"data": [{"useremail": "a@example.com"}], "adminemail": "admin@example.com"}
BASIC = ("BASIC",)


def check_one(user):
    """The row or the outcome of one user."""
    return next(iter(check_users([user], BASIC)))


def test_a_request_takes_its_defaults_from_the_settings():
    """What a request leaves out comes from the settings and the contract; null counts as left out."""
    request = ImportRequest.parse({**GOOD, "source": None, "engine": None}, SETTINGS)
    assert (request.jobtype, request.engine, request.adminemail) == ("import", "mapped", "admin@example.com")
    assert request.data == [{"useremail": "a@example.com"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"adminemail": None}, ["'adminemail'", "missing", "report"], id="no-adminemail"),
        pytest.param({"adminemail": 5}, ["'adminemail'", "a number"], id="adminemail-number"),
        pytest.param(
            {"adminemail": "a@example.com\nBcc: b@example.com"}, ["'adminemail'", "line break"], id="line-break"
        ),
        pytest.param({"adminemail": "a@example.com, b@example.com"}, ["'adminemail'", "single"], id="two-admins"),
        pytest.param({"data": []}, ["'data'", "an empty array", "non-empty"], id="data-empty"),
        pytest.param({"data": None}, ["'data'", "'source'", "missing"], id="data-missing"),
        pytest.param({"data": {"useremail": "a@example.com"}}, ["'data'", "an object", "array"], id="data-object"),
        pytest.param({"data": "a@example.com"}, ["'data'", "a text", "array"], id="data-text"),
        pytest.param({"data": [1, 2]}, ["User 1", "'data'", "a number", "object"], id="data-numbers"),
        pytest.param({"data": [{"useremail": "a@example.com"}, 2]}, ["User 2", "a number"], id="data-number-later"),
        pytest.param({"source": "s3://bucket/key.csv"}, ["'data' and 'source'"], id="both"),
        pytest.param({"data": None, "source": "file://users.csv"}, ["'source'", "s3://"], id="source-no-s3"),
        pytest.param({"data": None, "source": 3}, ["'source'", "a number"], id="source-number"),
        pytest.param({"adminmail": "x"}, ["'adminmail'", "did you mean 'adminemail'"], id="misspelt-key"),
        pytest.param({"jobtype": "update"}, ["'jobtype'", "'update'", "'import' or 'delete'"], id="jobtype"),
        pytest.param({"engine": True}, ["'engine'", "true or false", "'mapped'"], id="engine"),
    ],
)
def test_a_wrong_request_is_refused(change, words):
    """The message names the key, the kind of its value and what was expected."""
    with pytest.raises(RequestError) as refused:
        ImportRequest.parse({**GOOD, **change}, SETTINGS)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize("conf", [None, [], "text", 3], ids=["null", "array", "text", "number"])
def test_a_request_is_an_object(conf):
    """Anything but an object is refused."""
    with pytest.raises(RequestError, match="The request is"):
        ImportRequest.parse(conf, SETTINGS)


def test_what_a_form_sends_of_untouched_fields_is_left_out():
    """Null, empty texts, and empty users beside a source are what a trigger form sends for fields left alone."""
    form = {"adminemail": "a@b.jp", "data": [], "source": "s3://bucket/key.csv", "jobtype": "import", "engine": ""}
    request = ImportRequest.parse(form, SETTINGS)
    assert (request.data, request.source, request.engine) == (None, ("bucket", "key.csv"), "mapped")
    request = ImportRequest.parse({**GOOD, "source": ""}, SETTINGS)
    assert (len(request.data), request.source) == (1, None)


def test_a_report_goes_to_allowed_domains_alone():
    """Case does not matter, a subdomain is another domain."""
    settings = Settings("p_1", "reports", "f@example.com", allowed_admin_domains=("Example.com",))
    assert ImportRequest.parse({**GOOD, "adminemail": "a@EXAMPLE.com"}, settings).adminemail == "a@EXAMPLE.com"
    for address in ("a@sub.example.com", "a@example.com.evil.org"):
        with pytest.raises(RequestError, match="allowed_admin_domains"):
            ImportRequest.parse({**GOOD, "adminemail": address}, settings)


@pytest.mark.parametrize(
    ("user", "code", "word"),
    [
        pytest.param({"useremail": "nobody"}, "InvalidAddress", "'@'", id="no-at"),
        pytest.param({"useremail": "a@b@c.example"}, "InvalidAddress", "'@'", id="two-ats"),
        pytest.param({"useremail": "@example.com"}, "InvalidAddress", "'@'", id="no-name"),
        pytest.param({"useremail": "a b@example.com"}, "InvalidAddress", "U+0020", id="space-inside"),
        pytest.param({"useremail": "a\u200b@example.com"}, "InvalidAddress", "U+200B", id="invisible"),
        pytest.param({"useremail": "   "}, "InvalidAddress", "empty", id="blank"),
        pytest.param({"useremail": None}, "InvalidAddress", "missing", id="null"),
        pytest.param({"useremail": 12}, "InvalidAddress", "a number", id="number"),
        pytest.param({"useremail": "a" * 117 + "@example.com"}, "InvalidAddress", "129", id="129-characters"),
        pytest.param({"useremail": "=cmd|'/c calc'!A1"}, "InvalidAddress", "U+0020", id="formula"),
        pytest.param({"useremail": "a@b.jp", "attributes": []}, "InvalidAttribute", "an empty array", id="attributes"),
        pytest.param({"useremail": "a@b.jp", "attributes": {"hat": "x"}}, "UnknownAttribute", "'hat'", id="unknown"),
        pytest.param({"useremail": "a@b.jp", "attributes": {"name": 3}}, "InvalidAttribute", "a number", id="no-text"),
        pytest.param({"useremail": "a@b.jp", "attributes": {"email": "x"}}, "InvalidAttribute", "'email'", id="email"),
        pytest.param(
            {"useremail": "a@b.jp", "attributes": {"name": "x" * 2049}}, "InvalidAttribute", "2,049", id="long"
        ),
        pytest.param({"useremail": "a@b.jp", "groups": "BASIC"}, "InvalidGroup", "a text", id="groups-text"),
        pytest.param({"useremail": "a@b.jp", "groups": ["x" * 129]}, "InvalidGroup", "129", id="group-long"),
        pytest.param({"useremail": "a@b.jp", "name": "x"}, "UnknownField", "attributes", id="field-is-attribute"),
        pytest.param({"useremail": "a@b.jp", "group": []}, "UnknownField", "'groups'", id="field-misspelt"),
    ],
)
def test_a_wrong_user_fails_alone(user, code, word):
    """The row gets its reason, and the users round it are taken."""
    users = [{"useremail": "x@example.com"}, user, {"useremail": "y@example.com"}]
    first, wrong, last = check_users(users, BASIC)
    assert isinstance(first, UserRow)
    assert isinstance(last, UserRow)
    assert (wrong.row, wrong.status, wrong.code) == (2, "failed", code)
    assert word in wrong.message


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com",
        "😀@example.com",
        "ü.山田@例え.jp",
        "=cmd|calc!A1@example.com",
        "o'hara+tag@example.co.jp",
        "a" * 116 + "@example.com",
    ],
    ids=["plain", "emoji", "unicode", "formula", "tag", "128-characters"],
)
def test_what_cognito_may_take_is_taken(address):
    """Only what Cognito surely refuses is refused here; the rest is Cognito's to say."""
    assert check_one({"useremail": address}).useremail == address


def test_spaces_round_an_address_are_dropped():
    """An address is the same with spaces round it."""
    assert check_one({"useremail": " \t a@example.com\n"}).useremail == "a@example.com"


def test_a_twin_in_upper_case_is_a_duplicate():
    """The first one is kept, later ones name its row."""
    rows = list(
        check_users([{"useremail": mail} for mail in ("a@example.com", "b@example.com", " A@EXAMPLE.com")], BASIC)
    )
    assert [type(row) for row in rows] == [UserRow, UserRow, Outcome]
    assert (rows[2].code, rows[2].message[:18]) == ("DuplicateAddress", "Duplicate of row 1")


def test_groups_are_the_rows_own_or_the_default():
    """No groups means the default ones, an empty array means none, and a group counts once."""
    given = [None, [], ["A", "B", "A"]]
    rows = check_users([{"useremail": f"{n}@example.com", "groups": groups} for n, groups in enumerate(given)], BASIC)
    assert [row.groups for row in rows] == [BASIC, (), ("A", "B")]


@pytest.mark.parametrize(
    ("users", "word"),
    [
        ([], "no users"),
        ([{"email": "a@example.com"}] * 2, "None of the 2 users has a 'useremail'"),
        ([{"useremail": "a" * 10_000_000}], "10,000,009"),
        ([{"useremail": "a@example.com", "attributes": {"name": "x" * 200_000}}], "200,010"),
        ([{"useremail": "a@example.com"}, ["b@example.com"]], "User 2"),
    ],
    ids=["none", "no-address-anywhere", "10-MB-field", "huge-attribute", "no-object"],
)
def test_users_that_make_no_list_are_refused_whole(users, word):
    """What looks like a broken file stops the run before any user is touched."""
    with pytest.raises(RequestError, match=word):
        list(check_users(users, BASIC))


def test_more_users_than_fit_are_refused():
    """A run takes 300,000 users; one more is an error that says to split them."""
    users = ({"useremail": f"{n}@example.com"} for n in range(MOST_USERS + 1))
    with pytest.raises(RequestError, match=r"300,000.*Split"):
        for _ in check_users(users, BASIC):
            pass


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
USERS = st.lists(
    st.fixed_dictionaries(
        {"useremail": JSON | st.from_regex(r"[a-c]{1,2}@[xy]\.jp", fullmatch=True)},
        optional={"attributes": JSON, "groups": JSON, "other": JSON},
    ),
    min_size=1,
    max_size=12,
)


@given(USERS)
def test_every_user_comes_out_once_and_in_order(users):
    """Whatever the rows hold, each gives one row or one outcome, in order, and no two rows one address."""
    checked = list(check_users(users, BASIC))
    assert [item.row for item in checked] == list(range(1, len(users) + 1))
    addresses = [item.useremail.casefold() for item in checked if isinstance(item, UserRow)]
    assert len(addresses) == len(set(addresses))
    for item in checked:
        if isinstance(item, UserRow):
            assert UserRow.from_dict(item.as_dict()) == item
        else:
            assert item.status == "failed"
            assert item.message not in {"", "-"}


@given(st.dictionaries(st.sampled_from([*GOOD, "source", "jobtype", "engine", "odd"]), JSON))
def test_any_request_is_taken_or_refused_in_words(conf):
    """No JSON whatever gets anything but a request or a RequestError."""
    try:
        request = ImportRequest.parse(conf, SETTINGS)
    except RequestError as refused:
        assert str(refused).strip()[0] in string.printable
    else:
        assert "@" in request.adminemail
        assert (request.data is None) != (request.source is None)


def test_only_the_address_counts_in_a_deletion():
    """The list that made users can delete them: attributes and groups, right or wrong, are passed over."""
    users = [
        {"useremail": "a@example.com", "attributes": {"given_name": "花子"}, "groups": ["STAFF"]},
        {"useremail": "b@example.com", "attributes": 5, "groups": "STAFF"},
        {"useremail": "A@example.com"},
        {"useremail": "c@example.com", "grups": []},
    ]
    first, second, duplicate, unknown = check_users(users, BASIC, "delete")
    assert (first, second) == (UserRow(1, "a@example.com"), UserRow(2, "b@example.com"))
    assert (duplicate.code, unknown.code) == ("DuplicateAddress", "UnknownField")
