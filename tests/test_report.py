"""The report: its counts, its CSV, where it is stored, and the link to it."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pandas as pd
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, DeferredRefreshableCredentials, RefreshableCredentials
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from cognito_import import aws, report
from cognito_import import link as report_link
from cognito_import.errors import ReportError
from cognito_import.outcomes import INTERRUPTED, Outcome

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 23, 5, 7, tzinfo=UTC)
BUCKET, KEY = "example-reports", "cognitoimportlog/import_result_20261123080507_run-1.csv"
DAY = 86_400
EXISTS = "UsernameExistsException"


def made(outcomes: list[Outcome]) -> bytes:
    """Return the CSV of `outcomes`."""
    file = io.BytesIO()
    report.write_csv(outcomes, file)
    return file.getvalue()


def rows(content: bytes) -> list[list[str]]:
    """Read a CSV the way the standard library does."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def cell(value: str) -> str:
    """Return what the CSV holds for `value`."""
    return rows(made([Outcome(1, value, "failed")]))[1][0]


def runs(value: str) -> bool:
    """Tell whether a spreadsheet may run `value`: a sign after what is trimmed or not seen."""
    trimmed = value.lstrip("".join(filter(lambda x: x.isspace() or unicodedata.category(x) == "Cc", value)))
    sign = unicodedata.normalize("NFKC", trimmed[:1])
    return value != "-" and (sign in tuple("=+-@") or value.startswith(("\t", "\r", "\n")))


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
    credentials_end: datetime | None = None,
) -> report_link.Link:
    """Sign a link to a report that is in its bucket."""
    s3 = s3 or client()
    with Stubber(s3) as stubber:
        stubber.add_response("head_object", {}, {"Bucket": BUCKET, "Key": KEY})
        return report_link.sign(s3, BUCKET, KEY, link_seconds=link_seconds, now=NOW, credentials_end=credentials_end)


# Counts


def test_summary_counts_every_user_once() -> None:
    """Each outcome is in one count, and users who existed are no failures."""
    outcomes = [
        Outcome(1, "a@example.com", "succeeded"),
        Outcome.failed(2, "b@example.com", EXISTS, "User account already exists"),
        Outcome.failed(3, "c@example.com", "AliasExistsException", "An account with the email exists."),
        Outcome.failed(4, "d@example.com", "InvalidParameterException", "Invalid email address format."),
        Outcome.not_attempted(5, "e@example.com", "The calls were stopped."),
        Outcome.failed(6, "f@example.com", INTERRUPTED, "The worker ended."),
    ]
    summary = report.summarise(outcomes)
    assert (summary.total, summary.succeeded, summary.exists, summary.failed) == (6, 1, 2, 1)
    assert (summary.not_attempted, summary.interrupted, summary.unfinished) == (1, 1, 2)
    assert {reason.code for reason in summary.reasons} == {
        "InvalidParameterException",
        "NotAttempted",
        INTERRUPTED,
    }


def test_reasons_are_the_five_commonest_in_an_order_of_their_own() -> None:
    """Five reasons at most, the commonest first and ties by name, in whatever order the outcomes come."""
    outcomes = [
        Outcome.failed(10 * number + repeat, "a@example.com", f"Code{number}", "No.")
        for number in range(7)
        for repeat in range(1 + (number == 6))
    ]
    expected = ["Code6", "Code0", "Code1", "Code2", "Code3"]
    assert [reason.code for reason in report.summarise(outcomes).reasons] == expected
    assert report.summarise(outcomes) == report.summarise(reversed(outcomes))


def test_one_problem_of_many_users_is_one_reason() -> None:
    """Request ids, addresses and row numbers in a message don't split a reason, nor does the engine."""
    tail = "(Service: CognitoIdentityProvider, Status Code: 400, Request ID: 2f0c1f5e-0d5b-4e5c-9b8e-00000000000"
    outcomes = [
        Outcome.failed(row, "a@example.com", "InvalidParameterException", f"Bad value {tail}{row})")
        for row in range(1, 4)
    ]
    outcomes.append(Outcome.failed(4, "a@example.com", "InvalidParameterException", "Bad value"))
    outcomes += [Outcome.failed(row, "b", "Duplicate", f"u{row}@x.org is in row {row}") for row in (5, 6)]
    assert report.summarise(outcomes).reasons == (
        ("InvalidParameterException", "Bad value", 4),
        ("Duplicate", "… is in row …", 2),
    )


