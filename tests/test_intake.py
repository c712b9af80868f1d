"""From a request to a complete run folder."""

import pytest

from cognito_import.errors import RequestError, RunFolderError
from cognito_import.intake import take_in
from cognito_import.run_folder import RunFolder, run_name


@pytest.fixture
def folder(ground):
    """An empty run folder."""
    return RunFolder(ground.s3, ground.bucket, "run-1")


def test_users_are_stored_once_and_kept(ground, settings, folder):
    """A run goes on with the users that it read first, whatever has become of its source since."""
    source = {"source": f"s3://{ground.bucket}/users.csv", "adminemail": ground.admin}
    content = "useremail,groups\na@example.com,\nnobody,\nb@example.com,B;A\n"
    ground.s3.put_object(Bucket=ground.bucket, Key="users.csv", Body=content.encode())
    manifest = take_in(source, settings, ground.s3, folder)
    assert (manifest.users, manifest.refused, manifest.groups) == (3, 1, ["A", "B", "BASIC"])
    assert [(row.row, row.useremail) for row in folder.all_rows()] == [(1, "a@example.com"), (3, "b@example.com")]
    assert [row.row for batch in manifest.batches for row in folder.rows(batch)] == [1, 3]
    assert folder.known().outcomes[2].code == "InvalidAddress"

    ground.s3.put_object(Bucket=ground.bucket, Key="users.csv", Body=b"useremail\nother@example.com\n")
    assert take_in(source, settings, ground.s3, folder) == manifest


def test_a_refused_request_leaves_no_manifest(ground, settings, folder):
    """A half-read list is no list: nothing can go on with it."""
    ground.s3.put_object(Bucket=ground.bucket, Key="users.csv", Body=b'useremail\na@example.com\n"open')
    request = {"source": f"s3://{ground.bucket}/users.csv", "adminemail": ground.admin}
    with pytest.raises(RequestError):
        take_in(request, settings, ground.s3, folder)
    assert folder.manifest() is None
    with pytest.raises(RunFolderError, match="first task again"):
        folder.required_manifest()


def test_a_run_of_refused_users_has_no_batches(ground, settings, folder):
    """All rows wrong is a run with results and nothing to call for."""
    manifest = take_in({"data": [{"useremail": "x"}] * 3, "adminemail": ground.admin}, settings, ground.s3, folder)
    assert (manifest.users, manifest.refused, manifest.batches) == (3, 3, [])


def test_a_missing_report_bucket_is_said(ground, settings):
    """The message names the bucket, the setting and what to do."""
    folder = RunFolder(ground.s3, "no-such-bucket-here", "run-1")
    with pytest.raises(RunFolderError, match=r"no-such-bucket-here.*'report_bucket'"):
        take_in({"data": [{"useremail": "a@b.jp"}], "adminemail": ground.admin}, settings, ground.s3, folder)


def test_a_run_name_is_safe_and_its_own():
    """Airflow's run ids hold colons and may be long; names hold neither, and two runs never share one."""
    ids = ["manual__2026-11-22T10:00:00+00:00", "manual__2026-11-22T10:00:00-00:00", "日本", "x" * 250, ""]
    names = {run_name("cognito_import", run_id) for run_id in ids}
    assert len(names) == len(ids)
    assert run_name("cognito_import", ids[0]) != run_name("other", ids[0])
    assert all(len(name) <= 60 and name.replace("-", "").isalnum() and name.isascii() for name in names)
