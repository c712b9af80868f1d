"""The daily limit of Cognito's own sender: who is invited today, and that nobody beyond it is lost."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from cognito_import import aws, night
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError
from cognito_import.findings import Findings
from cognito_import.inbox import Inbox
from cognito_import.ingest import ingest_request
from cognito_import.mail_ready import check_invitations
from cognito_import.report.delivery import deliver
from cognito_import.report.reasons import Reasons
from cognito_import.run.folder import INVITED, RunFolder
from cognito_import.run.manifest import run_name
from cognito_import.settings import Settings

LIMIT = 4
USERS = [f"user{number:02}@example.com" for number in range(1, 11)]


@pytest.fixture
def settings(resources, monkeypatch):
    """Settings that invite, by a sender that mails few a day."""
    monkeypatch.setattr("cognito_import.invitations.DAILY_MAILS", LIMIT)
    rules = {"": {"adminemail": resources.admin}}
    return Settings.parse(
        resources.variable(
            pacing_seconds=0.001,
            invite=True,
            inbox=f"s3://{resources.bucket}/inbox/",
            inbox_rules=rules,
            inbox_quiet_seconds=0,
        )
    )


@pytest.fixture
def read(resources, settings):
    """Read a request as a run of this name; gives its folder."""

    def read(run, data=USERS, *, from_inbox=False, **request):
        folder = RunFolder(resources.s3, resources.bucket, run)
        users = {} if "source" in request else {"data": data}
        conf = {**users, "adminemail": resources.admin, **request}
        ingest_request(conf, settings, resources.s3, folder, cognito=cognito(), from_inbox=from_inbox)
        return folder

    return read


def cognito():
    """The client that the product uses."""
    return boto3.client("cognito-idp", config=aws.COGNITO)


def work(folder, settings):
    """Process the run's users, as the mapped tasks do."""
    manifest = folder.required_manifest()
    stops = []
    for batch in manifest.batches:
        pool = UserPool(cognito(), manifest.applied_to(settings), Pacer(0), sleep=lambda _: None)
        try:
            run_batch(folder, batch, pool)
        except CallsStoppedError as stop:
            stops.append(stop)
    if stops:
        raise stops[0]


def next_day(resources):
    """Let what was mailed be of another day."""
    listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix=INVITED).get("Contents", ())
    for item in listed:
        resources.s3.delete_object(Bucket=resources.bucket, Key=item["Key"])


def postponed(folder):
    """The addresses whose turn is another day."""
    outcomes = folder.progress().outcomes.values()
    return [outcome.useremail for outcome in outcomes if outcome.code == "Postponed"]


def test_who_is_beyond_the_limit_is_told_so_before_any_call(read, local_aws):
    """The first of the list are invited, the others are not called for, and both languages say why."""
    local_aws.reset()
    folder = read("first")
    assert postponed(folder) == USERS[LIMIT:]
    assert [row.useremail for row in folder.all_rows()] == USERS[:LIMIT]
    assert {call["operation"] for call in local_aws.calls()} == {"DescribeUserPool", "AdminGetUser"}
    outcome = next(iter(folder.progress().outcomes.values()))
    assert Reasons("en", "first").told(outcome).message.endswith("run the failed rows again tomorrow.")
    assert "50 通まで" in Reasons("ja", "first").told(outcome).message


def test_a_list_run_again_each_day_comes_to_its_end(read, resources, settings):
    """Users who exist get no mail, so they do not count, wherever they stand in the list."""
    for day, done in enumerate((4, 8, 10), start=1):
        work(read(f"day-{day}"), settings)
        assert len(resources.users()) == done
        next_day(resources)


def test_look_ups_are_bounded(read, resources, local_aws, monkeypatch):
    """Behind so many users whoever is there already counts, too, so that reading a list takes minutes at most."""
    monkeypatch.setattr("cognito_import.invitations.MAX_LOOKED_UP", 6)
    for user in USERS:
        resources.add_user(user)
    local_aws.reset()
    assert postponed(read("long", [*USERS, "new@example.com"])) == ["new@example.com"]
    assert sum(call["operation"] == "AdminGetUser" for call in local_aws.calls()) == 6


