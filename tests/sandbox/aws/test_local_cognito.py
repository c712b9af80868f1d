"""Cognito behaves as AWS documents it, where an import of users meets it."""

from __future__ import annotations

import email.utils
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.process import LocalAws


def create(cognito: Any, pool: str, username: str = "user01@example.com", **more: Any) -> dict[str, Any]:
    """Create a user as the product does and return it."""
    more.setdefault("MessageAction", "SUPPRESS")
    user: dict[str, Any] = cognito.admin_create_user(UserPoolId=pool, Username=username, **more)["User"]
    return user


def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, str]:
    """Return the error code and message of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_user_gets_a_uuid_as_username(cognito: Any, pool: str) -> None:
    """Where users sign in by email, Cognito makes the username and the address is an attribute."""
    user = create(cognito, pool, UserAttributes=[{"Name": "email_verified", "Value": "true"}])
    attributes = {attribute["Name"]: attribute["Value"] for attribute in user["Attributes"]}
    assert uuid.UUID(user["Username"])
    assert attributes == {"email": "user01@example.com", "email_verified": "true", "sub": user["Username"]}
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert user["UserCreateDate"]


def test_a_user_is_found_by_address_in_any_case_and_by_uuid(cognito: Any, pool: str) -> None:
    """All names of a user lead to the same user."""
    username = create(cognito, pool)["Username"]
    for name in ("user01@example.com", "USER01@example.COM", username):
        assert cognito.admin_get_user(UserPoolId=pool, Username=name)["Username"] == username


def test_an_address_that_differs_in_case_is_taken(cognito: Any, pool: str) -> None:
    """A pool without case sensitivity has one user for all spellings."""
    create(cognito, pool)
    assert refusal(create, cognito, pool, "User01@Example.com") == (
        "UsernameExistsException",
        "User account already exists",
    )


def test_case_counts_where_the_pool_says_nothing(cognito: Any) -> None:
    """By the API reference, a pool made without UsernameConfiguration is case-sensitive."""
    pool = cognito.create_user_pool(PoolName="sensitive", UsernameAttributes=["email"])["UserPool"]["Id"]
    first, second = create(cognito, pool, "a@example.com"), create(cognito, pool, "A@example.com")
    assert first["Username"] != second["Username"]


def test_a_deleted_address_is_free_again(cognito: Any, pool: str) -> None:
    """After AdminDeleteUser the address is unknown and can be created anew."""
    create(cognito, pool)
    cognito.admin_delete_user(UserPoolId=pool, Username="user01@example.com")
    assert refusal(cognito.admin_delete_user, UserPoolId=pool, Username="user01@example.com") == (
        "UserNotFoundException",
        "User does not exist.",
    )
    create(cognito, pool)


def test_a_changed_address_is_the_new_name(cognito: Any, pool: str) -> None:
    """A user whose email changed is found by the new one and no longer by the old one."""
    username = create(cognito, pool)["Username"]
    cognito.admin_update_user_attributes(
        UserPoolId=pool, Username=username, UserAttributes=[{"Name": "email", "Value": "new@example.com"}]
    )
    assert cognito.admin_get_user(UserPoolId=pool, Username="new@example.com")["Username"] == username
    assert refusal(cognito.admin_get_user, UserPoolId=pool, Username="user01@example.com")[0] == (
        "UserNotFoundException"
    )


def test_one_address_created_many_times_at_once_is_one_user(cognito: Any, pool: str) -> None:
    """Of simultaneous creates of an address one wins and the others are told that it exists."""

    def attempt(_: int) -> str:
        try:
            create(cognito, pool)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    with ThreadPoolExecutor(20) as threads:
        codes = list(threads.map(attempt, range(20)))
    assert sorted(codes) == ["", *["UsernameExistsException"] * 19]
    assert len(cognito.list_users(UserPoolId=pool)["Users"]) == 1


@pytest.mark.parametrize(
    ("username", "message"),
    [
        pytest.param("no-at-sign", "Username should be an email.", id="no address"),
        pytest.param("user@localhost", "Invalid email address format.", id="no domain"),
        pytest.param("a..b@example.com", "Invalid email address format.", id="two dots"),
        pytest.param("ユーザー@example.com", "Invalid email address format.", id="not ASCII"),
        pytest.param(
            "a b@example.com",
            r"1 validation error detected: Value at 'username' failed to satisfy constraint: Member must satisfy "
            r"regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+",
            id="space",
        ),
        pytest.param(
            f"{'a' * 117}@example.com",
            "1 validation error detected: Value at 'username' failed to satisfy constraint: Member must have length "
            "less than or equal to 128",
            id="129 characters",
        ),
    ],
)
def test_a_malformed_username_is_refused(cognito: Any, pool: str, username: str, message: str) -> None:
    """What is no address, or too long, is an InvalidParameterException in AWS's words."""
    assert refusal(create, cognito, pool, username) == ("InvalidParameterException", message)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        pytest.param("custom:unknown", "x", "Attribute does not exist in the schema.", id="unknown custom"),
        pytest.param("favourite", "x", "Attribute does not exist in the schema.", id="unknown"),
        pytest.param("custom:plan", "x" * 11, "String must be no longer than 10 characters", id="too long"),
    ],
)
def test_attributes_must_fit_the_schema(cognito: Any, pool: str, name: str, value: str, problem: str) -> None:
    """An attribute that the pool does not have, or a value beyond its length, is refused by name."""
    code, message = refusal(create, cognito, pool, UserAttributes=[{"Name": name, "Value": value}])
    assert code == "InvalidParameterException"
    assert message == f"Attributes did not conform to the schema: {name}: {problem}\n"


