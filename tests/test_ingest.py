"""From a request to a complete run folder."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest

from cognito_import.errors import PreflightError, RequestError, RunFolderError, SettingsError
from cognito_import.ingest import ingest_request
from cognito_import.run.folder import CALLING, IMPORTED, LOCK, PACE, RunFolder
from cognito_import.run.manifest import new_run_name, run_name
from cognito_import.run.seal import seal


def test_users_are_kept_from_the_first_call_on(resources, settings, folder):
    """A run goes on with the users that it was begun with, whatever has become of its source since."""
    source = {"source": f"s3://{resources.bucket}/users.csv", "adminemail": resources.admin}
    content = "useremail,groups\na@example.com,\nnobody,\nb@example.com,B;A\n"
    resources.s3.put_object(Bucket=resources.bucket, Key="users.csv", Body=content.encode())
    manifest = ingest_request(source, settings, resources.s3, folder)
    assert (manifest.users, manifest.rejected_rows, manifest.groups) == (3, 1, ["A", "B", "BASIC"])
    assert [(row.row, row.useremail) for row in folder.all_rows()] == [(1, "a@example.com"), (3, "b@example.com")]
    assert [row.row for batch in manifest.batches for row in folder.rows(batch)] == [1, 3]
    assert folder.progress().outcomes[2].code == "InvalidAddress"

    manifest = seal(folder, settings, manifest)
    resources.s3.put_object(Bucket=resources.bucket, Key="users.csv", Body=b"useremail\nother@example.com\n")
    assert ingest_request(source, settings, resources.s3, folder) == manifest


def test_a_refused_request_leaves_no_manifest(resources, settings, folder):
    """A half-read list is no list: nothing can go on with it."""
    resources.s3.put_object(Bucket=resources.bucket, Key="users.csv", Body=b'useremail\na@example.com\n"open')
    request = {"source": f"s3://{resources.bucket}/users.csv", "adminemail": resources.admin}
    with pytest.raises(RequestError):
        ingest_request(request, settings, resources.s3, folder)
    assert folder.manifest() is None
    with pytest.raises(RunFolderError, match="first task again"):
        folder.required_manifest()


def test_a_list_that_nobody_survives_is_refused(resources, settings, folder):
    """All rows wrong: the request is refused with the reason, and no run is made of it."""
    with pytest.raises(RequestError, match="All 3 users fail the check"):
        ingest_request(
            {"data": [{"useremail": "x"}] * 3, "adminemail": resources.admin}, settings, resources.s3, folder
        )
    assert folder.manifest() is None


def test_a_run_keeps_to_its_request(resources, settings, folder):
    """The same run name with another request is refused with words, and the first one's users stay."""
    first = ingest_request(
        {"data": [{"useremail": "a@b.jp"}], "adminemail": resources.admin}, settings, resources.s3, folder
    )
    other = {"data": [{"useremail": "a@b.jp"}], "adminemail": resources.admin, "jobtype": "delete"}
    with pytest.raises(RequestError, match="another request"):
        ingest_request(other, settings, resources.s3, RunFolder(resources.s3, resources.bucket, folder.run))
    assert RunFolder(resources.s3, resources.bucket, folder.run).manifest() == first


