"""The daily limit of Cognito's own sender: who is invited today, and that nobody beyond it is lost."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from functools import partial

import boto3
import pytest
from botocore.stub import Stubber

from cognito_import import aws, night
from cognito_import.engine.batches import run_batch
from cognito_import.engine.children import begin_batch, store_batch
from cognito_import.engine.next_step import Next
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.rounds import settle
from cognito_import.engine.user_pool import UserPool
from cognito_import.errors import CallsStoppedError, IncompleteRunError
from cognito_import.findings import Findings
from cognito_import.inbox import Inbox
from cognito_import.ingest import ingest_request
from cognito_import.invitations import day_began, share_out, share_out_again
from cognito_import.mail_ready import check_invitations
from cognito_import.report.complete import failure_reason, raise_if_incomplete
from cognito_import.report.delivery import deliver
from cognito_import.report.reasons import Reasons
from cognito_import.report.rows import all_outcomes
from cognito_import.run.daily_limit import is_met
from cognito_import.run.folder import INVITED, RunFolder
from cognito_import.run.manifest import run_name
from cognito_import.settings import Settings
from cognito_import.undo import created_users

LIMIT = 4
USERS = [f"user{number:02}@example.com" for number in range(1, 11)]


@pytest.fixture
def settings(resources, monkeypatch):
    """Settings that invite, by a sender that mails few a day."""
    monkeypatch.setattr("cognito_import.run.daily_limit.DAILY_MAILS", LIMIT)
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
    """Read a request as a run of this name, and share the day's invitations out as preflight does; gives its folder."""

    def read(run, data=USERS, *, from_inbox=False, **request):
        folder = RunFolder(resources.s3, resources.bucket, run)
        users = {} if "source" in request else {"data": data}
        conf = {**users, "adminemail": resources.admin, **request}
        manifest = ingest_request(conf, settings, resources.s3, folder, cognito=cognito(), from_inbox=from_inbox)
        share_out(manifest, settings, folder, cognito())
        return folder

    return read


def cognito():
    """Return the client that the product uses."""
    return boto3.client("cognito-idp", config=aws.COGNITO)


def work(folder, settings):
    """Process the run's users as the mapped tasks do, those of a run that is continued too; gives what stopped them."""
    manifest = folder.required_manifest()
    stops = []
    for batch in manifest.batches:
        share_out_again(manifest, settings, folder, batch)
        pool = UserPool(cognito(), manifest.applied_to(settings), Pacer(0), sleep=lambda _: None)
        try:
            run_batch(folder, batch, pool)
        except CallsStoppedError as stop:
            stops.append(stop.code)
    return set(stops)


def next_day(resources):
    """Let what was mailed be of another day."""
    listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix=INVITED).get("Contents", ())
    for item in listed:
        resources.s3.delete_object(Bucket=resources.bucket, Key=item["Key"])


def waiting(folder):
    """Return the addresses whose turn is another day."""
    return [outcome.useremail for outcome in all_outcomes(folder, folder.required_manifest()) if is_met(outcome)]


def report(folder, settings, resources):
    """Report the run."""
    return deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))


def test_who_is_beyond_the_limit_is_told_so_before_any_call(read, local_aws, resources, settings, mails):
    """The first of the list are invited, the others are not called for, the run is not complete, and the mail says why."""
    local_aws.reset()
    folder = read("first")
    assert waiting(folder) == USERS[LIMIT:]
    assert {call["operation"] for call in local_aws.calls()} == {"DescribeUserPool", "AdminGetUser"}
    assert work(folder, settings) == {"LimitExceededException"}
    assert set(resources.users()) == set(USERS[:LIMIT])
    delivery = report(folder, settings, resources)
    assert (delivery.counts["succeeded"], delivery.counts["not_attempted"], delivery.unfinished) == (4, 6, 6)
    with pytest.raises(IncompleteRunError, match=r"6 of 10 users were not finished.*From tomorrow"):
        raise_if_incomplete(delivery)
    assert failure_reason(folder, "failed")
    (mail,) = mails()
    assert "【要対応】ユーザーインポートの残りは翌日以降" in mail["Subject"]
    assert "明日以降に、Airflow で" in mail["BodyText"]


@pytest.mark.parametrize(
    ("run", "says"), [("first", "From tomorrow, clear"), ("inbox-1", "the next night takes the user up")]
)
def test_a_row_says_when_its_turn_is(read, run, says):
    """Of a file of the inbox there is nothing to do."""
    folder = read(run)
    *_, last = all_outcomes(folder, folder.required_manifest())
    assert (last.code, last.status) == ("NotAttempted", "failed")
    assert says in Reasons("en", run).told(last).message
    assert "50 通まで" in Reasons("ja", run).told(last).message


def test_a_run_is_continued_another_day(read, resources, settings):
    """The same day nobody else is called for; then as many go as on the first, and nobody twice."""
    folder = read("run")
    for done in (4, 8):
        for _ in range(2):
            assert work(folder, settings) == {"LimitExceededException"}
            assert waiting(folder) == USERS[done:]
            share_out(folder.required_manifest(), settings, folder, cognito())  # whoever clears `preflight`, too
            assert waiting(folder) == USERS[done:]
        next_day(resources)
    assert work(folder, settings) == set()
    assert report(folder, settings, resources).counts["succeeded"] == len(USERS) == len(resources.users())


