"""S3 as the deployment uses it: whatever it looks at, uploads or deletes must be in a bucket of the account's own."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import boto3  # noqa: TID253 - part of a command, never imported by a DAG
from botocore.exceptions import ClientError

NAME = "cognito-import"


class DeployError(Exception):
    """The stack could not be deployed or removed; the message says why and what to do."""


class Buckets:
    """The buckets of the account of the usual credentials."""

    def __init__(self) -> None:
        self._s3 = boto3.client("s3")

    @cached_property
    def _owner(self) -> Any:
        """The argument by which S3 refuses a bucket that is another account's."""
        return {"ExpectedBucketOwner": boto3.client("sts").get_caller_identity()["Account"]}

    @property
    def artifacts(self) -> str:
        """The name of the account's bucket for packages."""
        return f"{NAME}-artifacts-{self._owner['ExpectedBucketOwner']}-{self._s3.meta.region_name}"

    def make_artifacts(self) -> str:
        """Return the name of the account's bucket for packages, which is made if it is missing.

        Raises DeployError if the bucket is another account's: its name can be guessed, and whoever owns the bucket of
        that name could replace the function's code.
        """
        bucket = self.artifacts
        try:
            self._s3.head_bucket(Bucket=bucket, **self._owner)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise DeployError(self._not_ours(bucket, error)) from error
            self._make(bucket, self._s3.meta.region_name)
        return bucket

    def _make(self, bucket: str, region: str) -> None:
        # us-east-1 is the one Region that S3 does not want to be told.
        where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._s3.create_bucket(Bucket=bucket, **where)
        except ClientError as error:
            raise DeployError(self._not_ours(bucket, error)) from error
        self._s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
            **self._owner,
        )

    def _not_ours(self, bucket: str, error: ClientError) -> str:
        account = self._owner["ExpectedBucketOwner"]
        return (
            f"The bucket {bucket}, where the package goes, cannot be used: {error}. Either it is not account {account}'s, "
            "or these credentials may not use it. Nothing was uploaded. Allow s3:ListBucket and s3:CreateBucket on it; "
            "if it is another account's, ask AWS Support about it or deploy to another Region."
        )

    def upload(self, path: Path, bucket: str, key: str) -> None:
        """Upload a file unless an object of that key is there: a key names its content."""
        if self.is_empty(bucket, key):
            self._s3.upload_file(str(path), bucket, key, ExtraArgs=self._owner)

    def is_empty(self, bucket: str, prefix: str = "") -> bool:
        """Return whether a bucket has no object below the prefix."""
        return not self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1, **self._owner).get("KeyCount")

    def empty(self, bucket: str, prefix: str = "") -> None:
        """Delete all objects of a bucket below the prefix."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **self._owner):
            keys: Any = [{"Key": item["Key"]} for item in page.get("Contents", ())]
            if keys:
                self._s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}, **self._owner)
