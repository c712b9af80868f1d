"""The checks of a list's users."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import.errors import RequestError
from cognito_import.outcomes import Outcome
from cognito_import.request.fields import MAX_USERS, Given
from cognito_import.request.model import UserRow
from cognito_import.request.users import check_users

BASIC = ("BASIC",)


def check_one(user):
    """Return the row or the outcome of one user."""
    return next(iter(check_users([user], BASIC)))


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
        pytest.param(
            {"useremail": "a@b.jp", "external_id": 7}, "InvalidExternalId", "a number", id="external-id-number"
        ),
        pytest.param(
            {"useremail": "a@b.jp", "external_id": "x" * 2049}, "InvalidExternalId", "2,049", id="external-id-long"
        ),
        pytest.param({"useremail": "a@b.jp", "enabled": "soon"}, "InvalidFlag", "true or false", id="no-flag"),
        pytest.param({"useremail": "a@b.jp", "enabled": 2}, "InvalidFlag", "a number", id="flag-number"),
        pytest.param({"useremail": "a@b.jp", "email_verified": []}, "InvalidFlag", "an empty array", id="flag-array"),
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


@pytest.mark.parametrize("name", ["enabled", "email_verified"])
def test_a_flag_is_said_in_any_of_the_usual_words(name):
    """As JSON and spreadsheets have them; a row that does not say so decides nothing."""
    said = {
        True: [True, 1, "TRUE", " yes ", "1", "\uff59", "はい"],
        False: [False, 0, "False", "NO", "0", "off", "いいえ"],
    }
    for flag, words in said.items():
        assert [getattr(check_one({"useremail": "a@b.jp", name: word}), name) for word in words] == [flag] * len(words)
    assert getattr(check_one({"useremail": "a@b.jp", name: None}), name) is None
    assert getattr(check_one("a@b.jp"), name) is None


@pytest.mark.parametrize(
    ("users", "words"),
    [
        pytest.param([], ["no users"], id="none"),
        pytest.param([{"email": "a@example.com"}] * 2, ["All 2 users", "InvalidAddress (2;"], id="no-address-anywhere"),
        pytest.param([{"useremail": "a" * 10_000_000}], ["The only user", "10,000,009"], id="10-MB-field"),
        pytest.param([1, None], ["UnreadableUser (2;", "a number"], id="no-objects"),
        pytest.param(
            [{"useremail": f"u{n}@example.com", "name": "x"} for n in range(80)],
            ["All 80 users", "UnknownField (80;", "row 1: 'name'", "attributes"],
            id="unknown-field",
        ),
        pytest.param(
            [{"useremail": "u@example.com", "secret@example.com": 1}, {}],
            ["All 2 users", "UnknownField (1;", "InvalidAddress (1;"],
            id="two-reasons",
        ),
    ],
)  # fmt: skip
def test_a_list_without_a_good_user_is_refused_whole(users, words):
    """A run that could touch nobody is no green run, and the reason, without anybody's address, is the request's."""
    with pytest.raises(RequestError) as refused:
        list(check_users(users, BASIC))
    assert [word for word in words if word not in str(refused.value)] == []
    assert "example.com" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param({"useremail": "\ud83d@example.com"}, "InvalidAddress", id="half-a-surrogate-pair"),
        pytest.param({"useremail": "a\0@example.com"}, "InvalidAddress", id="nul"),
        pytest.param(
            {"useremail": "a@b.jp", "attributes": {"name": "\ud83d"}}, "InvalidAttribute", id="in-an-attribute"
        ),
        pytest.param(
            {"useremail": "a@b.jp", "attributes": {"name": "a\0"}}, "InvalidAttribute", id="nul-in-an-attribute"
        ),
        pytest.param({"useremail": "a@b.jp", "groups": ["\ud83d"]}, "InvalidGroup", id="in-a-group"),
        pytest.param({"useremail": 10**5000}, "InvalidAddress", id="5,000-digits"),
        pytest.param({"useremail": "a@b.jp", "attributes": {"name": 10**5000}}, "InvalidAttribute", id="digits-inside"),
        pytest.param({"useremail": "a" * 10_000_000}, "TooLong", id="10-MB-address"),
        pytest.param({"useremail": "a@b.jp", "attributes": {"name": "x" * 200_000}}, "TooLong", id="huge-attribute"),
        pytest.param({"useremail": "a@b.jp", "x" * 100_000: 1}, "TooLong", id="huge-field-name"),
        pytest.param(["b@example.com"], "UnreadableUser", id="array"),
        pytest.param(None, "UnreadableUser", id="null"),
        pytest.param(Given(2, None, problem="It is nested too deeply."), "UnreadableUser", id="unreadable"),
    ],
)
def test_one_bad_value_costs_one_user(value, code):
    """Whatever stands in a row, the others are imported, and what is stored and reported of it is small and encodable."""
    good, bad = check_users([{"useremail": "x@example.com"}, value], BASIC)
    assert isinstance(good, UserRow)
    assert (bad.row, bad.code) == (2, code)
    assert len(bad.to_json()) < 5_000


def test_a_plain_text_is_an_address():
    """A user may be the address alone."""
    assert check_one(" a@example.com ") == UserRow(1, "a@example.com", {}, BASIC)


WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "taro@example.com")


@pytest.mark.parametrize(
    "written", [WIDE, "taro\uff20example.com", "\u3000taro@example.com\u3000"], ids=["all", "at", "spaces"]
)
def test_an_address_in_full_width_letters_is_the_usual_one(written):
    """A Japanese keyboard's letters are the same letters; twins in both widths are one user."""
    first, twin = check_users([written, "taro@example.com"], BASIC)
    assert first.useremail == "taro@example.com"
    assert twin.code == "DuplicateAddress"


