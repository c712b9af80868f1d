"""The stand-ins for services answer as local AWS does, which is held against botocore's own model of AWS."""

import random

import boto3
import pytest
from botocore.exceptions import ClientError

from cognito_import import aws

from .clock import Clock
from .cognito import Cognito
from .s3 import S3
from .service import BUCKET, POOL
from .truth import GROUP
from .weather import Weather

EMAIL = "user1@example.com"
NAMED = {"Name": "name", "Value": "Taro"}


def told(call, **arguments):
    """An answer, or an error with its status."""
    try:
        return call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]


def groups_of(client, name, at):
    """A user's groups, whatever the length of a page."""
    names, token = [], {}
    while True:
        page = client.admin_list_groups_for_user(Username=name, Limit=60, **token, **at)
        names += [group["GroupName"] for group in page["Groups"]]
        if not page.get("NextToken"):
            return {"groups": names}
        token = {"NextToken": page["NextToken"]}


def cognito_story(client, pool, pause=lambda: None):
    """What a user pool answers to a user's life, by what the core reads of it."""
    at = {"UserPoolId": pool}

    def seen(answer):
        if isinstance(answer, tuple):
            return answer
        user = answer.get("User") or answer.get("Group") or answer
        given = {one["Name"]: one["Value"] for one in user.get("UserAttributes", ()) if one["Name"] != "sub"}
        moments = ("Username", "UserCreateDate", "UserLastModifiedDate")
        plain = {key: user.get(key) for key in ("UserStatus", "Enabled", "GroupName", "groups")}
        return {key: type(user[key]) for key in moments if key in user} | plain | given

    attributes = {"email": EMAIL, "email_verified": "true"}
    new = {
        "Username": EMAIL,
        "UserAttributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        **at,
    }
    story = [told(client.admin_get_user, Username=EMAIL, **at), told(client.admin_create_user, **new)]
    pause()  # two creations at almost the same time may leave two users
    story.append(told(client.admin_create_user, **new))
    name = story[1]["User"]["Username"]
    story += [
        told(client.admin_get_user, Username=EMAIL, **at),
        told(client.admin_get_user, Username=name, **at),
        told(client.admin_add_user_to_group, Username=name, GroupName=GROUP, **at),
        told(client.admin_add_user_to_group, Username=name, GroupName=GROUP, **at),
        told(client.admin_add_user_to_group, Username=name, GroupName="NONE", **at),
        groups_of(client, name, at),
        told(client.admin_update_user_attributes, Username=name, UserAttributes=[NAMED], **at),
        told(client.admin_disable_user, Username=name, **at),
        told(client.admin_get_user, Username=name, **at),
        told(client.admin_enable_user, Username=name, **at),
        told(client.admin_create_user, Username=EMAIL, MessageAction="RESEND", **at),
        told(client.admin_create_user, Username="none@example.com", MessageAction="RESEND", **at),
        told(client.get_group, GroupName="NEW", **at),
        told(client.create_group, GroupName="NEW", **at),
        told(client.create_group, GroupName="NEW", **at),
        told(client.get_group, GroupName="NEW", **at),
        told(client.admin_delete_user, Username=name, **at),
        told(client.admin_delete_user, Username=name, **at),
        told(client.admin_add_user_to_group, Username=name, GroupName=GROUP, **at),
    ]
    assert story[3]["Username"] == story[4]["Username"] == name != EMAIL
    return [seen(answer) for answer in story]


def s3_story(client, bucket):
    """What S3 answers to conditional writes, ranges and lists."""

    def seen(answer):
        if isinstance(answer, tuple):
            return answer
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert aws.server_time(answer).tzinfo is not None
        assert headers["date"].endswith("GMT")
        body = answer["Body"].read() if "Body" in answer else None
        modified = answer.get("LastModified")
        return answer.get("ETag"), body, modified and (modified.microsecond, modified.utcoffset())

    def of(key, **others):
        return {"Bucket": bucket, "Key": key, **others}

    tag = client.put_object(**of("a/1", Body=b"0123456789"))["ETag"]
    story = [
        told(client.put_object, **of("a/1", Body=b"x", IfNoneMatch="*")),
        told(client.put_object, **of("a/1", Body=b"x", IfMatch='"other"')),
        told(client.put_object, **of("a/none", Body=b"x", IfMatch=tag)),
        told(client.put_object, **of("a/1", Body=b"abcdefgh", IfMatch=tag)),
        told(client.put_object, **of("a/2", Body=b"y", IfNoneMatch="*")),
        told(client.get_object, **of("a/1")),
        told(client.get_object, **of("a/1", Range="bytes=2-4")),
        told(client.get_object, **of("a/none")),
        told(client.head_object, **of("a/2")),
        told(client.head_object, **of("a/none")),
    ]
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="a/")
    return [*map(seen, story), [item["Key"] for page in pages for item in page.get("Contents", ())]]


@pytest.fixture
def clock():
    """A clock of no run."""
    return Clock(1)


@pytest.fixture
def weather():
    """No weather at all."""
    calm = Weather(random.Random(1))  # noqa: S311 - repeatable, not secret
    calm.calm = True
    return calm


def test_the_user_pool_answers_as_local_aws_does(resources, clock, weather):
    """A user's life, step by step, has the same answers and errors."""
    ours = clock.run(lambda: cognito_story(Cognito(clock, weather), POOL, lambda: clock.sleep(1)))
    assert ours == cognito_story(boto3.client("cognito-idp", config=aws.COGNITO), resources.user_pool_id)


def test_s3_answers_as_local_aws_does(resources, clock, weather):
    """Conditional writes, ranges and lists have the same answers and errors."""
    assert clock.run(lambda: s3_story(S3(clock, weather), BUCKET)) == s3_story(resources.s3, resources.bucket)
