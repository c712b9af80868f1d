"""Imports on real Airflow: what goes right, and what the request or AWS makes go wrong."""

import re

import pytest

from cognito_import.pacing import DEFAULT_QUOTAS
from demo.stage import DAG


def test_an_import_ends_with_one_true_outcome_for_every_user(
    start, addresses, ground, aws, admin, reported, truth, stage
):
    """CSV, pool and mail agree; results that are a user's own do not fail the run; the quotas are kept."""
    users = addresses(60)
    ground.add_user(users[2])
    asked = [*users[:10], "no-address", users[0].upper(), *users[10:]]
    aws.reset()
    run = start(asked)
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
    categories = aws.stats()["categories"]
    for name in ("UserCreation", "UserResourceUpdate"):
        assert categories[name]["throttles"] == 0
        assert categories[name]["peak"] <= DEFAULT_QUOTAS[name]

    instances = run.rest.task_instances(DAG, run.run_id, "process_users")
    assert len(instances) == 20
    assert instances[0]["rendered_map_index"] == "users 1-3"
    assert instances[-1]["rendered_map_index"] == "users 60-62"
    # The users themselves are in the run folder alone.
    for task_id, index in [("read_request", -1), ("preflight", -1), ("report", -1), ("process_users", 0)]:
        assert "@example.com" not in str(run.rest.xcom(DAG, run.run_id, task_id, map_index=index))
    assert {instance["pool"] for instance in instances} == {"cognito_api"}
    assert stage.airflow.rest.import_errors() == {}


def test_few_users_are_one_task_each(start, addresses, reported):
    """Each is visible in the grid under its place in the request."""
    users = addresses(3)
    run = start(users)
    assert run.wait() == "success"
    labels = [item["rendered_map_index"] for item in run.rest.task_instances(DAG, run.run_id, "process_users")]
    assert labels == ["user 1", "user 2", "user 3"]
    assert [row["status"] for row in reported(run)] == ["succeeded"] * 3


def test_a_file_is_imported_like_data(start, addresses, ground, reported, truth):
    """A CSV in S3 with Excel's habits gives the same as the users in the conf."""
    users = addresses(4)
    lines = ["useremail,given_name,groups", *(f'{user},"山田, 花子",' for user in users)]
    content = "\ufeff" + "\r\n".join(lines)
    ground.s3.put_object(Bucket=ground.bucket, Key="in/users.csv", Body=content.encode())
    run = start(source=f"s3://{ground.bucket}/in/users.csv")
    assert run.wait() == "success"
    truth(reported(run), users)
    kept = ground.cognito.admin_get_user(UserPoolId=ground.user_pool_id, Username=users[0])
    assert {"Name": "given_name", "Value": "山田, 花子"} in kept["UserAttributes"]


def test_outside_traffic_costs_time_and_no_user(start, addresses, aws, reported, truth):
    """With 40% of every quota taken by live traffic, each throttled call is repeated and nobody fails."""
    users = addresses(200)
    aws.traffic(0.4)
    run = start(users)
    assert run.wait() == "success"
    rows = reported(run)
    truth(rows, users)
    assert {row["status"] for row in rows} == {"succeeded"}
    assert aws.stats()["categories"]["UserResourceUpdate"]["throttles"] > 0


BAD = [
    pytest.param(
        {"adminemail": None, "data": [{"useremail": "a@example.com"}]}, "'adminemail' is missing", id="no-admin"
    ),
    pytest.param(
        {"adminemail": "a@b.jp\nBcc: x@b.jp", "data": [{"useremail": "a@b.jp"}]}, "line break", id="line-break"
    ),
    pytest.param({"data": []}, "'data' is an empty array", id="data-empty"),
    pytest.param({}, "'data' and 'source' are both missing", id="data-missing"),
    pytest.param(
        {"data": [{"useremail": "a@b.jp"}], "adminmail": "x@b.jp"}, "did you mean 'adminemail'", id="unknown-key"
    ),
    pytest.param({"source": "s3://BUCKET/none.csv"}, "no such object", id="source-missing"),
    pytest.param({"source": "s3://BUCKET/bad.csv"}, "Shift_JIS", id="source-shift-jis"),
]


@pytest.mark.parametrize(("conf", "words"), BAD)
def test_a_bad_request_touches_nothing(start, ground, aws, admin, conf, words):
    """The run fails at its first task with one message, no call is made, no mail goes out."""
    ground.s3.put_object(Bucket=ground.bucket, Key="bad.csv", Body="useremail,name\na@b.jp,日本\n".encode("cp932"))
    if "source" in conf:
        conf = {"source": conf["source"].replace("BUCKET", ground.bucket)}
    run = start(**conf)
    assert run.wait() == "failed"
    assert words in run.log("read_request").replace('\\"', '"').replace("\\'", "'")
    assert run.states("read_request") == ["failed"]
    assert aws.calls() == []
    assert run.mails(admin) == []


def test_what_the_trigger_form_can_check_is_refused_at_once(start):
    """A conf that breaks the form's schema makes no run at all."""
    with pytest.raises(Exception, match="400"):
        start(data="not an array")
    with pytest.raises(Exception, match="400"):
        start(jobtype="update", data=[{"useremail": "a@b.jp"}])


def test_preflight_touches_no_user_and_names_all_that_is_wrong(start, addresses, ground, aws):
    """A missing group is found before the first call, and the run can go on when it is there."""
    users = addresses(2)
    run = start(data=[{"useremail": user, "groups": ["BASIC", "LATER"]} for user in users])
    assert run.wait() == "failed"
    assert "The group 'LATER' does not exist" in run.log("preflight").replace("\\'", "'")
    assert not any(call["operation"].startswith("Admin") for call in aws.calls())
    assert run.states("report") == ["skipped"]

    ground.cognito.create_group(UserPoolId=ground.user_pool_id, GroupName="LATER")
    run.rest.clear(DAG, run.run_id, ["preflight"], downstream=True)
    assert run.wait() == "success"
    assert {ground.users()[user].groups for user in users} == {frozenset({"BASIC", "LATER"})}
    ground.cognito.delete_group(UserPoolId=ground.user_pool_id, GroupName="LATER")


def test_a_missing_pool_is_made(start, addresses, stage, reported):
    """Airflow would let the tasks wait for ever; the run makes the pool and goes on."""
    stage.airflow.rest.request("DELETE", "pools/cognito_api")
    run = start(addresses(2))
    assert run.wait() == "success"
    assert stage.airflow.rest.pool("cognito_api")["slots"] == 20
    log = (stage.airflow.logs / "components" / "scheduler.log").read_text()
    assert re.search("pool 'cognito_api' was missing", log.replace("\\'", "'"))