def test_a_number_that_all_share_stays_in_the_reason() -> None:
    """A limit in a message is shown, because it does not differ between the users."""
    outcomes = [Outcome.failed(row, "a", "TooLong", "more than 128 characters") for row in (1, 2)]
    assert report.summarise(outcomes).reasons == (("TooLong", "more than 128 characters", 2),)


def test_counts_as_json_hold_no_message() -> None:
    """The counts go where messages, which can hold an address, must not."""
    outcomes = [Outcome.failed(1, "secret@example.com", "Code", "secret@example.com is bad")]
    shown = json.dumps(report.summarise(outcomes).as_dict())
    assert "secret" not in shown
    assert json.loads(shown)["reasons"] == [{"code": "Code", "users": 1}]


@given(st.lists(st.sampled_from(["", EXISTS, "NotAttempted", INTERRUPTED, "Other"])))
def test_counts_add_up(codes: list[str]) -> None:
    """The total is the sum of the other counts."""
    outcomes = [Outcome(n, "a", "failed" if code else "succeeded", "m", code) for n, code in enumerate(codes)]
    s = report.summarise(outcomes)
    assert s.total == len(codes) == s.succeeded + s.exists + s.failed + s.not_attempted + s.interrupted


# CSV


def test_csv_is_what_excel_and_rfc_4180_want() -> None:
    """The CSV begins with the BOM and the header, and its lines end in CRLF, in the request's order."""
    later = Outcome(2, "b@example.com", "succeeded", username="id-2")
    content = made([later, Outcome(1, "a@x.org", "succeeded")])
    assert content == (
        b"\xef\xbb\xbfuseremail,status,message,code,username\r\n"
        b"a@x.org,succeeded,-,,\r\n"
        b"b@example.com,succeeded,-,,id-2\r\n"
    )


def test_csv_of_no_user_has_its_header() -> None:
    """A report without users is a header, not an empty file."""
    assert rows(made([])) == [list(report.COLUMNS)]


def test_csv_has_one_header_however_many_rows() -> None:
    """Writing in parts leaves no second header or BOM and loses no row."""
    outcomes = [Outcome(row, f"u{row}@example.com", "succeeded") for row in range(25_000, 0, -1)]
    content = made(outcomes)
    assert content.count(b"useremail") == content.count(b"\xef\xbb\xbf") == 1
    assert [line[0] for line in rows(content)[1:]] == [f"u{row}@example.com" for row in range(1, 25_001)]


def test_csv_to_a_path_and_to_an_open_file_is_the_same(tmp_path: Path) -> None:
    """A path and a file get the same bytes, and the file stays open."""
    outcomes = [Outcome(1, "a@example.com", "succeeded")]
    report.write_csv(outcomes, tmp_path / "report.csv")
    file = io.BytesIO()
    report.write_csv(outcomes, file)
    assert not file.closed
    assert (tmp_path / "report.csv").read_bytes() == file.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("=1+1", id="equals"),
        pytest.param("+81@example.com", id="plus"),
        pytest.param("-1", id="minus"),
        pytest.param("@SUM(1)", id="at"),
        pytest.param("\t=1", id="tab"),
        pytest.param("\r=1", id="carriage return"),
        pytest.param("\nx", id="line feed"),
        pytest.param("  =1", id="after spaces"),
        pytest.param("\u3000=1", id="after an ideographic space"),
        pytest.param("\x00=1", id="after a null"),
        pytest.param("\ufeff=1", id="after a BOM"),
        pytest.param("\uff1d1", id="full-width equals"),
        pytest.param("\uff0b1", id="full-width plus"),
        pytest.param("\uff0d1", id="full-width minus"),
        pytest.param("\uff20x", id="full-width at"),
        pytest.param("'=1", id="looks neutralised already"),
    ],
)
def test_csv_runs_no_formula(value: str) -> None:
    """A field that a spreadsheet would run gets an apostrophe, in whatever column it stands."""
    content = made([Outcome(1, value, value, value, value, value)])
    assert rows(content)[1] == [f"'{value}"] * 5


