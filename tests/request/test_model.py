"""The request."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_import.errors import RequestError
from cognito_import.request.model import ImportRequest
from cognito_import.settings import Settings

SETTINGS = Settings("ap-northeast-1_abc", "reports", "from@example.com")
GOOD = {"data": [{"useremail": "a@example.com"}], "adminemail": "admin@example.com"}


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
        pytest.param({"source": "s3://bucket/key.csv"}, ["'data' and 'source'"], id="both"),
        pytest.param({"source": "s3://b/k.csv", "lines": "x"}, ["'data' and 'source' and 'lines' are all"], id="all"),
        pytest.param({"data": [], "lines": " \n"}, ["'lines' is empty", "each line"], id="lines-blank"),
        pytest.param({"data": None, "lines": ["a@example.com"]}, ["'lines' is an array", "text"], id="lines-array"),
        pytest.param({"data": None, "source": "file://users.csv"}, ["'source'", "s3://"], id="source-no-s3"),
        pytest.param({"data": None, "source": 3}, ["'source'", "a number"], id="source-number"),
        pytest.param({"adminmail": "x"}, ["'adminmail'", "did you mean 'adminemail'"], id="misspelt-key"),
        pytest.param(
            {"jobtype": "update"}, ["'jobtype'", "'update'", "'import', 'delete', 'disable' or 'enable'"], id="jobtype"
        ),
        pytest.param({"engine": True}, ["'engine'", "true or false", "'mapped'"], id="engine"),
    ],
)
def test_a_wrong_request_is_refused(change, words):
    """The message names the key, the kind of its value and what was expected."""
    with pytest.raises(RequestError) as refused:
        ImportRequest.parse({**GOOD, **change}, SETTINGS)
    assert [word for word in words if word not in str(refused.value)] == []


def test_everything_wrong_with_a_request_is_said_at_once():
    """One sentence for each key, and none holds what might be somebody's data."""
    conf = {
        "adminmail": "a@example.com",
        "jobtype": "delet",
        "engine": "a@example.com",
        "source": "users of a@example.com",
    }
    with pytest.raises(RequestError) as refused:
        ImportRequest.parse(conf, SETTINGS)
    first, *told = str(refused.value).splitlines()
    assert first == "The request has 5 problems:"
    assert [line.split()[1] for line in told] == ["'adminmail'", "'adminemail'", "'jobtype'", "'engine'", "'source'"]
    assert "'delet' (did you mean 'delete'?)" in told[2]
    assert "a@example.com" not in str(refused.value)


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


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


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


@pytest.mark.parametrize(
    ("settings", "request_", "resends"),
    [
        pytest.param({}, {"invite": True, "resend_invitation": True}, True, id="both-asked"),
        pytest.param({"invite": True}, {"resend_invitation": True}, True, id="invite-set"),
        pytest.param({"invite": True, "resend_invitation": True}, {}, True, id="both-set"),
        pytest.param({"invite": True, "resend_invitation": True}, {"invite": False}, False, id="nobody-invited"),
        pytest.param({}, {"resend_invitation": True}, None, id="no-invite"),
        pytest.param({"invite": True}, {"invite": False, "resend_invitation": True}, None, id="contradiction"),
    ],
)
def test_who_invites_again_invites(settings, request_, resends):
    """Another invitation without any makes no sense, so a request for it is refused and a default for it rests."""
    required = {"user_pool_id": "ap-northeast-1_AbCdEfGhI", "report_bucket": "bucket", "mail_from": "a@example.com"}
    conf = {"data": ["b@example.com"], "adminemail": "admin@example.com", **request_}
    if resends is None:
        with pytest.raises(RequestError, match=r"'resend_invitation' is true .*expected 'invite': true"):
            ImportRequest.parse(conf, Settings.parse({**required, **settings}))
    else:
        assert ImportRequest.parse(conf, Settings.parse({**required, **settings})).resend_invitation is resends
