"""Imports on real Airflow: what goes right, and what the request or AWS makes go wrong."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import boto3
import pytest
from tests.integration.conftest import SLOTS

from cognito_import.engine.pacing import DEFAULT_QUOTAS
from demo.sandbox import DAG


def test_an_import_ends_with_one_true_outcome_for_every_user(
    start, addresses, resources, aws, admin, reported, truth, sandbox
):
    """CSV, pool and mail agree; results that are a user's own do not fail the run; the quotas are kept."""
    users = addresses(60)
    resources.add_user(users[2])
    asked = [*users[:10], "no-address", users[0].upper(), *users[10:]]
    aws.reset()
    run = start(asked)
    assert run.folder.run == run.run_id  # one name, in Airflow as everywhere
    assert run.wait() == "success"
    rows = reported(run)
    truth(rows, asked)
    failed = {row["useremail"]: row["code"] for row in rows if row["status"] == "failed"}
    assert failed == {
        users[2]: "UsernameExistsException",
        "no-address": "InvalidAddress",
        users[0].upper(): "DuplicateAddress",
    }
    assert len(run.mails(admin)) == 1
    key = run.rest.xcom(DAG, run.run_id, "report")["csv_key"]
    counts = "62 users: 59 succeeded, 1 existed already, 2 failed"
    note = run.rest.run(DAG, run.run_id)["note"]
    pace = r"\d+\.\d users/s of at most 20(, \d throttles?)?"
    assert re.fullmatch(f"{counts}; {pace}; run {run.folder.run}; report s3://{resources.bucket}/{key}", note)
    categories = aws.stats()["categories"]
    for name in ("UserCreation", "UserUpdate"):
        # Without a pace most calls are throttled. On a busy machine a few may arrive too close all the same, and are repeated;
        # the bench measures that there are none on an idle one.
        assert categories[name]["throttles"] <= 3
        assert categories[name]["peak"] <= DEFAULT_QUOTAS[name] + 3

    instances = run.rest.task_instances(DAG, run.run_id, "process_users")
    assert len(instances) == SLOTS
    assert instances[0]["rendered_map_index"] == "users 1-7"
    assert instances[-1]["rendered_map_index"] == "users 55-62"
    # The users themselves are in the run folder alone.
    for task_id, index in [("read_request", -1), ("preflight", -1), ("report", -1), ("process_users", 0)]:
        assert "@example.com" not in str(run.rest.xcom(DAG, run.run_id, task_id, map_index=index))
    assert {instance["pool"] for instance in instances} == {"cognito_api"}
    assert sandbox.airflow.rest.import_errors() == {}


def test_a_list_can_be_run_again_until_it_is_true(start, addresses, resources, aws, reported):
    """The first run fails for users who exist; the same list with `complete` finishes them, and once more changes nothing."""
    users = addresses(3)
    resources.add_user(users[0])
    data = [{"useremail": user, "attributes": {"given_name": "花子"}} for user in users]
    first = start(data=data)
    assert first.wait() == "success"
    assert [row["code"] for row in reported(first)] == ["UsernameExistsException", "", ""]
    second = start(data=data, existing_users="complete")
    assert second.wait() == "success"
    note = second.rest.run(DAG, second.run_id)["note"]
    assert note.startswith("3 users: 1 existed and were changed, 2 existed as listed; ")
    rows = reported(second)
    assert [(row["status"], row["code"]) for row in rows] == [("succeeded", "Existed")] * 3
    assert [row["message"] for row in rows] == [
        "登録済みです。グループ BASIC に追加し、属性 given_name を更新しました。",
        *["登録済みです。変更はありません。"] * 2,
    ]
    assert {resources.users()[user].groups == {"BASIC"} for user in users} == {True}
    aws.reset()
    third = start(data=data, existing_users="complete")
    assert third.wait() == "success"
    assert {row["message"] for row in reported(third)} == {"登録済みです。変更はありません。"}
    changes = {"AdminAddUserToGroup", "AdminUpdateUserAttributes"}
    assert not changes & {call["operation"] for call in aws.calls()}
    assert third.rest.run(DAG, third.run_id)["note"].startswith("3 users: 3 existed as listed; ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "how"), [("mapped", {"only_failed": True}), ("mapped", {}), ("step_functions", {"only_failed": True})]
)
def test_a_cleared_run_invites_the_next_ones_on_another_day(
    start, addresses, resources, reported, truth, next_day, engine, how
):
    """Cognito's own sender mails 50 a day: the others are not attempted, that day, however often it is cleared."""
    users = addresses(53)
    run = start(users, invite=True, engine=engine)
    for _ in range(2):
        assert run.wait() == "failed"
        rows = reported(run)
        truth(rows, users)
        assert [row["code"] for row in rows] == [""] * 50 + ["NotAttempted"] * 3
        assert "明日以降に、" in rows[-1]["message"]
        assert "From tomorrow, clear 'read_request' with Downstream" in run.log("finish")
        run.rest.clear(DAG, run.run_id, **how)
    assert run.wait() == "failed"
    assert len(run.mails()) == 1
    next_day()
    run.rest.clear(DAG, run.run_id, **how)
    assert run.wait() == "success"
    assert {row["status"] for row in reported(run)} == {"succeeded"}
    assert set(users) <= set(resources.users())


