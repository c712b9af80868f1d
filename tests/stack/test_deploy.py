"""The bucket that packages go to: its name can be guessed, so its owner is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from stack import package
from stack.buckets import DeployError
from stack.deploy import Stack

ACCOUNT, REGION = "111111111111", "eu-central-1"
BUCKET = f"cognito-import-artifacts-{ACCOUNT}-{REGION}"
OURS = {"Bucket": BUCKET, "ExpectedBucketOwner": ACCOUNT}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack of an account that nobody asks for its number."""
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would keep these credentials for the tests that follow
    made = Stack("test")
    made._buckets._owner = {"ExpectedBucketOwner": ACCOUNT}
    return made


@pytest.fixture
def s3(stack: Stack) -> Iterator[Any]:
    """Answers for the calls to S3 that a test expects, and for no other."""
    with Stubber(stack._buckets._s3) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_bucket_of_another_account_is_refused(stack: Stack, s3: Any) -> None:
    """S3 answers 403 for a bucket with another owner: nothing is created or uploaded, and the message says why."""
    s3.add_client_error("head_bucket", "403", "Forbidden", 403, expected_params=OURS)
    with pytest.raises(DeployError, match=rf"{BUCKET}.*403.*not account {ACCOUNT}'s.*Nothing was uploaded"):
        stack._buckets.make_artifacts()


def test_bucket_that_somebody_else_makes_first_is_refused(stack: Stack, s3: Any) -> None:
    """A name that is free when it is looked at and taken when the bucket is created is refused, too."""
    s3.add_client_error("head_bucket", "404", "Not Found", 404, expected_params=OURS)
    s3.add_client_error("create_bucket", "BucketAlreadyExists", "Taken.", 409)
    with pytest.raises(DeployError, match=f"{BUCKET}.*BucketAlreadyExists"):
        stack._buckets.make_artifacts()


def test_every_look_and_upload_names_the_owner(
    stack: Stack, s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bucket that changes hands between two calls gets neither package nor definition."""
    files = package.Artifacts(tmp_path / "function.zip", tmp_path / "definition.json")
    files.function.write_bytes(b"code")
    files.definition.write_bytes(b"{}")
    monkeypatch.setattr(package, "build", lambda *_: files)
    s3.add_client_error("head_bucket", "404", "Not Found", 404, expected_params=OURS)
    s3.add_response("create_bucket", {})
    s3.add_response("put_public_access_block", {}, {**OURS, "PublicAccessBlockConfiguration": ANY})
    keys = {"PackageKey": "cognito-import-test/function.zip", "DefinitionKey": "cognito-import-test/definition.json"}
    for key in keys.values():
        s3.add_response("list_objects_v2", {"KeyCount": 0}, {**OURS, "Prefix": key, "MaxKeys": 1})
        upload = {**OURS, "Key": key, "Body": ANY, "ChecksumAlgorithm": ANY}
        s3.add_response("put_object", {}, upload)
    assert stack._upload("python3.13", "arm64") == {"ArtifactsBucket": BUCKET, **keys}
