"""What an import needs of AWS, made with plain API calls on whatever AWS the environment names, and removed again."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from cognito_import import aws

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_ses.client import SESClient
    from mypy_boto3_stepfunctions.client import SFNClient

GROUP = "BASIC"


@dataclass(frozen=True, slots=True)
class User:
    """A user as the pool has it: `created` in epoch seconds, and the groups it is in."""

    username: str
    email: str
    created: float
    groups: frozenset[str]


class Resources:
    """A user pool with the group BASIC, a report bucket and two verified identities. A context manager.

    Without `make_bucket` the bucket is somebody else's to make and to remove, and `bucket` to be set. `mail_from` and
    `admin` are verified as SES identities; on a real account their owner has to follow the mail that SES
    sends, so name ones that are verified already.
    """

    def __init__(
        self,
        mail_from: str = "no-reply@example.com",
        admin: str = "admin@example.com",
        *,
        make_bucket: bool = True,
        mark: str | None = None,
    ) -> None:
        """Take the two addresses; credentials, Region and endpoint come from the environment as usual.

        `mark` ends the names of the user pool and the bucket; by default it is one that nobody else uses.
        """
        import boto3

        self.cognito: CognitoIdentityProviderClient = boto3.client("cognito-idp")
        self.s3: S3Client = boto3.client("s3", config=aws.S3)
        self.ses: SESClient = boto3.client("ses", config=aws.SES)
        self.step_functions: SFNClient = boto3.client("stepfunctions", config=aws.STEP_FUNCTIONS)
        self._region = self.s3.meta.region_name
        self.mail_from, self.admin = mail_from, admin
        self.user_pool_id = ""
        self.bucket = ""
        self._make_bucket = make_bucket
        self._name = f"cognito-import-demo-{mark or secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        """Make everything; what was made goes again if a later step fails."""
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove everything but the identities, which may have been there before."""
        self.remove()

    def find(self) -> bool:
        """Take over what an earlier `make()` with the same mark left; return whether there was anything."""
        for page in self.cognito.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": 60}):
            for pool in page["UserPools"]:
                if pool["Name"] == self._name:
                    self.user_pool_id, self.bucket = pool["Id"], self._name
                    return True
        return False

    def make(self) -> None:
        """Make everything."""
        pool = self.cognito.create_user_pool(
            PoolName=self._name,
            UsernameAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            Policies={"PasswordPolicy": {"MinimumLength": 8}},
            Schema=[{"Name": "department", "AttributeDataType": "String", "Mutable": True}],
        )
        self.user_pool_id = pool["UserPool"]["Id"]
        self.cognito.create_group(UserPoolId=self.user_pool_id, GroupName=GROUP)
        if self._make_bucket:
            self._create_bucket(self._name)
        for identity in (self.mail_from, self.admin):
            self.ses.verify_email_identity(EmailAddress=identity)

    def _create_bucket(self, bucket: str) -> None:
        where: Any = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self.s3.create_bucket(Bucket=bucket, **({} if self._region == "us-east-1" else where))
        self.bucket = bucket

    def remove(self) -> None:
        """Delete the user pool and the bucket with all that is in them."""
        with contextlib.ExitStack() as steps:
            if self.user_pool_id:
                steps.callback(self.cognito.delete_user_pool, UserPoolId=self.user_pool_id)
            if self.bucket and self._make_bucket:
                steps.callback(self._empty_and_delete_bucket)
        self.user_pool_id = self.bucket = ""

    def _empty_and_delete_bucket(self) -> None:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if keys:
                self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys})  # type: ignore[typeddict-item]
        self.s3.delete_bucket(Bucket=self.bucket)

    def inbox(self) -> dict[str, Any]:
        """Return the settings of an inbox in the bucket."""
        rules = {"": {"adminemail": self.admin}, "leavers/": {"adminemail": self.admin, "jobtype": "delete"}}
        return {"inbox": f"s3://{self.bucket}/inbox/", "inbox_rules": rules, "inbox_quiet_seconds": 2}

    def variable(self, **settings: Any) -> str:
        """Return the Variable `cognito_import`: what is required, and `settings`."""
        required = {
            "user_pool_id": self.user_pool_id,
            "report_bucket": self.bucket,
            "mail_from": self.mail_from,
        }
        return json.dumps({**required, **settings})

    def add_user(self, address: str) -> None:
        """Make a user as somebody else would have."""
        self.cognito.admin_create_user(UserPoolId=self.user_pool_id, Username=address, MessageAction="SUPPRESS")

    def users(self) -> dict[str, User]:
        """Return the users that are in the pool, by address."""
        members: dict[str, set[str]] = {}
        for listed in self._pages("list_groups", "Groups"):
            group = listed["GroupName"]
            for user in self._pages("list_users_in_group", "Users", GroupName=group):
                members.setdefault(user["Username"], set()).add(group)
        found = {}
        for user in self._pages("list_users", "Users"):
            attributes = {attribute["Name"]: attribute["Value"] for attribute in user["Attributes"]}
            email = attributes.get("email", user["Username"])
            groups = frozenset(members.get(user["Username"], ()))
            found[email] = User(user["Username"], email, user["UserCreateDate"].timestamp(), groups)
        return found

    def _pages(self, operation: str, key: str, **arguments: Any) -> Any:
        paginator: Any = self.cognito.get_paginator(operation)  # type: ignore[call-overload]
        for page in paginator.paginate(UserPoolId=self.user_pool_id, **arguments):
            yield from page[key]
