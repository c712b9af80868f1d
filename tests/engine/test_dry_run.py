"""A dry run: the report says what would become of each user, and nothing is changed."""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from cognito_import.engine import dry_run, rounds
from cognito_import.engine.creation import EXISTS
from cognito_import.engine.next_step import Next
from cognito_import.engine.threads import run_batches
from cognito_import.errors import CallsStoppedError
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.report.delivery import deliver
from cognito_import.run.folder import CALLING, IMPORTED, RunFolder
from cognito_import.run.manifest import run_name
from demo.watch import fetch, link_in, rows_of

NEEDED = {"AdminGetUser", "AdminListGroupsForUser", "DescribeUserPool", "GetGroup", "GetProvisionedLimit"}
"""All permissions on a user pool that a dry run needs; the last one is optional."""
READS = ("AdminGet", "AdminList", "Describe", "Get", "List")
USERS = [
    {"useremail": "new@example.com", "groups": ["BASIC", "STAFF"]},
    {"useremail": "same@example.com"},
    {"useremail": "other@example.com", "attributes": {"given_name": "花子"}, "groups": ["BASIC", "STAFF"]},
    {"useremail": "no-address"},
]


@pytest.fixture
def start(resources, settings, local_aws):
    """Give a function that reads a request under a name and checks that AWS is ready for it, as a run's first tasks do."""
    settings = type(settings).parse(resources.variable())

    def read(name="run-1", users=USERS, **request):
        resources.add_user("same@example.com")
        resources.add_user("other@example.com")
        resources.cognito.admin_add_user_to_group(
            UserPoolId=resources.user_pool_id, Username="same@example.com", GroupName="BASIC"
        )
        local_aws.reset()
        folder = RunFolder(resources.s3, resources.bucket, name)
        given = {"data": users, "adminemail": resources.admin, "dry_run": True, **request}
        manifest = ingest_request(given, settings, resources.s3, folder, cognito=resources.cognito)
        clients = Clients(resources.cognito, resources.s3, resources.ses, None)
        check(manifest, settings, clients, None, rows=folder.all_rows(), folder=folder)
        return folder

    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName="STAFF")
    return read


def work(resources, settings, folder):
    """Have as many workers as there are slots process the run, as Airflow's tasks do."""
    stop = run_batches(folder, settings, resources.cognito, folder.required_manifest().batches, halted=lambda: False)
    if stop:
        raise stop


def report(resources, settings, folder):
    """Mail the report."""
    return deliver(folder, settings, resources.s3, resources.ses, credentials_expire_at=None, now=datetime.now(UTC))


def codes(folder):
    """Return the outcomes of all workers, without the rows that the check rejected."""
    outcomes = folder.progress().outcomes
    return {outcomes[row].useremail.partition("@")[0]: outcomes[row].code for row in sorted(outcomes)}


def changed(local_aws):
    """Return the calls of Cognito that do more than read."""
    return [call["operation"] for call in local_aws.calls() if not call["operation"].startswith(READS)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            {}, ["WouldCreate", "UsernameExistsException", "UsernameExistsException", "InvalidAddress"], id="fail"
        ),
        pytest.param(
            {"existing_users": "complete"},
            ["WouldCreate", "WouldBeUnchanged", "WouldComplete", "InvalidAddress"],
            id="complete",
        ),
        pytest.param(
            {"jobtype": "delete"},
            ["UserNotFoundException", "WouldDelete", "WouldDelete", "InvalidAddress"],
            id="delete",
        ),
        pytest.param(
            {"jobtype": "disable"},
            ["UserNotFoundException", "WouldDisable", "WouldDisable", "InvalidAddress"],
            id="disable",
        ),
        pytest.param(
            {"jobtype": "enable"},
            ["UserNotFoundException", "WouldBeUnchanged", "WouldBeUnchanged", "InvalidAddress"],
            id="enable",
        ),
    ],
)
def test_every_row_says_what_would_become_of_its_user(start, resources, settings, local_aws, mails, request_, expected):
    """Nothing changes, nobody is asked, and no other run has to know of it; the real run then does what was said."""
    folder = start(**request_)
    work(resources, settings, folder)
    assert list(codes(folder).values()) == expected
    assert {call["operation"] for call in local_aws.calls()} <= NEEDED
    assert not folder.required_manifest().approve
    listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="runs/").get("Contents", [])
    assert not [one["Key"] for one in listed if one["Key"].startswith((CALLING, IMPORTED))]
    report(resources, settings, folder)
    (mail,) = mails()
    assert mail["Subject"].startswith("【Cognito】【確認のみ】")
    assert "ユーザープールの変更: ありません" in mail["BodyText"]

    unasked = type(settings).parse(resources.variable(pacing_seconds=0.001, approve_deletions=False))
    (line,) = [line for line in mail["BodyText"].splitlines() if line.startswith("{")]
    request = json.loads(line)
    assert "dry_run" not in request
    real = RunFolder(resources.s3, resources.bucket, "real")
    ingest_request(request, unasked, resources.s3, real)
    work(resources, unasked, real)
    done = dict.fromkeys(("WouldCreate", "WouldDelete", "WouldDisable"), "")
    done |= {"WouldBeUnchanged": "Unchanged" if "jobtype" in request_ else "Existed", "WouldComplete": "Existed"}
    assert list(codes(real).values()) == [done.get(code, code) for code in expected]
    if request_ == {"existing_users": "complete"}:
        assert resources.users()["other@example.com"].groups == {"BASIC", "STAFF"}