@pytest.mark.parametrize("value", ["-", "a=1", "o'hara@example.com", "'quoted'", "", "1", "日本語", "😀"])
def test_csv_leaves_other_fields_alone(value: str) -> None:
    """What is no formula stays as it is, the `-` of a success too."""
    assert rows(made([Outcome(1, value, value, value, value, value)]))[1] == [value] * 5


FIELD = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("=+-@'\t\r\n\x00 ,\";\u3000\uff1d\uff0b\uff0d\uff20\U00020bb7日本a😀", max_size=8),
)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD), max_size=5))
def test_csv_round_trip(fields: list[tuple[str, str, str, str, str]]) -> None:
    """A reader gets every field back, line breaks and emoji too, with one apostrophe before some."""
    content = made([Outcome(row, *values) for row, values in enumerate(fields, 1)])
    for line, values in zip(rows(content)[1:], fields, strict=True):
        for field, value in zip(line, values, strict=True):
            assert field == f"'{value}" if runs(value) else field in {value, f"'{value}"}


@given(FIELD)
def test_csv_fields_that_differ_stay_different(value: str) -> None:
    """No field becomes what another one is, so the apostrophe can be taken away again."""
    assert cell(f"'{value}") != cell(value)


@given(st.lists(FIELD.filter(lambda field: "\0" not in field), min_size=1, max_size=5))
def test_csv_reads_back_in_pandas(messages: list[str]) -> None:
    """Pandas reads the rows and the fields that the standard library reads."""
    content = made([Outcome(row, "a@x.org", "failed", text, "Code") for row, text in enumerate(messages, 1)])
    frame = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", dtype=str, keep_default_na=False)
    assert list(frame.columns) == list(report.COLUMNS)
    assert frame.to_numpy().tolist() == rows(content)[1:]


def test_csv_survives_half_a_surrogate_pair() -> None:
    """An address that UTF-8 cannot encode is written as its escape and costs no other row."""
    content = made([Outcome.failed(1, "\ud83d@example.com", "InvalidEmail", "No."), Outcome(2, "b", "succeeded")])
    assert [line[0] for line in rows(content)[1:]] == [r"\ud83d@example.com", "b"]


# Key and object


def test_key_has_the_local_time_of_the_settings() -> None:
    """The key names job, local time and run."""
    assert report.report_key("import", "run-1", NOW, "Asia/Tokyo") == KEY
    deletion = report.report_key("delete", "r", NOW, "UTC")
    assert deletion == "cognitodeletelog/delete_result_20261122230507_r.csv"


@pytest.mark.parametrize("run", ["", "a/b", "../x", "a b", 'a"b', "a\nb", "a:b", "-a", "é", "a" * 129])
def test_key_refuses_a_run_that_is_no_file_name(run: str) -> None:
    """A run's name becomes part of a key and a header, so only safe characters are taken."""
    with pytest.raises(ValueError, match="'run' must be"):
        report.report_key("import", run, NOW, "UTC")


def test_key_refuses_a_moment_without_zone() -> None:
    """A naive moment would silently be the machine's own time."""
    with pytest.raises(ValueError, match="no time zone"):
        report.report_key("import", "r", NOW.replace(tzinfo=None), "UTC")


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
        ("SlowDown", "Wait a little"),
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
    for part in ("Storing", f"s3://{BUCKET}/{KEY}", code, "It says so.", advice, "run the report again"):
        assert part in str(caught.value)
    assert isinstance(caught.value.__cause__, ClientError)


# Link


def test_link_is_signed_with_sigv4_for_its_seconds() -> None:
    """With lasting credentials the link lasts as long as it was asked to."""
    link = signed()
    query = parse_qs(urlsplit(link.url).query)
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], [str(DAY)])
    assert (link.ends, link.may_end_earlier) == (NOW + timedelta(days=1), False)
    assert link.location == f"s3://{BUCKET}/{KEY}"


def test_link_ends_with_the_credentials() -> None:
    """A link whose signer's credentials end first ends with them, and its end is known."""
    end = NOW + timedelta(hours=1)
    link = signed(client(token="token"), credentials_end=end)
    assert (link.ends, link.may_end_earlier) == (end, False)


def test_link_of_lasting_credentials_ends_when_asked() -> None:
    """Credentials that outlive the link don't lengthen it."""
    link = signed(client(token="token"), credentials_end=NOW + timedelta(days=9))
    assert link.ends == NOW + timedelta(days=1)