def test_twins_are_what_the_user_pool_takes_for_twins():
    """A case-sensitive pool has a user for each spelling; a letter that only folds to another is another letter."""
    users = ["a@example.com", "A@example.com", "straße@example.com", "STRASSE@example.com"]
    assert [isinstance(row, UserRow) for row in check_users(users, BASIC)] == [True, False, True, True]
    assert all(isinstance(row, UserRow) for row in check_users(users, BASIC, case_sensitive=lambda: True))


def test_a_row_may_name_allowed_groups_alone():
    """A group can carry rights; the default ones are everybody's and may be named, too."""
    groups = [["STAFF"], ["ADMIN"], None, ["BASIC"], []]
    users = [{"useremail": f"{n}@example.com", "groups": names} for n, names in enumerate(groups)]
    checked = list(check_users(users, BASIC, allowed_groups=("STAFF",)))
    assert [row.groups for row in checked if isinstance(row, UserRow)] == [("STAFF",), BASIC, ("BASIC",), ()]
    assert (checked[1].code, "'ADMIN'" in checked[1].message) == ("GroupNotAllowed", True)
    assert all(isinstance(row, UserRow) for row in check_users(users, BASIC))


def test_a_message_names_the_rows_of_the_file():
    """What a person reads is the row as the spreadsheet counts it."""
    rows = list(check_users([Given(2, "a@example.com"), Given(7, "A@example.com")], BASIC))
    assert (rows[1].row, rows[1].message[:18]) == (2, "Duplicate of row 2")


def test_more_users_than_fit_are_refused():
    """A run takes 300,000 users; one more is an error that says to split them."""
    users = ({"useremail": f"{n}@example.com"} for n in range(MAX_USERS + 1))
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
    checked = []
    try:
        for item in check_users(users, BASIC):
            checked.append(item)  # noqa: PERF402 - what came before the refusal counts
    except RequestError:
        assert not any(isinstance(item, UserRow) for item in checked)
    else:
        assert any(isinstance(item, UserRow) for item in checked)
    assert [item.row for item in checked] == list(range(1, len(users) + 1))
    addresses = [item.useremail.lower() for item in checked if isinstance(item, UserRow)]
    assert len(addresses) == len(set(addresses))
    for item in checked:
        if isinstance(item, UserRow):
            assert UserRow.from_json(item.to_json(), "rows") == item
        else:
            assert item.status == "failed"
            assert item.message not in {"", "-"}


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
