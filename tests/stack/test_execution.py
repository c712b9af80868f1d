"""What an execution of the deployed state machine makes of a request, a fault and an end in the middle."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.report.reasons import Reasons
from cognito_import.report.rows import all_outcomes
from cognito_import.run.folder import INVITED, RunFolder
from sandbox.aws.process import LocalAws
from sandbox.waiting import until

ADMIN = "admin@example.com"
Users = Callable[[int], list[dict[str, Any]]]


def creations(aws: LocalAws) -> Counter[str]:
    """Return how often each address was created."""
    return Counter(
        call["username"] for call in aws.calls() if call["operation"] == "AdminCreateUser" and not call["code"]
    )


def outcomes(machine: Any, run: str) -> list[Any]:
    """Return the outcomes of a run, in the request's order."""
    folder = RunFolder(machine.s3, machine.variable["report_bucket"], run)
    return list(all_outcomes(folder, folder.required_manifest()))


def test_plain_request_creates_users_in_their_group_and_mails_the_report(
    machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """An application starts an execution with the request alone and gets users, groups, CSV and mail."""
    users = addresses(3)
    before = len(aws.outbox())
    ended = machine.run({"data": users, "adminemail": ADMIN})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert {user["useremail"] for user in users} <= machine.members().keys()
    output = json.loads(ended["output"])
    assert output["counts"]["succeeded"] == 3
    stored = machine.s3.get_object(Bucket=machine.variable["report_bucket"], Key=output["csv_key"])["Body"].read()
    assert [row["status"] for row in csv.DictReader(io.StringIO(stored.decode("utf-8-sig")))] == ["succeeded"] * 3
    (mail,) = aws.outbox()[before:]
    assert ADMIN in mail["To"]


def test_a_dry_run_looks_everybody_up_and_changes_nobody(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The function does it, without a Map, and the report has what would happen; a deletion alike."""
    users = addresses(60)
    machine.make(users[:2])
    for jobtype, code, others in (
        ("import", "UsernameExistsException", "WouldCreate"),
        ("delete", "WouldDelete", "UserNotFoundException"),
    ):
        aws.reset()
        ended = machine.run({"data": users, "adminemail": ADMIN, "jobtype": jobtype, "dry_run": True})
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
        output = json.loads(ended["output"])
        stored = machine.s3.get_object(Bucket=machine.variable["report_bucket"], Key=output["csv_key"])["Body"].read()
        codes = [row["code"] for row in csv.DictReader(io.StringIO(stored.decode("utf-8-sig")))]
        assert codes == [code] * 2 + [others] * 58
        assert Counter(call["operation"] for call in aws.calls())["AdminGetUser"] == 60
        assert not [call for call in aws.calls() if call["operation"].startswith(("AdminCreate", "AdminDelete"))]


def test_wrong_request_fails_with_one_message_before_any_user(machine: Any, aws: LocalAws) -> None:
    """What is wrong with the request ends the execution before any call, and the cause names the key."""
    ended = machine.run({"data": [{"useremail": "a@example.com"}], "adminmail": ADMIN})
    assert (ended["status"], ended["error"]) == ("FAILED", "RequestError")
    assert "'adminmail' is not a key of a request" in json.loads(ended["cause"])["errorMessage"]
    assert not creations(aws)


def test_both_engines_agree_on_every_row(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The same users, good and bad, come out alike from both engines but for the generated usernames."""

    def users() -> list[dict[str, Any]]:
        made = addresses(7)
        made[1]["attributes"] = {"given_name": "花子", "custom:plan": "gold"}
        made[2]["groups"] = ["BASIC", "VIP"]
        made[3]["groups"] = []
        made[4]["attributes"] = {"custom:unheard": "x"}
        made[5].update(enabled=False, email_verified=False, groups=[])
        made[6].update(enabled=False, groups=["BASIC", "VIP"])
        return [
            *made,
            {"useremail": "not an address"},
            {"useremail": made[0]["useremail"].upper()},
            {"useremail": taken},
        ]

    taken = addresses(1)[0]["useremail"]
    machine.cognito.admin_create_user(UserPoolId=machine.pool, Username=taken, MessageAction="SUPPRESS")
    by_machine = machine.filled(users())
    ended = machine.run({"run": by_machine.run, "report": False})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")

    by_worker = machine.filled(users())
    settings = machine.settings(pacing_seconds=0.001)
    manifest = by_worker.required_manifest()
    pool = UserPool(machine.cognito, settings, Pacer(settings.pacing_seconds))
    for batch in manifest.batches:
        run_batch(by_worker, batch, pool)

    def told(folder: RunFolder) -> list[tuple[Any, ...]]:
        rows = outcomes(machine, folder.run)
        return [(row.row, row.status, row.message, row.code, bool(row.username)) for row in rows]

    assert told(by_machine) == told(by_worker)
    assert {row[3] for row in told(by_machine)} >= {"", "UsernameExistsException", "InvalidAddress", "DuplicateAddress"}
    assert len(told(by_machine)) == 10
    pages = machine.cognito.get_paginator("list_users").paginate(UserPoolId=machine.pool)
    enabled = {user["Username"]: user["Enabled"] for page in pages for user in page["Users"]}
    for folder in (by_machine, by_worker):
        made = [row for row in outcomes(machine, folder.run) if row.status == "succeeded"]
        assert {row.row for row in made if not enabled[row.username]} == {6, 7}


def test_throttles_and_faults_are_repeated_and_are_no_result(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Throttling and a service's faults are retried until the call succeeds."""
    aws.fault("AdminCreateUser", code="TooManyRequestsException", message="Rate exceeded", times=2)
    aws.fault("AdminCreateUser", code="InternalErrorException", message="Sorry", status=500, times=1)
    aws.fault("AdminAddUserToGroup", code="TooManyRequestsException", message="Rate exceeded", times=2)
    folder = machine.filled(addresses(3))
    assert machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    assert [outcome.status for outcome in outcomes(machine, folder.run)] == ["succeeded"] * 3


def test_user_made_by_a_call_whose_answer_was_lost_is_finished(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A user that exists because the first attempt made it is the run's own, and joins its group."""
    users = addresses(1)
    aws.fault("AdminCreateUser", "drop_after")
    folder = machine.filled(users)
    assert machine.run({"run": folder.run, "report": False})["status"] == "SUCCEEDED"
    (outcome,) = outcomes(machine, folder.run)
    assert outcome.status == "succeeded"
    assert machine.members()[users[0]["useremail"]] == outcome.username


def test_error_of_all_users_stops_the_calls_and_is_reported(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """A group that is gone ends every batch; the report goes out, then the execution fails.

    Each child has created its second user when the first one's membership is denied. Both exist and lack the group, so
    they are told apart from those whom no call reached.
    """
    aws.fault("AdminAddUserToGroup", code="ResourceNotFoundException", message="Group not found.", times=1000)
    users = addresses(60)
    before = len(aws.outbox())
    ended = machine.run({"data": users, "adminemail": ADMIN})
    assert (ended["status"], ended["error"]) == ("FAILED", "IncompleteRunError")
    assert "Group not found." in ended["cause"]
    run = ended["cause"].partition("Run ")[2].partition(" ")[0]
    told = outcomes(machine, run)
    assert {row.useremail for row in told if row.code == "Interrupted"} == set(creations(aws))
    assert {row.useremail for row in told if row.code == "NotAttempted"} == {row.useremail for row in told} - set(
        creations(aws)
    )
    assert 1 <= len(creations(aws)) <= 40
    assert all("Group not found." in row.message for row in told)
    assert len(aws.outbox()) == before + 1
    aws.clear_faults()
    # Once the cause is fixed, an execution as the CSV advises in either language finishes all of them and creates nobody twice.
    advised = {
        re.search(r"\{.*?\}", Reasons(locale, run, way="execution").told(row).message)[0]  # type: ignore[index]
        for locale in ("en", "ja")
        for row in told
    }
    assert [json.loads(advice) for advice in advised] == [{"run": run}]
    assert machine.run(json.loads(advised.pop()))["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in outcomes(machine, run)} == {"succeeded"}
    assert set(creations(aws).values()) == {1}


def test_users_beyond_the_days_invitations_are_not_attempted_until_another_day(
    machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """Cognito's own sender mails 50 a day: an execution that continues the run on another day invites the others."""
    users = addresses(52)
    ended = machine.run({"data": users, "adminemail": ADMIN, "invite": True})
    assert (ended["status"], ended["error"]) == ("FAILED", "IncompleteRunError")
    assert "50 invitations a day" in ended["cause"]
    run = ended["cause"].partition("Run ")[2].partition(" ")[0]
    assert [row.code for row in outcomes(machine, run)] == [""] * 50 + ["NotAttempted"] * 2
    assert machine.run({"run": run})["status"] == "FAILED"
    assert len(creations(aws)) == 50
    bucket = machine.variable["report_bucket"]
    for item in machine.s3.list_objects_v2(Bucket=bucket, Prefix=INVITED)["Contents"]:
        machine.s3.delete_object(Bucket=bucket, Key=item["Key"])
    aws.reset()  # so that it is another day for Cognito, too
    assert machine.run({"run": run})["status"] == "SUCCEEDED"
    assert set(creations(aws)) == {user["useremail"] for user in users[50:]}


@pytest.mark.slow
@pytest.mark.parametrize("continued", ["redrive", "new"])
def test_aborted_execution_is_continued_without_repeating_anybody(
    machine: Any, aws: LocalAws, addresses: Users, continued: str
) -> None:
    """After an abort in the middle, a redrive or another execution on the same run finishes it.

    What the report says right after the abort is true: whom a child had, nobody knows of; the others were not attempted.
    """
    folder = machine.filled(addresses(200))
    arn = machine.start({"run": folder.run, "report": False})
    until("40 users", lambda: len(creations(aws)), lambda seen: seen >= 40, every=0.05)
    machine.states.stop_execution(executionArn=arn)
    told = {outcome.code for outcome in outcomes(machine, folder.run)}
    assert told <= {"", "Interrupted", "NotAttempted"}
    if continued == "redrive":
        machine.states.redrive_execution(executionArn=arn)
    else:
        arn = machine.start({"run": folder.run, "report": False})
    assert machine.wait(arn)["status"] == "SUCCEEDED"
    assert {outcome.status for outcome in outcomes(machine, folder.run)} == {"succeeded"}
    assert set(creations(aws).values()) == {1}
    assert {outcome.useremail for outcome in outcomes(machine, folder.run)} <= machine.members().keys()


def test_report_that_cannot_be_mailed_fails_and_is_redriven(
    hurried_machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """A report is never swallowed; a redrive mails it without touching a user."""
    aws.fault("SendEmail", service="ses", code="MessageRejected", message="No.", times=1000)
    ended = hurried_machine.run({"data": addresses(1), "adminemail": ADMIN})
    assert (ended["status"], ended["error"]) == ("FAILED", "ReportError")
    aws.clear_faults()
    before, calls = len(aws.outbox()), len(aws.calls())
    hurried_machine.states.redrive_execution(executionArn=ended["executionArn"])
    assert hurried_machine.wait(ended["executionArn"])["status"] == "SUCCEEDED"
    assert (len(aws.outbox()), len(aws.calls())) == (before + 1, calls)


def test_report_goes_to_the_address_that_another_execution_names(
    hurried_machine: Any, aws: LocalAws, addresses: Users
) -> None:
    """SES does not take the address; another execution of the run corrects it, and touches no user."""
    aws.fault("SendEmail", service="ses", code="MessageRejected", message="No.", times=1000)
    ended = hurried_machine.run({"data": addresses(2), "adminemail": ADMIN})
    assert ended["error"] == "ReportError"
    told = json.loads(ended["cause"])["errorMessage"]
    given = json.loads(told.partition("Start an execution with ")[2].removesuffix("."))
    aws.clear_faults()
    ended = hurried_machine.run({**given, "adminemail": "other@example.com"})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert [mail["To"] for mail in aws.outbox() if "other@example.com" in mail["To"]] == [["other@example.com"]]
    assert list(creations(aws).values()) == [1, 1]


def test_history_does_not_grow_with_the_users(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """The parent's history has as many events for a hundred users as for one, and attributes fill no payload."""
    lengths = set()
    for count in (1, 100):
        users = addresses(count)
        for user in users:
            user["attributes"] = {"profile": "長" * 600}
        ended = machine.run({"run": machine.filled(users).run, "report": False})
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
        history = machine.states.get_execution_history(executionArn=ended["executionArn"], maxResults=1000)
        lengths.add(len(history["events"]))
    assert len(lengths) == 1
    assert max(lengths) < 100
    assert 0 < aws.stats()["step_functions"]["largest_payload"] < 256 * 1024


def test_list_can_be_run_again_until_it_is_true(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Users who exist join the groups that they lack and get their attributes, new ones are created; then nothing is left."""
    users = [{**user, "attributes": {"given_name": "花子"}, "groups": ["BASIC", "VIP"]} for user in addresses(4)]
    names = machine.make(users[:3])
    time.sleep(3)  # nobody can tell a user who was made in the same second from our own
    folder = machine.filled(users, existing_users="complete")
    ended = machine.run({"run": folder.run, "report": False})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    told = [(one.status, one.code, one.message) for one in outcomes(machine, folder.run)]
    changed = ("succeeded", "Existed", "Existed already; joined VIP; updated given_name.")
    assert told == [changed] * 3 + [("succeeded", "", "-")]
    assert [one.username for one in outcomes(machine, folder.run)][:3] == names
    assert {user["useremail"] for user in users} <= machine.members("VIP").keys()
    aws.reset()
    again = machine.filled(users, existing_users="complete")
    assert machine.run({"run": again.run, "report": False})["status"] == "SUCCEEDED"
    assert {(one.code, one.message) for one in outcomes(machine, again.run)} == {("Existed", "Existed already.")}
    changes = {"AdminAddUserToGroup", "AdminUpdateUserAttributes"}
    assert not changes & {call["operation"] for call in aws.calls()}


def test_execution_creates_the_groups_that_are_missing(machine: Any, aws: LocalAws, addresses: Users) -> None:
    """Where the request asks for it; the users are in them."""
    users = addresses(2)
    group = f"NEW-{users[0]['useremail'][8:16]}"
    data = [{**user, "groups": ["BASIC", group]} for user in users]
    ended = machine.run({"data": data, "adminemail": ADMIN, "create_groups": True, "report": False})
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert {user["useremail"] for user in users} == machine.members(group).keys()


def test_execution_uses_what_a_raised_quota_leaves(
    machine: Any, deployed: Any, aws: LocalAws, addresses: Users
) -> None:
    """With the parameter Pace at all there is a child for each call a second that is free, and a batch for each child."""
    functions: Any = boto3.client("lambda")
    name = f"cognito-import-{deployed[0].suffix}"
    usual = functions.get_function_configuration(FunctionName=name)["Environment"]
    settings = json.loads(usual["Variables"]["COGNITO_IMPORT"]) | {"pace": "all"}
    changed = {"Variables": usual["Variables"] | {"COGNITO_IMPORT": json.dumps(settings)}}
    aws.quotas(UserUpdate=27)
    before = len(aws.outbox())
    users = addresses(44)
    functions.update_function_configuration(FunctionName=name, Environment=changed)
    try:
        arn = machine.start({"data": users, "adminemail": ADMIN})
        ended = machine.wait(arn)
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=usual)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert {user["useremail"] for user in users} <= machine.members().keys()
    history = machine.states.get_paginator("get_execution_history").paginate(executionArn=arn).build_full_result()
    assert re.search(r'"slots\\*": ?24\b', json.dumps(history, default=str))
    folder = RunFolder(machine.s3, machine.variable["report_bucket"], json.loads(ended["output"])["run"])
    assert len(folder.required_manifest().batches) == 44
    (mail,) = aws.outbox()[before:]
    assert "of at most 24 calls a second (what the quota leaves)" in mail["BodyText"]