def test_the_worker_of_those_who_wait_may_be_the_first(read, resources, settings):
    """Before anybody was called for it has nobody else invited, and the next run finds the limit taken."""
    folder = read("run")
    manifest = folder.required_manifest()
    share_out_again(manifest, settings, folder, manifest.batches[-1])
    assert waiting(folder) == USERS[LIMIT:]
    assert waiting(read("next", data=["another@example.com", "more@example.com"])) == ["more@example.com"]


def test_a_run_can_be_undone_though_users_wait(read, resources, settings, mails):
    """Whoever sees that the list was wrong need not invite all the others first; the mail has the request."""
    folder = read("run")
    work(folder, settings)
    assert [user.useremail for user in created_users(folder, settings.user_pool_id)] == USERS[:LIMIT]
    report(folder, settings, resources)
    assert '{"undo": "run"' in mails()[0]["BodyText"]


def test_another_sender_lets_everybody_be_invited(read, resources, settings):
    """Once the user pool sends by SES, whoever clears the run from `preflight` on has all of them called for."""
    folder = read("run")
    work(folder, settings)
    send_by_ses(resources)
    share_out(folder.required_manifest(), settings, folder, cognito())
    assert work(folder, settings) == set()
    assert len(resources.users()) == len(USERS)


def test_the_state_machine_calls_for_todays_users_alone(read, settings, resources):
    """A child is given none of the others, and the execution ends with the reason when today's are finished."""
    folder = read("run", engine="step_functions")
    for number in range(1, 11):
        given = begin_batch(folder, settings, number, 1)["users"]
        assert [user["arguments"]["Username"] for user in given] == USERS[number - 1 : number] * (number <= LIMIT)
        made = {"row": number, "error": "", "message": "", "at": 0, "username": f"name-{number}"}
        if given:
            results = [{**made, "call": call} for call in ("AdminCreateUser", "AdminAddUserToGroup")]
            store_batch(folder, number, 1, results, closed=True, gave_up=False)
    told = settle(folder, settings, cognito(), Next("begin", round=1), seconds=60)
    assert (told.step, told.kind) == ("report", "stopped")
    assert "50 invitations a day" in told.detail
    assert waiting(folder) == USERS[LIMIT:]


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
    assert waiting(read("long", [*USERS, "new@example.com"])) == ["new@example.com"]
    assert sum(call["operation"] == "AdminGetUser" for call in local_aws.calls()) == 6


@pytest.mark.parametrize(
    ("now", "began"),
    [
        pytest.param("2026-01-05T08:59:59+00:00", "2026-01-04T09:00:00+00:00", id="before"),
        pytest.param("2026-01-05T09:00:00+00:00", "2026-01-05T09:00:00+00:00", id="at"),
        pytest.param("2026-01-05T17:59:59+09:00", "2026-01-04T09:00:00+00:00", id="another-zone"),
    ],
)
def test_a_day_of_the_limit_begins_when_cognito_counts_anew(now, began):
    """So two nights at one hour are two days, although some seconds less than a day may lie between them."""
    assert day_began(datetime.fromisoformat(now)).isoformat() == began


def test_runs_of_one_day_share_the_limit(read, settings):
    """A run counts what others take that have begun, and calls for one user at the least."""
    one = read("one", USERS[:3])
    assert waiting(one) == []
    assert waiting(read("two", USERS[3:])) == USERS[3 + LIMIT :]
    work(one, settings)
    two = read("two", USERS[3:])
    assert waiting(two) == USERS[4:]
    work(two, settings)
    assert waiting(read("three", ["x@example.com", "y@example.com"])) == ["y@example.com"]


def send_by_ses(resources):
    """Have the user pool mail by SES."""
    sender = {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a.jp"}
    resources.cognito.update_user_pool(UserPoolId=resources.user_pool_id, EmailConfiguration=sender)


@pytest.mark.parametrize(("change", "request_"), [("none", {"invite": False}), ("ses", {})])
def test_only_invitations_of_cognitos_own_sender_are_limited(read, resources, settings, change, request_):
    """Without invitations, and with SES as the sender, nobody has to wait."""
    if change == "ses":
        send_by_ses(resources)
    folder = read("run", **request_)
    assert waiting(folder) == []
    assert work(folder, settings) == set()


def test_a_dry_run_says_how_many_invitations_go_today(read, resources, settings, mails):
    """Rows and mail say whose invitation waits; users who exist and get none do not count, and nothing is taken."""
    for user in USERS[:2]:
        resources.add_user(user)
    folder = read("dry", dry_run=True)
    assert work(folder, settings) == set()
    delivery = report(folder, settings, resources)
    assert (delivery.counts["succeeded"], delivery.counts["exists"], delivery.unfinished) == (8, 2, 0)
    rows = csv_of(resources, delivery)
    assert [row["useremail"] for row in rows if "翌日以降" in row["message"]] == USERS[2 + LIMIT :]
    (mail,) = mails()
    assert "本日送信できるのは 4 件、残りの 4 件は翌日以降" in mail["BodyText"]
    assert waiting(read("real", USERS[2:])) == USERS[2 + LIMIT :]


def csv_of(resources, delivery):
    """The rows of a report."""
    body = resources.s3.get_object(Bucket=resources.bucket, Key=delivery.csv_key)["Body"].read().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(body)))


