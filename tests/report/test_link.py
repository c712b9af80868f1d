"""Where a report is stored, and the link to it."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, DeferredRefreshableCredentials, RefreshableCredentials
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from cognito_import import aws
from cognito_import.errors import ReportError
from cognito_import.outcomes import Outcome
from cognito_import.report import link as report_link
from cognito_import.report import results

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 23, 5, 7, tzinfo=UTC)
BUCKET, KEY = "example-reports", "cognitoimportlog/import_result_20261123080507_run-1.csv"
DAY = 86_400


def client(token: str | None = None, config: Config = aws.S3, region: str = "ap-northeast-1") -> Any:
    """Make an S3 client that no network is needed for."""
    return boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_session_token=token,
        config=config,
    )


def signed(
    s3: Any = None,
    *,
    link_seconds: int = DAY,
    credentials_expire_at: datetime | None = None,
) -> report_link.Link:
    """Sign a link to a report that is in its bucket."""
    s3 = s3 or client()
    with Stubber(s3) as stubber:
        stubber.add_response("head_object", {}, {"Bucket": BUCKET, "Key": KEY})
        return report_link.sign(
            s3, BUCKET, KEY, link_seconds=link_seconds, now=NOW, credentials_expire_at=credentials_expire_at
        )


# Storing


def test_store_sends_a_csv_that_browsers_save(tmp_path: Path) -> None:
    """The object tells its type, encoding and file name, and leaves encryption to the bucket."""
    path = tmp_path / "report.csv"
    path.write_bytes(b"x")
    s3 = client()
    with Stubber(s3) as stubber:
        expected = {
            "Bucket": BUCKET,
            "Key": KEY,
            "Body": ANY,
            "ContentType": "text/csv; charset=utf-8",
            "ContentDisposition": 'attachment; filename="import_result_20261123080507_run-1.csv"',
        }
        stubber.add_response("put_object", {}, expected)
        report_link.store(s3, BUCKET, KEY, path)
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "s3:PutObject"),
        ("NoSuchBucket", "'report_bucket'"),
        ("PermanentRedirect", "Region"),
        ("ExpiredToken", "credentials"),
        ("SlowDown", "wait a little"),
    ],
)
def test_store_says_what_failed_and_what_to_do(tmp_path: Path, code: str, advice: str) -> None:
    """A failure names the step, the object, the code and the remedy, and keeps its cause."""
    path = tmp_path / "report.csv"
    path.write_bytes(b"x")
    s3 = client()
    with Stubber(s3) as stubber:
        stubber.add_client_error("put_object", code, "It says so.")
        with pytest.raises(ReportError) as caught:
            report_link.store(s3, BUCKET, KEY, path)
    for part in ("cannot be stored", f"s3://{BUCKET}/{KEY}", code, "It says so.", advice, "run the report again"):
        assert part in str(caught.value)
    assert isinstance(caught.value.__cause__, ClientError)


# Link


def test_link_is_signed_with_sigv4_for_its_seconds() -> None:
    """With lasting credentials the link lasts as long as it was asked to."""
    link = signed()
    query = parse_qs(urlsplit(link.url).query)
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], [str(DAY)])
    assert (link.expires_at, link.may_expire_earlier) == (NOW + timedelta(days=1), False)
    assert link.location == f"s3://{BUCKET}/{KEY}"


def test_link_ends_with_the_credentials() -> None:
    """A link whose signer's credentials end first ends with them, and its end is known."""
    end = NOW + timedelta(hours=1)
    link = signed(client(token="token"), credentials_expire_at=end)
    assert (link.expires_at, link.may_expire_earlier) == (end, False)


def test_link_of_lasting_credentials_ends_when_asked() -> None:
    """Credentials that outlive the link don't lengthen it."""
    link = signed(client(token="token"), credentials_expire_at=NOW + timedelta(days=9))
    assert link.expires_at == NOW + timedelta(days=1)


def test_link_of_credentials_of_unknown_end_says_so() -> None:
    """A session token without a known end may end the link earlier, and after 36 hours at the latest."""
    link = signed(client(token="token"), link_seconds=7 * DAY)
    assert (link.expires_at, link.may_expire_earlier) == (NOW + timedelta(hours=36), True)