def test_a_weak_temporary_password_is_refused(cognito: Any, pool: str) -> None:
    """The pool's password policy holds for temporary passwords."""
    code, message = refusal(create, cognito, pool, TemporaryPassword="short")
    assert code == "InvalidPasswordException"
    assert message.startswith("Password did not conform with policy: ")


def test_a_missing_group_pool_or_user_is_named(cognito: Any, pool: str) -> None:
    """What a membership needs and does not exist has the error that AWS gives for it."""
    create(cognito, pool)
    join = cognito.admin_add_user_to_group
    known = {"UserPoolId": pool, "Username": "user01@example.com", "GroupName": "BASIC"}
    assert refusal(join, **{**known, "GroupName": "NONE"}) == ("ResourceNotFoundException", "Group not found.")
    assert refusal(join, **{**known, "Username": "nobody@example.com"}) == (
        "UserNotFoundException",
        "User does not exist.",
    )
    assert refusal(join, **{**known, "UserPoolId": "ap-northeast-1_None00000"}) == (
        "ResourceNotFoundException",
        "User pool ap-northeast-1_None00000 does not exist.",
    )
    join(**known)
    groups = cognito.admin_list_groups_for_user(UserPoolId=pool, Username="user01@example.com")["Groups"]
    assert [group["GroupName"] for group in groups] == ["BASIC"]


def test_cognitos_own_sender_stops_after_fifty_mails(cognito: Any, pool: str) -> None:
    """The 51st invitation of a day is a LimitExceededException and makes no user."""
    mailed = {"UserPoolId": pool, "DesiredDeliveryMediums": ["EMAIL"]}
    create(cognito, pool)
    for _ in range(50):
        cognito.admin_create_user(**mailed, Username="user01@example.com", MessageAction="RESEND")
        time.sleep(0.015)  # below the quota of 50 a second
    code, message = refusal(cognito.admin_create_user, **mailed, Username="b@example.com")
    assert code == "LimitExceededException"
    assert message.startswith("Exceeded daily email limit")
    assert refusal(cognito.admin_get_user, UserPoolId=pool, Username="b@example.com")[0] == "UserNotFoundException"


def test_the_provisioned_limit_is_the_rate_in_force(cognito: Any) -> None:
    """GetProvisionedLimit answers requests a second for a category of the account."""
    answer = cognito.get_provisioned_limit(
        LimitDefinition={"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserCreation"}}
    )
    assert answer["Limit"]["ProvisionedLimitValue"] == 50


def test_answers_carry_one_date_header(cognito: Any, pool: str) -> None:
    """Cognito's clock can be read from its answers."""
    headers = cognito.describe_user_pool(UserPoolId=pool)["ResponseMetadata"]["HTTPHeaders"]
    assert abs(email.utils.parsedate_to_datetime(headers["date"]).timestamp() - time.time()) < 60


def test_above_the_quota_requests_are_throttled(aws: LocalAws, cognito: Any, pool: str) -> None:
    """TooManyRequestsException with status 400, and nothing takes effect."""
    aws.quotas(UserCreation=0)
    assert refusal(create, cognito, pool) == ("TooManyRequestsException", "Rate exceeded")
    assert cognito.list_users(UserPoolId=pool)["Users"] == []


def test_no_time_admits_more_than_its_quota(aws: LocalAws, cognito: Any, pool: str) -> None:
    """However many calls come at once, no stretch of time lets more creates through than 50 and its own 50 a second."""

    def attempt(number: int) -> None:
        try:
            create(cognito, pool, f"user{number:03}@example.com")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "TooManyRequestsException"

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(attempt, range(130)))
    admitted = [c["time"] for c in aws.calls() if c["operation"] == "AdminCreateUser" and c["code"] == ""]
    assert all(
        count <= 50 + 50 * (later - earlier) + 0.5
        for first, earlier in enumerate(admitted)
        for count, later in enumerate(admitted[first:], 1)
    )
    assert len(cognito.get_paginator("list_users").paginate(UserPoolId=pool).build_full_result()["Users"]) == (
        len(admitted)
    )