def night_of(resources, settings, read):
    """Import each file of the inbox, report and archive it, as a night does; gives the runs and what waits for the next."""
    inbox, runs = Inbox(resources.s3, settings), []
    files = inbox.waiting().ready
    for file in files:
        folder = read(run_name(file.run_id), from_inbox=True, source=f"s3://{resources.bucket}/{file.key}")
        state = "failed" if work(folder, settings) else "success"
        report(folder, settings, resources)
        night.archive(inbox, folder, file, state)
        night.archive(inbox, folder, file, state)  # a second time changes nothing
        runs.append(folder)
    night.raise_if_incomplete(inbox, files)
    next_day(resources)
    return runs, [file.key.removeprefix("inbox/") for file in inbox.waiting().ready]


def test_the_next_nights_take_up_the_rest(read, resources, settings):
    """A file is left with the users who wait, and nights go on until nobody does; all is as the first file said."""
    lines = [f"{user},Hanako,STAFF,{number}" for number, user in enumerate(USERS)]
    text = "\n".join(["useremail,given_name,groups,external_id", *lines]).encode()
    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName="STAFF")
    resources.s3.put_object(Bucket=resources.bucket, Key="inbox/hr/users.csv", Body=text)
    for done in (4, 8):
        _, (rest,) = night_of(resources, settings, read)
        assert rest.startswith("hr/users_rest_2")
        assert rest.count("_rest_") == 1
        assert len(resources.users()) == done
    assert night_of(resources, settings, read)[1] == []
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
    _, (rest,) = night_of(resources, settings, read)
    body = resources.s3.get_object(Bucket=resources.bucket, Key=f"inbox/{rest}")["Body"].read().decode("utf-8-sig")
    assert [user for user in USERS if user in body] == USERS[:6]
    local_aws.clear_faults()
    night_of(resources, settings, read)
    assert set(resources.users()) == set(USERS[:4])


@pytest.mark.parametrize("foreseen", [True, False])
def test_whoever_clears_a_run_that_has_handed_users_on_calls_for_none_of_them(
    read, resources, settings, local_aws, mails, foreseen
):
    """They are the next night's, so that nobody is called for twice or reported as existing already; the run says so."""
    lines = "\n".join(["useremail", *USERS[:6]]).encode()
    resources.s3.put_object(Bucket=resources.bucket, Key="inbox/users.csv", Body=lines)
    if not foreseen:
        local_aws.fault("AdminCreateUser", code="LimitExceededException", message="Daily limit.", times=None)
    ((folder,), (rest,)) = night_of(resources, settings, read)
    local_aws.clear_faults()
    left = USERS[4:6] if foreseen else USERS[:6]
    (mail,) = mails()
    assert "ユーザーインポートの残りは翌日以降" in mail["Subject"]
    assert f"{len(left)} 件は本日処理していません" in mail["BodyText"]
    assert "【要対応】" not in mail["Subject"]
    local_aws.reset()
    manifest = RunFolder(resources.s3, resources.bucket, folder.run).required_manifest()
    share_out(manifest, settings, folder, cognito())
    work(folder, settings)
    assert not {call["operation"] for call in local_aws.calls()} & {"AdminCreateUser", "AdminGetUser"}
    assert waiting(folder) == left
    delivery = report(folder, settings, resources)
    with pytest.raises(IncompleteRunError, match="There is nothing to do"):
        raise_if_incomplete(delivery)
    assert len(mails()) == 1 or not foreseen  # the reason is no longer in Cognito's words
    (again,), _ = night_of(resources, settings, read)
    assert (again.run != folder.run) == rest.startswith("users_rest_")
    assert {outcome.code for outcome in again.progress().outcomes.values()} == {""}


def test_a_file_that_was_replaced_meanwhile_still_hands_its_users_on(read, resources, settings):
    """The new file is another one; who waits of the old one is not lost."""
    inbox = Inbox(resources.s3, settings)
    put = partial(resources.s3.put_object, Bucket=resources.bucket, Key="inbox/users.csv")
    put(Body="\n".join(["useremail", *USERS[:6]]).encode())
    (file,) = inbox.waiting().ready
    folder = read(run_name(file.run_id), from_inbox=True, source=f"s3://{resources.bucket}/{file.key}")
    work(folder, settings)
    report(folder, settings, resources)
    put(Body=b"useremail\nother@example.com")
    night.archive(inbox, folder, file, "failed")
    keys = sorted(one.key for one in inbox.waiting().ready)
    assert keys[0] == "inbox/users.csv"
    assert keys[1].startswith("inbox/users_rest_")


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