def test_a_dry_run_of_an_undo_names_the_undo_for_the_real_run(start, resources, settings, local_aws, mails):
    """Not its CSV: by the addresses of a list others could be deleted than those whom the import created."""
    created = start(run_name("import"), dry_run=False)
    work(resources, settings, created)
    folder = RunFolder(resources.s3, resources.bucket, "undo")
    request = {"undo": created.run, "adminemail": resources.admin}
    ingest_request({**request, "dry_run": True}, settings, resources.s3, folder)
    local_aws.reset()
    work(resources, settings, folder)
    assert codes(folder) == {"new": "WouldDelete"}
    assert {call["operation"] for call in local_aws.calls()} <= NEEDED
    report(resources, settings, folder)
    (line,) = [line for line in mails()[0]["BodyText"].splitlines() if line.startswith("{")]
    assert json.loads(line) == request


def test_the_report_says_what_the_real_run_would_take(start, resources, settings, mails):
    """Counts, calls and time; the messages say what would be changed."""
    folder = start(existing_users="complete")
    work(resources, settings, folder)
    delivery = report(resources, settings, folder)
    assert delivery.note(folder).startswith(
        "dry run, nothing was changed: 4 users: 1 would succeed, 1 exist and would be changed, 1 would stay as they are, "
        "1 would fail; run run-1; report s3://"
    )
    assert delivery.csv_key.startswith("cognitoimportlog/import_dry_run_")
    text = mails()[0]["BodyText"]
    # 1 + 2 groups to create the first; 1 + 1 + 1 to find the second as it is; 1 + 1 + 1 + 2 + 1 to complete the third.
    assert "実際に実行した場合: Cognito の呼び出し 12 回、1 分以上" in text
    rows = rows_of(fetch(link_in(mails()[0])))
    assert [row["message"] for row in rows[:3]] == [
        "作成され、グループ BASIC, STAFF に追加されます。",
        "登録済みです。変更はありません。",
        "登録済みです。グループ BASIC, STAFF に追加され、属性 given_name が更新されます。",
    ]
    assert [row["given_name"] for row in rows] == ["", "", "花子", ""]


def test_a_worker_that_died_is_followed_by_one_that_looks_up_the_rest(
    start, resources, settings, local_aws, monkeypatch
):
    """Past the half, so that a resume from the beginning would show."""
    monkeypatch.setattr(dry_run, "STORE_SECONDS", 0.0)
    users = [f"user{number}@example.com" for number in range(10)]
    folder = start(users=users)
    local_aws.fault("AdminGetUser", code="AccessDeniedException", after=7, times=1)
    with pytest.raises(CallsStoppedError):
        work(resources, settings, folder)
    assert len(folder.progress().outcomes) == 7
    local_aws.reset()
    work(resources, settings, folder)
    assert [call["operation"] for call in local_aws.calls()].count("AdminGetUser") == 3
    assert set(codes(folder).values()) == {"WouldCreate"}
    assert folder.progress().calls == {"AdminCreateUser": 10, "AdminAddUserToGroup": 10}


