"""Whether the user pool can take the users of a request."""

import boto3
import pytest

from cognito_import import aws
from cognito_import.errors import NotReadyError, PreflightError
from cognito_import.pool_fit import pool_is_case_sensitive


@pytest.mark.parametrize(
    ("kind", "jobtype", "words"),
    [
        pytest.param({"UsernameAttributes": ["email"]}, "import", "", id="email"),
        pytest.param({"UsernameAttributes": ["phone_number", "email"]}, "import", "", id="either"),
        pytest.param({}, "import", "", id="any-name"),
        pytest.param({"AliasAttributes": ["preferred_username"]}, "import", "", id="other-alias"),
        pytest.param({"UsernameAttributes": ["phone_number"]}, "import", "kind phone_number", id="phone"),
        pytest.param({"UsernameAttributes": ["phone_number"]}, "delete", "kind phone_number", id="phone-delete"),
        pytest.param({"AliasAttributes": ["email"]}, "import", "e-mail as an alias", id="alias"),
        pytest.param({"AliasAttributes": ["email"]}, "delete", "", id="alias-delete"),
    ],
)
def test_a_pool_whose_usernames_cannot_be_addresses_is_refused(preflight, pool, kind, jobtype, words):
    """Otherwise every row would fail at pace; a deletion finds its users by an alias as well."""
    change = {"user_pool_id": pool(**kind)}
    if not words:
        assert preflight(change, jobtype=jobtype) == []
        return
    with pytest.raises(PreflightError, match=words) as found:
        preflight(change, jobtype=jobtype)
    assert len(found.value.problems) == 1


@pytest.mark.parametrize(
    ("configuration", "sensitive"),
    [
        ({"UsernameConfiguration": {"CaseSensitive": False}}, False),
        ({"UsernameConfiguration": {"CaseSensitive": True}}, True),
        ({}, True),
    ],
    ids=["insensitive", "sensitive", "default"],
)
def test_a_pool_tells_whether_case_makes_two_users(pool, local_aws, configuration, sensitive):
    """Cognito's default is that it does, for pools made without the option."""
    pool_id, cognito = pool(**configuration), boto3.client("cognito-idp", config=aws.COGNITO)
    assert pool_is_case_sensitive(cognito, pool_id) is sensitive
    with pytest.raises(PreflightError, match="user_pool_id"):
        pool_is_case_sensitive(cognito, "ap-northeast-1_Missing99")
    local_aws.fault("DescribeUserPool", code="TooManyRequestsException", times=20)
    with pytest.raises(NotReadyError):
        pool_is_case_sensitive(cognito, pool_id, sleep=lambda _: None)


SCHEMA = [
    {"Name": "grade", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "1", "MaxValue": "10"}},
    {"Name": "code", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "2", "MaxLength": "8"}},
]


def _people(*attributes):
    return [
        {"useremail": f"user{number:02}@example.com", "attributes": given} for number, given in enumerate(attributes)
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"custom:team": "A"}, ["'custom:team' is not in the user pool's schema"], id="unknown"),
        pytest.param({"custom:cod": "A"}, ["did you mean 'custom:code'"], id="misspelt"),
        pytest.param({"custom:code": "x" * 9}, ["'custom:code' takes 2 to 8 characters"], id="long"),
        pytest.param({"custom:code": "x"}, ["'custom:code' takes 2 to 8 characters"], id="short"),
        pytest.param({"custom:grade": "11"}, ["'custom:grade' takes a number from 1 to 10"], id="large"),
        pytest.param({"custom:grade": "0.5"}, ["'custom:grade' takes a number from 1 to 10"], id="small"),
        pytest.param({"custom:grade": "A"}, ["'custom:grade' takes a number"], id="no-number"),
        pytest.param({"birthdate": "1990/1/1"}, ["'birthdate' takes 10 to 10 characters"], id="standard"),
    ],
)
def test_a_column_that_the_pool_does_not_take_is_said_before_anybody_is_touched(
    preflight, pool, resources, given, words
):
    """What would fail half of the users is a problem; what would fail fewer is told, and each of them reported."""
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=SCHEMA)}
    with pytest.raises(PreflightError) as found:
        preflight(change, data=_people(given, given, {}, {}))
    assert "2 of 4 users" in found.value.problems[0]
    assert [word for word in words if word not in found.value.problems[0]] == []
    assert len(found.value.problems) == 1


def test_a_few_wrong_rows_do_not_stop_the_others(preflight, pool):
    """One of four is that user's failure."""
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=SCHEMA)}
    (warning,) = preflight(
        change, data=_people({"custom:code": "x"}, {"custom:code": "xy"}, {"custom:grade": "10"}, {})
    )
    assert "1 of 4 users would fail" in warning


def test_values_within_the_schema_pass(preflight, pool):
    """Bounds count as within."""
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=SCHEMA)}
    right = {"custom:code": "日本", "custom:grade": "1", "birthdate": "1990-01-01"}
    assert preflight(change, data=_people(right, {"custom:grade": "10.0"})) == []


def test_a_required_attribute_that_no_row_gives_is_a_problem(preflight, pool):
    """Some without are told, all without refuse the run."""
    schema = [{"Name": "family_name", "Required": True, "Mutable": True}, {"Name": "email", "Required": True}]
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=schema)}
    with pytest.raises(PreflightError, match=r"requires the attribute 'family_name', and 2 of 2 users"):
        preflight(change, data=_people({}, {"given_name": "Hanako"}))


def test_a_required_attribute_that_some_rows_lack_is_a_warning(preflight, pool):
    """The others can be imported."""
    schema = [{"Name": "family_name", "Required": True, "Mutable": True}]
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=schema)}
    (warning,) = preflight(change, data=_people({}, {"family_name": "山田"}))
    assert "1 of 2 users would be created without" in warning


def test_a_temporary_password_that_breaks_the_pool_s_policy_is_said_and_not_shown(preflight, pool):
    """Cognito would refuse it for every user."""
    policy = {"MinimumLength": 10, "RequireUppercase": True, "RequireNumbers": True, "RequireSymbols": True}
    pool_id = pool(UsernameAttributes=["email"], Policies={"PasswordPolicy": policy})
    with pytest.raises(PreflightError, match=r"10 characters and an upper-case letter and a symbol") as found:
        preflight({"user_pool_id": pool_id, "temporary_password": "abcdef1"})
    assert "abcdef1" not in str(found.value)
    assert preflight({"user_pool_id": pool_id, "temporary_password": "Abcdef1234!"}) == []