def test_a_dry_run_foresees_what_the_real_run_then_does(start, addresses, resources, aws, new_admin, reported):
    """Its tasks change nothing and ask nobody, with either engine; the conf in its mail does what it said."""
    users = addresses(60)
    resources.add_user(users[0])
    aws.reset()
    asked = [{"useremail": user} for user in [*users, "no-address"]]
    conf = {"data": asked, "existing_users": "complete", "dry_run": True}
    runs = [start(**conf, adminemail=new_admin(), engine=engine) for engine in ("mapped", "step_functions")]
    assert [run.wait() for run in runs] == ["success", "success"]
    changing = ("AdminCreate", "AdminAdd", "AdminUpdate", "AdminDelete")
    assert not [call for call in aws.calls() if call["operation"].startswith(changing)]
    for dry in runs:
        foreseen = [row["code"] for row in reported(dry)]
        assert foreseen == ["WouldComplete", *["WouldCreate"] * 59, "InvalidAddress"]
        note = dry.rest.run(DAG, dry.run_id)["note"]
        assert note.startswith("dry run, nothing was changed: 61 users: 59 would succeed, ")
    (mail,) = runs[0].mails()
    (conf,) = [line for line in mail["BodyText"].splitlines() if line.startswith("{")]
    real = start(**json.loads(conf))
    assert real.wait() == "success"
    assert [row["code"] for row in reported(real)] == ["Existed", *[""] * 59, "InvalidAddress"]


def test_missing_groups_are_created_for_a_request_that_says_so(start, addresses, resources, reported):
    """Without the key preflight names the group; with it the users are in it."""
    users = addresses(2)
    group = f"NEW-{users[0][9:15]}"
    data = [{"useremail": user, "groups": [group]} for user in users]
    refused = start(data=data)
    assert refused.wait() == "failed"
    assert group in refused.log("preflight")
    run = start(data=data, create_groups=True)
    assert run.wait() == "success"
    assert [row["status"] for row in reported(run)] == ["succeeded"] * 2
    assert {resources.users()[user].groups == {group} for user in users} == {True}


def test_few_users_are_one_task_each(start, addresses, new_admin, reported):
    """Each is visible in the grid under its place in the request; one task alone is a list of tasks, too.

    A user may be the address alone, beside others that are objects.
    """
    one, *three = addresses(4)
    lists = {
        ("user 1",): [one],
        ("user 1", "user 2", "user 3"): [three[0], *({"useremail": user} for user in three[1:])],
    }
    runs = {labels: start(data=data, adminemail=new_admin()) for labels, data in lists.items()}
    for labels, run in runs.items():
        assert run.wait() == "success"
        tasks = run.rest.task_instances(DAG, run.run_id, "process_users")
        assert tuple(task["rendered_map_index"] for task in tasks) == labels
        assert [row["status"] for row in reported(run)] == ["succeeded"] * len(labels)


def test_a_file_is_imported_like_data(start, addresses, resources, succeeded):
    """A CSV in S3 with Excel's habits gives the same as the users in the conf."""
    users = addresses(4)
    lines = ["useremail,given_name,groups", *(f'{user},"山田, 花子",' for user in users)]
    content = "\ufeff" + "\r\n".join(lines)
    resources.s3.put_object(Bucket=resources.bucket, Key="in/users.csv", Body=content.encode())
    run = start(source=f"s3://{resources.bucket}/in/users.csv")
    succeeded(run, users)
    kept = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=users[0])
    assert {"Name": "given_name", "Value": "山田, 花子"} in kept["UserAttributes"]


def test_outside_traffic_costs_time_and_no_user(start, addresses, aws, succeeded):
    """With 20 live calls a second in every quota, each throttled call is repeated and nobody fails."""
    users = addresses(100)
    aws.traffic(20)  # which leaves so little that a slow machine is throttled, too
    run = start(users)
    succeeded(run, users)
    assert aws.stats()["categories"]["UserUpdate"]["throttles"] > 0


def test_an_import_takes_all_that_a_raised_quota_leaves(vary, start, addresses, aws, admin, succeeded):
    """It begins with what CloudWatch says is free, and mail and log say what the pace was."""
    vary(pace="all", locale="en")
    aws.quotas(UserCreation=27, UserUpdate=27)
    for category in ("UserCreation", "UserUpdate"):
        names = {"Type": "API", "Service": "Cognito user pool", "Resource": category}
        dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
        datum = {"MetricName": "CallCount", "Dimensions": dimensions, "Value": 3_000.0}  # 10 a second
        datum["Timestamp"] = datetime.now(UTC) - timedelta(minutes=12)
        boto3.client("cloudwatch").put_metric_data(Namespace="AWS/Usage", MetricData=[datum])
    users = addresses(120)
    run = start(users)
    succeeded(run, users)
    log = run.log("preflight")
    assert "UserCreation: in the last 3 hours 0.3 calls a second were made on average, 10.0 in the busiest" in log
    assert "All is ready for 120 users, at most 24 calls a second in each category" in log
    (mail,) = run.mails(admin)
    assert re.search(
        r"Pace: \d+\.\d users a second, of at most 24 calls a second \(what the quota leaves\)", mail["BodyText"]
    )