def test_two_tasks_that_read_one_request_agree(resources, settings):
    """Both read at once: one manifest stands, both go on with it, and its rows are those that it names."""
    conf = {"data": [{"useremail": f"u{number}@b.jp"} for number in range(30)], "adminemail": resources.admin}
    folders = [RunFolder(resources.s3, resources.bucket, "run-twice") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        manifests = list(threads.map(lambda folder: ingest_request(conf, settings, resources.s3, folder), folders))
    assert all(manifest == manifests[0] for manifest in manifests)
    assert [row.row for batch in manifests[0].batches for row in folders[0].rows(batch)] == list(range(1, 31))


def test_a_changed_user_pool_is_refused(resources, settings, folder):
    """The setting has changed since the run was read: no call is made for a pool that nobody was asked about."""
    manifest = ingest_request(
        {"data": [{"useremail": "a@b.jp"}], "adminemail": resources.admin}, settings, resources.s3, folder
    )
    manifest.raise_if_differs(settings)
    with pytest.raises(SettingsError, match=r"'user_pool_id'.*no call was made"):
        manifest.raise_if_differs(replace(settings, user_pool_id="ap-northeast-1_other"))


def test_a_missing_report_bucket_is_said(resources, settings):
    """The message names the bucket, the setting and what to do."""
    folder = RunFolder(resources.s3, "no-such-bucket-here", "run-1")
    with pytest.raises(RunFolderError, match=r"no-such-bucket-here.*'report_bucket'"):
        ingest_request(
            {"data": [{"useremail": "a@b.jp"}], "adminemail": resources.admin}, settings, resources.s3, folder
        )


def test_a_run_name_is_safe_and_its_own():
    """Airflow's run ids hold colons and may be long; names hold neither, and two runs never share one."""
    ids = ["manual__2026-11-22T10:00:00+00:00", "manual__2026-11-22T10:00:00-00:00", "日本", "x" * 250, ""]
    names = {run_name(run_id) for run_id in ids}
    assert len(names) == len(ids)
    assert run_name(ids[0]) != run_name(ids[0], "other")
    assert all(len(name) <= 60 and name.replace("-", "").isalnum() and name.isascii() for name in names)


def test_a_run_has_one_name_wherever_it_is_given():
    """A name stays what it is, so it can be pasted from anywhere; nothing else in the bucket has a run's name."""
    long = "manual__2026-11-22T10:00:00.123456+00:00"
    given = ("order-17", "leavers-2026-11", str(uuid.uuid4()), new_run_name(datetime.now(UTC)))
    for run_id in (*given, *map(run_name, (long, "日本", "", "x" * 250))):
        assert run_name(run_id) == run_name(run_id, "other") == run_id
    for shared in (LOCK, CALLING, IMPORTED, PACE):
        name = shared.removeprefix("runs/").strip("/")
        assert run_name(name) != name
    for unsafe in ("-a", "a-", "a--b", "a_b-c", "a/b-c", "a b-c", f"a-{'x' * 60}", "a-b\n"):
        assert run_name(unsafe) != unsafe


@pytest.mark.parametrize(("sensitive", "left"), [(True, 2), (False, 1)])
def test_the_user_pool_says_whether_twins_are_one_user(resources, settings, folder, local_aws, sensitive, left):
    """Two spellings are two users of a case-sensitive pool; Cognito is asked once, and only if there are two."""
    cognito = boto3.client("cognito-idp")
    pool = cognito.create_user_pool(
        PoolName="twins", UsernameAttributes=["email"], UsernameConfiguration={"CaseSensitive": sensitive}
    )["UserPool"]["Id"]
    settings = replace(settings, user_pool_id=pool)
    local_aws.reset()
    users = [{"useremail": address} for address in ("b@b.jp", "a@b.jp", "a@b.jp", "A@b.jp", "a@B.jp")]
    ingest_request({"data": users[:3], "adminemail": resources.admin}, settings, resources.s3, folder, cognito=cognito)
    assert not [call for call in local_aws.calls() if call["operation"] == "DescribeUserPool"]
    other = RunFolder(resources.s3, resources.bucket, "run-2")
    ingest_request({"data": users[1:4], "adminemail": resources.admin}, settings, resources.s3, other, cognito=cognito)
    assert len(list(other.all_rows())) == left
    both = RunFolder(resources.s3, resources.bucket, "run-3")
    ingest_request({"data": users[1:], "adminemail": resources.admin}, settings, resources.s3, both, cognito=cognito)
    assert len([call for call in local_aws.calls() if call["operation"] == "DescribeUserPool"]) == 2


def test_a_pool_that_cannot_be_asked_about_twins_refuses_the_run(resources, settings, folder, local_aws):
    """No assumption decides whether a user is called for; the message names the permission."""
    local_aws.fault("DescribeUserPool", code="AccessDeniedException", message="is not authorized", times=None)
    users = [{"useremail": "a@b.jp"}, {"useremail": "A@b.jp"}]
    with pytest.raises(PreflightError, match="cognito-idp:DescribeUserPool"):
        ingest_request(
            {"data": users, "adminemail": resources.admin},
            settings,
            resources.s3,
            folder,
            cognito=boto3.client("cognito-idp"),
        )
    assert folder.manifest() is None