def test_link_of_ended_credentials_is_refused() -> None:
    """A link that would be dead on arrival is an error, not a mail."""
    with pytest.raises(ReportError, match="ended at"):
        signed(credentials_expire_at=NOW - timedelta(seconds=1))


def test_link_signed_with_sigv2_is_refused() -> None:
    """A client that signs with SigV2 is refused, and the error does not show the link."""
    with pytest.raises(ReportError, match="not signed with SigV4") as caught:
        signed(client(config=Config(signature_version="s3")))
    assert "Signature=" not in str(caught.value)


def test_link_stays_out_of_the_repr() -> None:
    """The link is a secret, so logs of the object don't hold it."""
    link = signed()
    assert link.url not in repr(link)
    assert "Signature" not in repr(link)


def test_link_that_its_signer_may_not_read_is_refused() -> None:
    """A signer without s3:GetObject makes links that answer Access Denied, so none is made."""
    s3 = client()
    with Stubber(s3) as stubber:
        stubber.add_client_error("head_object", "403", "Forbidden", http_status_code=403)
        with pytest.raises(ReportError, match=r"The link to the report .*cannot be signed.*403.*s3:GetObject"):
            report_link.sign(s3, BUCKET, KEY, link_seconds=DAY, now=NOW, credentials_expire_at=None)


def test_link_of_a_signer_outlives_the_role_that_stored_the_report() -> None:
    """An IAM user's key signs for as long as it was asked to, whatever token the worker's own client has."""
    worker = client(token="token")
    signer = boto3.client(
        "s3", region_name="ap-northeast-1", aws_access_key_id="reader", aws_secret_access_key="key", config=aws.S3
    )
    with Stubber(signer) as stubber:
        stubber.add_response("head_object", {}, {"Bucket": BUCKET, "Key": KEY})
        link = report_link.sign(
            worker, BUCKET, KEY, link_seconds=129_600, now=NOW, credentials_expire_at=None, signer=signer
        )
        stubber.assert_no_pending_responses()
    query = parse_qs(urlsplit(link.url).query)
    assert query["X-Amz-Credential"][0].startswith("reader/")
    assert "X-Amz-Security-Token" not in query
    assert (link.expires_at, link.may_expire_earlier) == (NOW + timedelta(hours=36), False)


def test_a_signer_that_may_not_read_is_named() -> None:
    """The report is there, so the error has to say whose permission is missing."""
    signer = client()
    with Stubber(signer) as stubber:
        stubber.add_client_error("head_object", "403", http_status_code=403)
        with pytest.raises(ReportError, match=r"signed with the key of 'link_conn_id'.*403.*s3:GetObject") as caught:
            report_link.sign(
                client(token="t"), BUCKET, KEY, link_seconds=DAY, now=NOW, credentials_expire_at=None, signer=signer
            )
    assert not caught.value.temporary


def test_link_needs_credentials() -> None:
    """Without credentials the error says so rather than botocore's class alone."""
    s3 = client()
    s3._request_signer._credentials = None
    with pytest.raises(ReportError, match=r"NoCredentialsError.*check the credentials"):
        report_link.sign(s3, BUCKET, KEY, link_seconds=DAY, now=NOW, credentials_expire_at=None)


# The end of credentials


def session(end: datetime) -> dict[str, str]:
    """Return what a credential service answers."""
    return {"access_key": "a", "secret_key": "s", "token": "t", "expiry_time": end.isoformat()}


def test_end_of_assumed_role_is_known() -> None:
    """Credentials that renew themselves tell their end."""
    end = datetime.now(UTC) + timedelta(hours=2)
    credentials = RefreshableCredentials.create_from_metadata(
        session(end), refresh_using=lambda: session(end), method="assume-role"
    )
    assert report_link.credentials_expire_at(credentials) == end


def test_end_of_credentials_not_fetched_yet_is_known() -> None:
    """Credentials that are fetched at their first use are fetched to tell their end."""
    end = datetime.now(UTC) + timedelta(hours=2)
    credentials = DeferredRefreshableCredentials(refresh_using=lambda: session(end), method="assume-role")
    assert report_link.credentials_expire_at(credentials) == end