def test_cells_pasted_into_the_form_are_imported(start, resources, addresses, reported, admin):
    """Tabs between the cells and no header: what somebody copies out of a spreadsheet without thinking about it."""
    first, second = addresses(2)
    run = start(lines=f"Sato\t{first}\r\nSuzuki\t{second}\r\n", jobtype="import", source=None, engine=None, data=None)
    assert run.wait() == "success"
    rows = reported(run)
    assert [(row["useremail"], row["status"], row["column 1"]) for row in rows] == [
        (first, "succeeded", "Sato"),
        (second, "succeeded", "Suzuki"),
    ]
    assert resources.users()[first].groups == {"BASIC"}
    (mail,) = run.mails(admin)
    assert f": {run.sandbox.airflow.url}/dags/cognito_import/runs/{quote(run.run_id, safe='')}\n" in mail["BodyText"]


BAD = {
    "line break": {"adminemail": "a@b.jp\nBcc: x@b.jp", "data": [{"useremail": "a@b.jp"}]},
    "'data' is an empty array": {"data": []},
    "'data', 'source' and 'lines' are all missing": {},
    "did you mean 'adminemail'": {"data": [{"useremail": "a@b.jp"}], "adminmail": "x@b.jp"},
    "no such object": {"source": "s3://BUCKET/none.csv"},
    "UTF-8": {"source": "s3://BUCKET/bad.csv"},
}
"""Requests that are wrong, by what is said of them."""


def test_a_bad_request_touches_nothing(start, resources, aws, new_admin):
    """The run fails at its first task with one message, no call is made, and the administrator hears why, if there is one."""
    resources.s3.put_object(Bucket=resources.bucket, Key="bad.csv", Body=b"useremail\n\xff\xfe\xfa\n")
    runs = {}
    for said, conf in BAD.items():
        source = {"source": conf["source"].replace("BUCKET", resources.bucket)} if "source" in conf else {}
        runs[said] = start(**{"adminemail": new_admin(), **conf, **source})
    for said, run in runs.items():
        assert run.wait() == "failed", said
        for task in ("read_request", "finish"):
            assert said in run.log(task).replace('\\"', '"').replace("\\'", "'")
        assert run.states("read_request") + run.states("report") == ["failed", "skipped"], said
        assert len(run.mails()) == ("adminemail" not in BAD[said]), said
    assert aws.calls() == []


@pytest.mark.parametrize(
    "conf", [{"data": "not an array"}, {"adminemail": None}, {"adminemail": "nobody"}, {"lines": 5}], ids=str
)
def test_what_the_trigger_form_can_check_is_refused_at_once(start, conf):
    """A conf that breaks the form's schema makes no run at all."""
    with pytest.raises(Exception, match="400"):
        start(**{"lines": "a@example.com", **conf})
    with pytest.raises(Exception, match="400"):
        start(jobtype="update", data=[{"useremail": "a@b.jp"}])


def test_preflight_touches_no_user_and_names_all_that_is_wrong(start, addresses, resources, aws, admin):
    """A missing group is found before the first call, and the run can go on when it is there."""
    users = addresses(2)
    run = start(data=[{"useremail": user, "groups": ["BASIC", "LATER"]} for user in users])
    assert run.wait() == "failed"
    assert "The group 'LATER'" in run.log("preflight").replace("\\'", "'")
    assert not any(call["operation"].startswith("Admin") for call in aws.calls())
    assert run.states("report") == ["skipped"]
    assert len(run.mails(admin)) == 1

    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName="LATER")
    run.rest.clear(DAG, run.run_id, ["preflight"], downstream=True)
    assert run.wait() == "success"
    assert len(run.mails(admin)) == 2
    assert {resources.users()[user].groups for user in users} == {frozenset({"BASIC", "LATER"})}
    resources.cognito.delete_group(UserPoolId=resources.user_pool_id, GroupName="LATER")


def test_a_missing_bucket_is_said_at_once(start, addresses, vary):
    """No retry makes a bucket: each task that needs it fails at its first attempt, and the last one says why."""
    vary(report_bucket="no-such-bucket-anywhere")
    run = start(addresses(1))
    assert run.wait() == "failed"
    for task in ("read_request", "finish"):
        assert [item["try_number"] for item in run.rest.task_instances(DAG, run.run_id, task)] == [1]
        assert "NoSuchBucket" in run.log(task)


def test_a_missing_pool_is_made(start, addresses, sandbox):
    """Airflow would let the tasks wait for ever; the run makes the pool and goes on."""
    sandbox.airflow.rest.request("DELETE", "pools/cognito_api")
    run = start(addresses(2))
    assert run.wait() == "success"
    assert sandbox.airflow.rest.pool("cognito_api")["slots"] == SLOTS
    log = (sandbox.airflow.logs / "components" / "scheduler.log").read_text()
    assert re.search("pool 'cognito_api' was missing", log.replace("\\'", "'"))
