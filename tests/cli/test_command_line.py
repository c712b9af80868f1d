"""The command line, by running the real process on the emulated AWS; see `docs/command-line.md`."""

from __future__ import annotations

import json
import signal

import boto3
import pytest

from cognito_import.cli.terminal import Progress
from cognito_import.outcomes import Outcome
from cognito_import.run.folder import RunFolder
from sandbox.waiting import until


def objects(resources):
    """Return the keys of the bucket."""
    return {item["Key"] for item in resources.s3.list_objects_v2(Bucket=resources.bucket).get("Contents", ())}


def test_a_list_is_imported_and_reported(cli, users, resources, mails, calls):
    """The same folder, report and mail as Airflow's; run again, the same name calls nobody and mails nothing."""
    arguments = ("run", users(6, more="nobody\n"), "--admin", resources.admin, "--name", "first-import")
    code, out, errors = cli(*arguments)
    assert code == 0
    assert "7 of 7 users" in errors
    assert "7 users: 6 succeeded, 1 failed; " in out
    assert "; run first-import; report s3://" in out
    (mail,) = mails()
    assert "Run: first-import" in mail["BodyText"]
    assert "X-Amz-Signature" in mail["BodyText"]
    assert "Signature" not in out + errors
    assert resources.admin not in out + errors
    folder = RunFolder(resources.s3, resources.bucket, "first-import")
    assert {outcome.code for outcome in folder.progress().outcomes.values()} == {"", "InvalidAddress"}
    before = calls("AdminCreateUser")
    for again in (arguments, ("run", "--name", "first-import")):
        assert cli(*again)[0] == 0
    assert calls("AdminCreateUser") == before == 6
    assert len(mails()) == 1


def test_a_request_comes_from_a_file_or_standard_input(cli, resources, tmp_path):
    """It is a DAG run's conf, and options go before it; the settings may stand in a file, too."""
    request = {"data": ["a@example.com", "b@example.com"], "adminemail": resources.admin}
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request))
    settings = tmp_path / "settings.json"
    settings.write_text(resources.variable(slots=2, pacing_seconds=0.2))
    assert cli("run", "--request", path, "--settings", settings)[0] == 0
    with path.open() as text:
        process = cli.start("run", "--request", "-", "--existing", "complete", stdin=text)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "2 existed as listed" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "no-such-list.csv", "--admin", "a@example.com"), "no-such-list.csv cannot be read"),
        (("run", "users.csv"), "'adminemail' is missing"),
        (("run",), "nothing to do"),
        (("run", "--name", "no-such-run"), "no run no-such-run"),
        (("report", "no-such-run"), "no run no-such-run"),
        (("undo", "no-such-run"), "no run no-such-run"),
        (("check",), "nothing to check"),
        (("run", "--admin", "a@example.com", "--name", "no-such-run"), "adminemail is given without users"),
        (("run", "--request", "engine.json"), "'engine' is 'step_functions'"),
        (("run", "--request", "broken.json"), "is no JSON"),
        (("run", "users.csv", "--admin", "a@example.com", "--settings", "broken.json"), "is not JSON"),
        (("run", "users.csv", "--admin", "a@example.com", "--profile", "nobody"), "profile"),
        (("run", "users.csv", "--no-such-option"), "unrecognized arguments"),
    ],
)
def test_what_is_wrong_is_one_message(cli, users, tmp_path, local_aws, arguments, said):
    """Exit code 2, no traceback, and nobody touched."""
    users(1)
    (tmp_path / "engine.json").write_text('{"engine": "step_functions", "data": ["a@b.jp"], "adminemail": "a@b.jp"}')
    (tmp_path / "broken.json").write_text("{")
    code, out, errors = cli(*arguments)
    assert (code, out) == (2, "")
    assert said in errors
    assert not [call for call in local_aws.calls() if call["operation"].startswith("Admin")]


def test_no_settings_are_said(cli, users):
    """The message names the option and the variable."""
    process = cli.start("run", users(1), "--admin", "a@example.com", "--settings", "nowhere.json")
    assert "nowhere.json" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


def test_a_bucket_that_is_missing_touches_nobody(cli, users, resources):
    """S3 that fails before the first user is a refusal as any other."""
    code, _, errors = cli("run", users(1), "--admin", resources.admin, report_bucket="no-such-bucket-here")
    assert (code, "'report_bucket'" in errors) == (2, True)