def test_end_is_that_of_the_renewed_credentials() -> None:
    """Credentials about to end are renewed first, because signing renews them, too."""
    soon, end = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (5, 60))
    credentials = RefreshableCredentials.create_from_metadata(
        session(soon), refresh_using=lambda: session(end), method="assume-role"
    )
    assert report_link.credentials_expire_at(credentials) == end


def test_link_leads_to_the_bucket_s_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link goes to the Region's host: the global one breaks the signature for newer Regions."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # another test's AWS may be up
    assert urlsplit(signed().url).hostname == "example-reports.s3.ap-northeast-1.amazonaws.com"


@pytest.mark.parametrize("credentials", [None, Credentials("a", "s"), Credentials("a", "s", "token")])
def test_end_of_static_credentials_is_not_known(credentials: Credentials | None) -> None:
    """Static credentials tell no end, with a session token or without."""
    assert report_link.credentials_expire_at(credentials) is None


def test_credentials_that_cannot_be_renewed_are_an_error() -> None:
    """A refused renewal says what was refused."""

    def refuse() -> dict[str, str]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No sts:AssumeRole."}}, "AssumeRole")

    with pytest.raises(ReportError, match=r"cannot be renewed: AccessDenied .*sts:AssumeRole"):
        report_link.credentials_expire_at(DeferredRefreshableCredentials(refresh_using=refuse, method="assume-role"))


# Over HTTP


def test_report_is_downloaded_by_its_link(local_aws: Any, tmp_path: Path) -> None:
    """What was stored comes back by the link alone, as a file with its name."""
    where = local_aws.environment()
    s3 = boto3.client(
        "s3",
        endpoint_url=local_aws.endpoint_url,
        region_name="ap-northeast-1",
        aws_access_key_id=where["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=where["AWS_SECRET_ACCESS_KEY"],
        config=aws.S3,
    )
    bucket = "report-over-http"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    path = tmp_path / "report.csv"
    results.write_csv([Outcome(1, "日本@example.com", "failed", 'No, "never"', "Code")], path)
    report_link.store(s3, bucket, KEY, path)
    link = report_link.sign(s3, bucket, KEY, link_seconds=DAY, now=NOW, credentials_expire_at=None)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(link.url, timeout=30) as answer:
        assert answer.read() == path.read_bytes()
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert 'filename="import_result_' in answer.headers["Content-Disposition"]
    with pytest.raises(ReportError, match=r"The link to the report .*cannot be signed.*404"):
        report_link.sign(s3, bucket, "missing.csv", link_seconds=DAY, now=NOW, credentials_expire_at=None)
    with pytest.raises(ReportError, match=r"cannot be stored: NoSuchBucket.*'report_bucket'"):
        report_link.store(s3, "no-such-bucket", KEY, path)


def test_a_user_who_may_do_nothing_but_read_reports_signs_the_link(local_aws: Any, tmp_path: Path) -> None:
    """A key with s3:GetObject on reports alone is enough, and its link works; with one for elsewhere none is made."""
    s3, iam = (boto3.client(service, region_name="ap-northeast-1", config=aws.S3) for service in ("s3", "iam"))
    bucket = "report-of-a-signer"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"})
    path = tmp_path / "report.csv"
    results.write_csv([Outcome(1, "a@example.com", "succeeded")], path)
    report_link.store(s3, bucket, KEY, path)

    def signer(name: str, resource: str) -> Any:
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="reports", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.client(
            "s3",
            region_name="ap-northeast-1",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            config=aws.S3,
        )

    def sign(by: Any) -> report_link.Link:
        return report_link.sign(
            s3, bucket, KEY, link_seconds=129_600, now=datetime.now(UTC), credentials_expire_at=None, signer=by
        )

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(sign(signer("reader", f"arn:aws:s3:::{bucket}/cognito*log/*")).url, timeout=30) as answer:
        assert answer.read() == path.read_bytes()
    with pytest.raises(ReportError, match=r"with the key of 'link_conn_id'.*403.*s3:GetObject"):
        sign(signer("stranger", f"arn:aws:s3:::{bucket}/elsewhere/*"))