def test_link_of_credentials_of_unknown_end_says_so() -> None:
    """A session token without a known end may end the link earlier, and after 36 hours at the latest."""
    link = signed(client(token="token"), link_seconds=7 * DAY)
    assert (link.ends, link.may_end_earlier) == (NOW + timedelta(hours=36), True)


def test_link_of_ended_credentials_is_refused() -> None:
    """A link that would be dead on arrival is an error, not a mail."""
    with pytest.raises(ReportError, match="ended at"):
        signed(credentials_end=NOW - timedelta(seconds=1))


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
        with pytest.raises(ReportError, match=r"Signing a link.*403.*s3:GetObject"):
            report_link.sign(s3, BUCKET, KEY, link_seconds=DAY, now=NOW, credentials_end=None)


def test_link_needs_credentials() -> None:
    """Without credentials the error says so rather than botocore's class alone."""
    s3 = client()
    s3._request_signer._credentials = None
    with pytest.raises(ReportError, match=r"NoCredentialsError.*Check the credentials"):
        report_link.sign(s3, BUCKET, KEY, link_seconds=DAY, now=NOW, credentials_end=None)


# The end of credentials


def session(end: datetime) -> dict[str, str]:
    """What a credential service answers."""
    return {"access_key": "a", "secret_key": "s", "token": "t", "expiry_time": end.isoformat()}


def test_end_of_assumed_role_is_known() -> None:
    """Credentials that renew themselves tell their end."""
    end = datetime.now(UTC) + timedelta(hours=2)
    credentials = RefreshableCredentials.create_from_metadata(
        session(end), refresh_using=lambda: session(end), method="assume-role"
    )
    assert report_link.credentials_end(credentials) == end


def test_end_of_credentials_not_fetched_yet_is_known() -> None:
    """Credentials that are fetched at their first use are fetched to tell their end."""
    end = datetime.now(UTC) + timedelta(hours=2)
    credentials = DeferredRefreshableCredentials(refresh_using=lambda: session(end), method="assume-role")
    assert report_link.credentials_end(credentials) == end


def test_end_is_that_of_the_renewed_credentials() -> None:
    """Credentials about to end are renewed first, because signing renews them, too."""
    soon, end = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (5, 60))
    credentials = RefreshableCredentials.create_from_metadata(
        session(soon), refresh_using=lambda: session(end), method="assume-role"
    )
    assert report_link.credentials_end(credentials) == end


def test_link_leads_to_the_bucket_s_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link goes to the Region's host: the global one breaks the signature for newer Regions."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # another test's AWS may be up
    assert urlsplit(signed().url).hostname == "example-reports.s3.ap-northeast-1.amazonaws.com"


@pytest.mark.parametrize("credentials", [None, Credentials("a", "s"), Credentials("a", "s", "token")])
def test_end_of_static_credentials_is_not_known(credentials: Credentials | None) -> None:
    """Static credentials tell no end, with a session token or without."""
    assert report_link.credentials_end(credentials) is None


def test_credentials_that_cannot_be_renewed_are_an_error() -> None:
    """A refused renewal says what was refused."""

    def refuse() -> dict[str, str]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No sts:AssumeRole."}}, "AssumeRole")

    with pytest.raises(ReportError, match=r"could not be renewed: AccessDenied .*sts:AssumeRole"):
        report_link.credentials_end(DeferredRefreshableCredentials(refresh_using=refuse, method="assume-role"))


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
    report.write_csv([Outcome(1, "日本@example.com", "failed", 'No, "never"', "Code")], path)
    report_link.store(s3, bucket, KEY, path)
    link = report_link.sign(s3, bucket, KEY, link_seconds=DAY, now=NOW, credentials_end=None)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(link.url, timeout=30) as answer:
        assert answer.read() == path.read_bytes()
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert 'filename="import_result_' in answer.headers["Content-Disposition"]
    with pytest.raises(ReportError, match=r"Signing a link.*404"):
        report_link.sign(s3, bucket, "missing.csv", link_seconds=DAY, now=NOW, credentials_end=None)
    with pytest.raises(ReportError, match=r"Storing.*NoSuchBucket.*'report_bucket'"):
        report_link.store(s3, "no-such-bucket", KEY, path)