@pytest.mark.parametrize(("resends", "looked_up", "created"), [(True, 2, 4), (False, 0, 3)])
def test_calls_for_users_who_exist_are_foreseen(start, resources, settings, resends, looked_up, created):
    """A run that invites again looks up each user who exists, whether it then invites the user or not."""
    users = [f"{name}@example.com" for name in ("new", "same", "other")]
    folder = start(users=users, invite=True, resend_invitation=resends)
    resources.cognito.admin_disable_user(UserPoolId=resources.user_pool_id, Username="other@example.com")
    work(resources, settings, folder)
    would = {"new": "WouldCreate", "same": "WouldComplete" if resends else EXISTS, "other": EXISTS}
    assert codes(folder) == would
    expected = {"AdminCreateUser": created, "AdminGetUser": looked_up, "AdminAddUserToGroup": 1}
    assert folder.progress().calls == Counter(expected)


def test_the_state_machine_leaves_a_dry_run_to_its_function(start, resources, settings, local_aws):
    """Settle looks everybody up; what its time does not reach comes with the next call, and there is no Map."""
    folder = start(engine="step_functions")
    local_aws.reset()
    told = rounds.settle(folder, settings, resources.cognito, Next("begin"), seconds=-1)
    assert (told.step, told.seconds) == ("wait", 1)
    told = rounds.settle(folder, settings, resources.cognito, told, seconds=60)
    assert (told.step, told.kind) == ("report", "")
    assert list(codes(folder).values())[:2] == ["WouldCreate", "UsernameExistsException"]
    assert changed(local_aws) == []


def test_users_who_all_fail_are_no_reason_to_stop(start, resources, settings):
    """To find that out is what a dry run is for."""
    folder = start(jobtype="delete", users=[f"user{number}@example.com" for number in range(60)])
    work(resources, settings, folder)
    assert set(codes(folder).values()) == {"UserNotFoundException"}


def test_the_slots_keep_to_the_quotas_for_reading(start, resources, settings, local_aws):
    """Whatever the pace of an import, all slots together leave the reserve of the quota in force to others."""
    local_aws.quotas(UserRead=60)
    settings = type(settings).parse(resources.variable(slots=4, pacing_seconds=0.001, reserve=20))
    folder = start(users=[f"user{number}@example.com" for number in range(100)])
    local_aws.reset()
    work(resources, settings, folder)
    reads = local_aws.stats()["categories"]["UserRead"]
    assert (reads["throttles"], reads["calls"]) == (0, 100)
    assert reads["peak"] <= 50  # 40, and some that a busy machine has made late


def test_missing_groups_are_named_and_not_created(start, resources, caplog):
    """With `create_groups` the real run would create them."""
    start(users=[{"useremail": "new@example.com", "groups": ["LATER"]}], create_groups=True)
    groups = resources.cognito.list_groups(UserPoolId=resources.user_pool_id)["Groups"]
    assert {group["GroupName"] for group in groups} == {"BASIC", "STAFF"}
    assert "The group 'LATER' does not exist; the run would create it." in caplog.text


@pytest.mark.parametrize("change", ["listed", "denied", "grown"])
def test_members_of_the_groups_are_listed_where_that_takes_few_calls(
    start, resources, settings, local_aws, monkeypatch, change
):
    """It comes to the same as looking up the groups of each user, which is done where the groups cannot be listed."""
    monkeypatch.setattr("cognito_import.pool_groups.PAGE", 10)
    names = [f"user{number:02}" for number in range(28)]
    users = [f"{name}@example.com" for name in names]
    for number, user in enumerate(users):
        resources.add_user(user)
        if number % 2:
            group = {"UserPoolId": resources.user_pool_id, "GroupName": "BASIC"}
            resources.cognito.admin_add_user_to_group(Username=user, **group)
    if change == "denied":
        local_aws.fault("ListUsersInGroup", code="AccessDeniedException", message="No.", times=None)
    if change == "grown":
        monkeypatch.setattr("cognito_import.pool_groups.WORTH_A_PAGE", 28)
        monkeypatch.setattr("cognito_import.pool_fit.look_up", lambda *_: {"EstimatedNumberOfUsers": 5})
    folder = start(users=users, existing_users="complete")
    work(resources, settings, folder)
    assert codes(folder) == {
        name: "WouldBeUnchanged" if number % 2 else "WouldComplete" for number, name in enumerate(names)
    }
    made = [call["operation"] for call in local_aws.calls()]
    looked_up, pages = made.count("AdminListGroupsForUser"), made.count("ListUsersInGroup")
    assert (looked_up, pages) == {"listed": (0, 2), "denied": (28, 1), "grown": (28, 1)}[change]
