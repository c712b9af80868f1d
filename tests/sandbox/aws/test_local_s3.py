"""S3 as the reports and the run folder use it."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    """GET a URL without any credentials; return status and body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    """A client that signs with SigV4."""
    return client("s3")


@pytest.fixture
def link(s3: Any, bucket: str) -> Callable[[int], str]:
    """Make a presigned link, good for so many seconds, to an object that holds 0123456789."""
    s3.put_object(Bucket=bucket, Key="log/report.csv", Body=b"0123456789")
    where = {"Bucket": bucket, "Key": "log/report.csv"}
    return lambda seconds: str(s3.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds))


def test_a_presigned_link_needs_no_credentials(link: Callable[[int], str]) -> None:
    """Whoever has the link gets the object, or a range of it."""
    assert fetch(link(60)) == (200, b"0123456789")
    assert fetch(link(60), Range="bytes=2-4") == (206, b"234")


def test_a_tampered_link_is_refused(link: Callable[[int], str]) -> None:
    """A link to another key, with another end or without its signature opens nothing."""
    url = link(60)
    assert fetch(url.replace("report.csv", "other.csv"))[0] == 403
    assert fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"))[0] == 403
    assert fetch(url.partition("?")[0])[0] == 403


def test_a_link_may_name_its_bucket_in_the_host(
    client: Callable[..., Any], link: Callable[[int], str], bucket: str
) -> None:
    """As boto3 writes links wherever the endpoint has a name, not a number; tampering is refused here too."""
    link(60)
    port = urllib.parse.urlsplit(client("s3").meta.endpoint_url).port
    virtual = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    named = client("s3", endpoint_url=f"http://s3.localhost:{port}", config=virtual)
    url = named.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "log/report.csv"}, ExpiresIn=60)
    host = f"{bucket}.s3.localhost:{port}"
    assert url.startswith(f"http://{host}/log/report.csv?")
    here = url.replace(host, f"127.0.0.1:{port}")
    assert fetch(here, Host=host) == (200, b"0123456789")
    assert fetch(here.replace("Expires=60", "Expires=600"), Host=host)[0] == 403


def test_a_link_ends(link: Callable[[int], str]) -> None:
    """After its seconds a link is refused as expired."""
    url = link(1)
    time.sleep(2.05)
    status, body = fetch(url)
    assert status == 403
    assert b"Request has expired" in body


def test_a_list_comes_in_pages_of_a_thousand(s3: Any, bucket: str) -> None:
    """ListObjectsV2 answers 1,000 keys and a token for the rest, in the order of the keys."""
    keys = [f"rows/{number:04}" for number in range(1001)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    first = s3.list_objects_v2(Bucket=bucket, Prefix="rows/")
    assert len(first["Contents"]) == 1000
    rest = s3.list_objects_v2(Bucket=bucket, Prefix="rows/", ContinuationToken=first["NextContinuationToken"])
    assert [found["Key"] for page in (first, rest) for found in page["Contents"]] == keys


def test_a_range_of_an_object(s3: Any, bucket: str) -> None:
    """A ranged GetObject answers those bytes alone."""
    s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")
    assert s3.get_object(Bucket=bucket, Key="key", Range="bytes=7-")["Body"].read() == b"789"


def test_a_missing_key_is_told_apart(s3: Any, bucket: str) -> None:
    """GetObject of a key that is not there is NoSuchKey."""
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="none")


def test_a_conditional_write_does_not_overwrite(s3: Any, bucket: str) -> None:
    """PutObject with If-None-Match: * writes once, also of twenty at a time; the others are told with 412."""

    def write(number: int) -> tuple[int, str]:
        try:
            s3.put_object(Bucket=bucket, Key="lease", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        return 200, str(number)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(write, range(20)))
    (winner,) = (said for status, said in answers if status == 200)
    assert answers.count((412, "PreconditionFailed")) == 19
    assert s3.get_object(Bucket=bucket, Key="lease")["Body"].read() == winner.encode()


def test_a_conditional_write_replaces_what_was_read(s3: Any, bucket: str) -> None:
    """PutObject with If-Match: ETag writes once over that version; without any object it is a 404."""
    tag = s3.put_object(Bucket=bucket, Key="turn", Body=b"first")["ETag"]
    s3.put_object(Bucket=bucket, Key="turn", Body=b"second", IfMatch=tag)
    with pytest.raises(ClientError, match="PreconditionFailed") as caught:
        s3.put_object(Bucket=bucket, Key="turn", Body=b"third", IfMatch=tag)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.put_object(Bucket=bucket, Key="other", Body=b"", IfMatch=tag)
    assert s3.get_object(Bucket=bucket, Key="turn")["Body"].read() == b"second"
