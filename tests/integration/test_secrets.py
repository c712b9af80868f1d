"""Secrets, links and addresses stay where they belong."""

import json

import boto3
import pytest
import sqlalchemy

from demo.sandbox import DAG, NIGHTLY
from demo.watch import link_in
from sandbox.waiting import until

BY_NATURE = ("dag_run", "log", "hitl_detail", "hitl_detail_history")
"""The tables of Airflow that hold whole confs, and the question that a deletion asks."""


@pytest.fixture
def source(resources):
    """Store a list of users in S3, and return its address."""

    def source(key, addresses):
        resources.s3.put_object(
            Bucket=resources.bucket, Key=key, Body="\n".join(["useremail", *addresses, ""]).encode()
        )
        return f"s3://{resources.bucket}/{key}"

    return source


def in_logs(sandbox):
    """Return the logs of all tasks and of Airflow's components, and of the function."""
    found = {str(path): path.read_text(errors="replace") for path in sandbox.airflow.logs.rglob("*") if path.is_file()}
    logs = boto3.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        found[group["logGroupName"]] = "\n".join(event["message"] for page in pages for event in page["events"])
    return found


def in_database(sandbox):
    """Return all rows of Airflow's database, by table: XComs, rendered fields, confs, the audit log."""
    engine = sqlalchemy.create_engine(sandbox.airflow.environment()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    found = {}
    with engine.connect() as connection:
        for table in sqlalchemy.inspect(engine).get_table_names():
            rows = connection.execute(sqlalchemy.text(f'SELECT t::text FROM "{table}" AS t'))  # noqa: S608 - its own names
            found[table] = "\n".join(row for (row,) in rows)
    engine.dispose()
    assert {*BY_NATURE, "xcom", "rendered_task_instance_fields", "task_instance"} <= found.keys()
    return found


def in_history(arn):
    """Return all that Step Functions keeps of an execution: input, output, cause, and each event with its data."""
    states = boto3.client("stepfunctions")
    events = states.get_paginator("get_execution_history").paginate(executionArn=arn).build_full_result()
    return {arn: json.dumps([states.describe_execution(executionArn=arn), events], default=str)}


def naming(places, words):
    """Return the places that hold one of the words, each with the word."""
    return [(place, word) for place, text in places.items() for word in words if word.lower() in text.lower()]


def break_everything(aws, users, quoting):
    """Have Cognito lose answers and SES refuse mails, both quoting addresses, and refuse `users` for all users' sake."""
    for user in users:
        denied = f"User {user} is not authorized to perform: cognito-idp:AdminCreateUser"
        aws.fault("AdminCreateUser", code="AccessDeniedException", message=denied, username=user, times=1)
    for operation in ("AdminAddUserToGroup", "AdminDeleteUser"):
        aws.fault(operation, "error_after", message=quoting, times=None, probability=0.3)
    aws.fault("SendEmail", service="ses", code="MessageRejected", message=quoting, times=3)


@pytest.mark.slow
def test_no_secret_and_no_address_is_left_anywhere(
    approver, start, addresses, source, sandbox, resources, aws, admin, settings_password
):
    """Password, link and keys are nowhere, addresses only where a request or a question holds them, whatever fails.

    Imports by both engines, deletions by both, and a night, while Cognito loses answers, S3 and SES fail and
    all three of them quote addresses. Two imports end with an error that every user would meet.
    """
    rest, variable = sandbox.airflow.rest, json.loads(sandbox.airflow.environment()["AIRFLOW_VAR_COGNITO_IMPORT"])
    machine = variable["state_machine_arn"]
    everybody = addresses(57)
    given, mapped, machined = everybody[:3], everybody[3:23], everybody[23:43]
    deleted, joiners, leavers = everybody[43:49], everybody[49:53], everybody[53:57]
    for address in (*deleted, *leavers):
        resources.add_user(address)
    source("inbox/joiners.csv", joiners)
    source("inbox/leavers/secrets.csv", leavers)

    quoting = f"Something is wrong with {everybody[5]} and {admin}."
    break_everything(aws, (mapped[4], machined[4]), quoting)
    runs = {
        "given": start(given),
        "mapped": start(source=source("in/mapped.csv", mapped)),
        "machined": start(source=source("in/machined.csv", machined), engine="step_functions"),
        "deleted": start(source=source("in/leavers.csv", deleted), jobtype="delete", engine="step_functions"),
    }
    night = rest.trigger(NIGHTLY, {})
    runs["mapped"].wait_for_calls(20)
    aws.outage("s3", 12, message=quoting)

    def of_the_night():
        listed = rest.pages(f"dags/{DAG}/dagRuns", "dag_runs")
        return [run["dag_run_id"] for run in listed if "secrets-csv" in run["dag_run_id"]]

    for run_id in (runs["deleted"].run_id, *until("the night's runs", of_the_night, seconds=240, every=1)):
        sandbox.airflow.wait_until_parked(DAG, run_id, "approve")
        approver.answer(DAG, run_id, "approve", "Approve")
    ended = {name: run.wait() for name, run in runs.items()}
    assert ended == {"given": "success", "mapped": "failed", "machined": "failed", "deleted": "success"}
    assert rest.wait(NIGHTLY, night, seconds=240) == "success"

    of_machine = machine.replace(":stateMachine:", ":execution:")
    histories = {}
    for name in ("machined", "deleted"):
        histories |= in_history(f"{of_machine}:{runs[name].folder.run}")
    logs, database = in_logs(sandbox), in_database(sandbox)
    assert len(logs) > 10
    met = "is not authorized to perform: cognito-idp:AdminCreateUser"
    assert [any(met in text for text in places.values()) for places in (logs, histories)] == [True, True]
    links = [link_in(mail) for mail in aws.outbox() if admin in mail["To"] and "X-Amz-Signature=" in mail["BodyText"]]
    assert len(links) >= 4
    signatures = [link.partition("X-Amz-Signature=")[2].partition("&")[0] for link in links]
    connection = sandbox.airflow.environment()[f"AIRFLOW_CONN_{variable['link_conn_id'].upper()}"]
    key = json.loads(connection)["password"]
    secrets = [settings_password, key, "X-Amz-Signature=", "AWS_SECRET_ACCESS_KEY=", *signatures]
    assert naming({**logs, **database, **histories}, secrets) == []

    assert naming(logs, [*everybody, admin]) == []
    assert (
        naming({table: text for table, text in database.items() if table not in BY_NATURE}, [*everybody, admin]) == []
    )
    # What a file named is in no conf. A question shows five users at most, and `data` is a conf's own.
    confs, questions = ({table: database[table] for table in tables} for tables in (BY_NATURE[:2], BY_NATURE[2:]))
    assert {word for _, word in naming(confs, everybody)} <= {*given}
    assert {word for _, word in naming(questions, everybody)} <= {*deleted[:5], *leavers}
    assert naming(histories, [*everybody, admin]) == []