def test_check_changes_nothing(cli, users, resources, local_aws, mails):
    """Findings are printed; no object is written, no group made, no user called for, no mail sent."""
    path = users(3, more="user1@example.com\n,\nnobody\n")
    before = objects(resources)
    code, out, errors = cli("check", path, "--admin", resources.admin, "--create-groups", default_groups=["NEW"])
    assert code == 1
    assert "row 5: DuplicateAddress: Duplicate of row 2." in out
    assert "row 7: InvalidAddress" in out
    assert "3 to process, 2 rejected. AWS is ready." in out
    assert "The group 'NEW' does not exist; the run would create it." in errors
    assert "@example.com" not in out
    assert cli("check", users(3), "--admin", resources.admin)[0] == 0
    code, _, errors = cli("check", users(3), "--admin", resources.admin, default_groups=["MISSING"])
    assert code == 2
    assert "The group 'MISSING'" in errors
    assert objects(resources) == before
    assert mails() == []
    groups = boto3.client("cognito-idp").list_groups(UserPoolId=resources.user_pool_id)["Groups"]
    assert [group["GroupName"] for group in groups] == ["BASIC"]
    assert not [call for call in local_aws.calls() if call["operation"].startswith("Admin")]


def test_a_dry_run_says_what_would_happen(cli, users, resources, calls):
    """Nobody is asked, since nobody is changed."""
    assert cli("run", users(1), "--admin", resources.admin)[0] == 0
    code, out, errors = cli("run", users(3), "--admin", resources.admin, "--jobtype", "delete", "--dry-run")
    assert code == 0
    assert "dry run, nothing was changed: 3 users: 1 " in out
    assert "3 of 3 users" in errors
    assert calls("AdminDeleteUser") == 0


def test_ctrl_c_finishes_and_reports(cli, users, resources, mails, calls):
    """Users who are being processed are finished, the report says who was not attempted, and the same name goes on."""
    process = cli.start("run", users(40), "--admin", resources.admin, "--name", "stopped-run")
    until("some users", lambda: calls("AdminCreateUser"), lambda made: made >= 4, seconds=60, every=0.05)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "python -m cognito_import run --name stopped-run" in errors
    made = calls("AdminCreateUser")
    assert 4 <= made < 40
    assert f"{made} succeeded, {40 - made} not attempted; " in out
    assert "python -m cognito_import run --name stopped-run" in mails()[-1]["BodyText"]
    code, out, _ = cli("run", "--name", "stopped-run")
    assert code == 0
    assert "40 users: 40 succeeded" in out
    assert calls("AdminCreateUser") == 40


def test_a_second_ctrl_c_ends_at_once(cli, users, resources, calls):
    """Even while a user waits for the pace; the first one says so."""
    process = cli.start("run", users(1), "--admin", resources.admin, slots=1, pacing_seconds=60)
    for said in ("Run run-", "Press Ctrl-C again"):
        assert any(said in line for line in process.stderr), said  # up to that line
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert calls("AdminCreateUser") == 0


def test_a_killed_run_is_continued(cli, users, resources, calls):
    """No user is lost or called for twice; who was deleted by the process as it died is deleted by this run."""
    path = users(24)
    assert cli("run", path, "--admin", resources.admin)[0] == 0
    free = {"approve_deletions": False}
    deletion = ("run", path, "--admin", resources.admin, "--jobtype", "delete", "--yes", "--name", "killed-run")
    process = cli.start(*deletion, **free)
    until("some users", lambda: calls("AdminDeleteUser"), lambda made: made >= 4, seconds=60, every=0.05)
    process.kill()
    process.communicate(timeout=60)
    code, out, errors = cli("run", "--name", "killed-run", **free)
    assert code == 0, errors
    assert "24 users: 24 succeeded" in out


def test_a_report_is_made_anew(cli, users, resources, mails):
    """With a new link, also to another address, and for a run by its id in Airflow."""
    airflow = "manual__2026-11-24T10:00:00+00:00"
    assert cli("run", users(1), "--admin", resources.admin, "--name", airflow)[0] == 0
    code, out, _ = cli("report", airflow)
    assert code == 0
    assert "run manual-2026-11-24T10-00-00-00-00-" in out
    first, second = (mail["BodyText"] for mail in mails())
    assert first.partition("X-Amz-Signature=")[2] != second.partition("X-Amz-Signature=")[2] or first != second
    resources.ses.verify_email_identity(EmailAddress="other@example.com")
    assert cli("report", airflow, "--admin", "other@example.com")[0] == 0
    assert len(mails()) == 2


def test_progress_tells_how_long_it_will_take():
    """Users, failures, rate and what is left; those finished before count as finished, not as fast."""
    progress = Progress(2_000, 500)
    progress._began -= 10
    for number in range(100):
        progress.add(
            Outcome.failed(number, "a@example.com", "X", "y") if number < 3 else Outcome(number, "a", "succeeded")
        )
    assert progress.line() == "600 of 2,000 users, 3 failed, 10.0/s, 2 min 20 s left"