def test_runs_of_one_day_share_the_limit(read, settings):
    """A run counts what others take that have begun, and calls for one user at the least."""
    one = read("one", USERS[:3])
    assert postponed(one) == []
    assert postponed(read("two", USERS[3:])) == USERS[3 + LIMIT :]
    work(one, settings)
    two = read("two", USERS[3:])
    assert postponed(two) == USERS[4:]
    work(two, settings)
    assert postponed(read("three", ["x@example.com", "y@example.com"])) == ["y@example.com"]


@pytest.mark.parametrize("change", ["no-invitations", "dry-run", "own-sender"])
def test_only_invitations_of_cognitos_own_sender_are_limited(read, resources, change):
    """Without invitations, in a dry run, and with SES as the sender nobody has to wait."""
    request = {"no-invitations": {"invite": False}, "dry-run": {"dry_run": True}}.get(change, {})
    if change == "own-sender":
        sender = {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a.jp"}
        resources.cognito.update_user_pool(UserPoolId=resources.user_pool_id, EmailConfiguration=sender)
    assert postponed(read("run", **request)) == []


def night_of(resources, settings, read, *, stops=False):
    """Import each file of the inbox, report and archive it, as a night does."""
    inbox = Inbox(resources.s3, settings)
    for file in inbox.waiting().ready:
        folder = read(run_name(file.run_id), from_inbox=True, source=f"s3://{resources.bucket}/{file.key}")
        with pytest.raises(CallsStoppedError) if stops else nullcontext():
            work(folder, settings)
        state = "failed" if stops else "success"
        deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))
        night.archive(inbox, folder, file, state)
        night.archive(inbox, folder, file, state)  # a second time changes nothing
    next_day(resources)
    return [file.key.removeprefix("inbox/") for file in inbox.waiting().ready]


def test_the_next_nights_take_up_the_rest(read, resources, settings):
    """A file is left with the users who wait, and nights go on until nobody does; all is as the first file said."""
    lines = [f"{user},Hanako,STAFF,{number}" for number, user in enumerate(USERS)]
    text = "\n".join(["useremail,given_name,groups,external_id", *lines]).encode()
    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName="STAFF")
    resources.s3.put_object(Bucket=resources.bucket, Key="inbox/hr/users.csv", Body=text)
    for done in (4, 8):
        (rest,) = night_of(resources, settings, read)
        assert rest.startswith("hr/users_rest_2")
        assert rest.count("_rest_") == 1
        assert len(resources.users()) == done
    assert night_of(resources, settings, read) == []
    users = resources.users()
    assert set(users) == set(USERS)
    assert all(user.groups == {"STAFF"} for user in users.values())
    kept = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=USERS[-1])
    assert {"Name": "given_name", "Value": "Hanako"} in kept["UserAttributes"]


def test_a_limit_that_is_met_all_the_same_is_handed_over_too(read, resources, settings, local_aws):
    """Others have used up the day's mails: whom the stop left is left to the next night, and the file is processed."""
    text = "\n".join(["useremail", *USERS[:6]]).encode()
    resources.s3.put_object(Bucket=resources.bucket, Key="inbox/users.csv", Body=text)
    local_aws.fault("AdminCreateUser", code="LimitExceededException", message="Exceeded daily email limit.", times=None)
    (rest,) = night_of(resources, settings, read, stops=True)
    body = resources.s3.get_object(Bucket=resources.bucket, Key=f"inbox/{rest}")["Body"].read().decode("utf-8-sig")
    assert [user for user in USERS if user in body] == USERS[:6]
    local_aws.clear_faults()
    night_of(resources, settings, read)
    assert set(resources.users()) == set(USERS[:4])


@pytest.mark.parametrize(
    ("most", "region", "warned"), [(9, "", True), (-1, "", False), (10, "", False), (9, "x", False)]
)
def test_what_ses_allows_is_said_before_the_run(read, resources, most, region, warned):
    """With SES as the user pool's sender its quota counts, in the same Region, if it may be asked for."""
    manifest = read("run", invite=True, dry_run=True).required_manifest()
    client = boto3.client("sesv2")
    arn = f"arn:aws:ses:{client.meta.region_name}{region}:000000000000:identity/a.jp"
    pool = {"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER", "SourceArn": arn}}
    findings = Findings()
    with Stubber(client) as stubber:
        stubber.add_response("get_account", {"SendQuota": {"Max24HourSend": most, "SentLast24Hours": 0}})
        check_invitations(manifest, pool, client, findings)
    assert [f"{most} more mails" in warning for warning in findings.warnings] == [True] * warned
