"""A night: every file of the inbox is imported once and ends in its place, whatever is killed meanwhile."""

from __future__ import annotations

import json
import re
import time

import pytest
from tests.integration.conftest import SLOTS

from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name
from demo.sandbox import DAG, NIGHTLY
from demo.watch import fetch, link_in, rows_of
from sandbox.waiting import until


@pytest.fixture
def put(resources):
    """Put a file into the inbox."""

    def put(name, text):
        resources.s3.put_object(Bucket=resources.bucket, Key=f"inbox/{name}", Body=text.encode())

    return put


@pytest.fixture
def stored(resources):
    """Give the texts of all that lies in the inbox, by key below it."""

    def stored():
        listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="inbox/").get("Contents", ())
        texts = {}
        for item in listed:
            body = resources.s3.get_object(Bucket=resources.bucket, Key=item["Key"])["Body"].read()
            texts[item["Key"].removeprefix("inbox/")] = body.decode()
        return texts

    return stored


@pytest.fixture
def empty(resources, stored):
    """Leave the inbox empty."""
    yield
    for key in stored():
        resources.s3.delete_object(Bucket=resources.bucket, Key=f"inbox/{key}")


def csv(addresses):
    """Return a file of users."""
    return "\n".join(["useremail", *addresses]) + "\n"


def ten_files(users):
    """Ten files of 2,080 users: the users of each that has any, and the texts of all, by name."""
    groups = {
        "1-first.csv": users[:30],
        "2-many.csv": users[30:2_030],
        "3-array.json": users[2_030:2_040],
        "4-lines.jsonl": users[2_040:2_050],
        "5-twice.csv": users[2_050:2_060],
        "6-twice-again.csv": users[2_050:2_060],
        "hr/7-folder.csv": users[2_060:2_070],
        "社員 名簿.csv": users[2_070:2_080],
    }
    texts = {name: csv(group) for name, group in groups.items()}
    texts["3-array.json"] = json.dumps([{"useremail": address} for address in groups["3-array.json"]])
    texts["4-lines.jsonl"] = "".join(json.dumps({"useremail": one}) + "\n" for one in groups["4-lines.jsonl"])
    texts["8-broken.csv"] = 'useremail\n"a@example.com\n'
    texts["9-empty.csv"] = ""
    return groups, texts


def filed(name):
    """Return a filed file's name without the moment and the version in front."""
    return re.sub(r"\d{8}T\d{6}Z_[0-9a-f]{8}_", "", name)


def wait_for_outcomes(sandbox, run_id, count, seconds=300):
    """Wait until the run has `count` outcomes."""
    folder = RunFolder(sandbox.resources.s3, sandbox.resources.bucket, run_name(run_id))

    def found():
        return len(folder.progress().outcomes) if folder.manifest() else 0

    until(f"{count} outcomes", found, lambda seen: seen >= count, seconds=seconds, every=0.5)


def run_of(rest, name, before=frozenset(), seconds=120):
    """Wait until the night has started the run of a file, and return its id."""
    return until(name, lambda: [one for one in runs_of(rest) - before if name in one], seconds=seconds, every=0.5)[0]


def runs_of(rest):
    """Return the ids of the import runs that came from the inbox."""
    listed = rest.pages(f"dags/{DAG}/dagRuns", "dag_runs")
    return {run["dag_run_id"] for run in listed if "inbox-" in run["dag_run_id"]}


def test_an_empty_inbox_ends_quietly(sandbox, stored):
    """No file, no run of the import, no mail, and a night that is a success."""
    rest = sandbox.airflow.rest
    assert stored() == {}
    before = len(sandbox.aws.outbox()), runs_of(rest)
    run_id = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, run_id, seconds=120) == "success"
    assert (len(sandbox.aws.outbox()), runs_of(rest)) == before


def test_a_night_with_one_file_is_a_success(sandbox, put, stored, empty, addresses, resources):
    """Of a single mapped task Airflow hands over the result itself, not a list: such a night is like any other."""
    users = addresses(1)
    put("one.csv", csv(users))
    rest = sandbox.airflow.rest
    night = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, night, seconds=240) == "success"
    assert "Processed files: 1." in rest.log(NIGHTLY, night, "finish")
    assert {filed(name) for name in stored()} == {"processed/one.csv"}
    assert set(users) <= set(resources.users())


@pytest.mark.slow
def test_whom_a_night_cannot_invite_the_next_one_does(
    sandbox, vary, put, stored, empty, addresses, resources, aws, next_day
):
    """Cognito's own sender mails 50 a day: the others are left in the inbox as a file, once.

    The file's run has not attempted them, so it is no success, but there is nothing to do, so the night is one. Whoever
    clears the run the day after has nobody called for.
    """
    vary(invite=True)
    users = addresses(53)
    put("joiners.csv", csv(users))
    rest = sandbox.airflow.rest
    before = runs_of(rest)
    night = rest.trigger(NIGHTLY, {})
    run = run_of(rest, "joiners-csv", before)
    assert rest.wait(NIGHTLY, night, seconds=300) == "success"
    assert rest.run_state(DAG, run) == "failed"
    assert "There is nothing to do: they are left in the inbox" in rest.log(DAG, run, "finish")
    files = stored()
    (left,) = (name for name in files if not name.startswith("processed/"))
    assert re.fullmatch(r"joiners_rest_\w+\.csv", left)
    assert [user for user in users if user in files[left]] == users[50:]
    assert set(users) & set(resources.users()) == set(users[:50])
    next_day()
    rest.clear(DAG, run)
    assert rest.wait(DAG, run, seconds=300) == "failed"
    assert not {call["operation"] for call in aws.calls()} & {"AdminCreateUser", "AdminGetUser"}
    assert stored() == files
    assert rest.wait(NIGHTLY, rest.trigger(NIGHTLY, {}), seconds=300) == "success"
    assert set(users) <= set(resources.users())


def test_an_inbox_that_cannot_be_listed_is_no_success(sandbox, vary):
    """The night is red although its last task runs whatever happened before; what no retry changes is not tried again."""
    vary(inbox="s3://no-such-bucket-anywhere/inbox/")
    rest = sandbox.airflow.rest
    run_id = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, run_id, seconds=180) == "failed"
    assert "inbox was not listed" in rest.log(NIGHTLY, run_id, "finish")
    assert [item["try_number"] for item in rest.task_instances(NIGHTLY, run_id, "list_inbox")] == [1]


@pytest.mark.slow
def test_a_deletion_comes_last_and_waits(sandbox, resources, put, stored, empty, addresses, approver):
    """Imports do not wait for a deletion's approval; its file is archived once the deletion has ended.

    Two users stand in a file of joiners, too: the file that arrived last holds, although the imports went first.
    """
    users = addresses(3)
    for user in users:
        resources.add_user(user)
    new, again, gone = f"new-{users[0]}", users[1], f"gone-{users[0]}"
    put("earlier.csv", csv([gone]))
    time.sleep(1.1)  # S3 tells moments in whole seconds
    put("leavers/all.csv", csv([*users, gone]))
    time.sleep(1.1)
    put("joiners.csv", csv([new, again]))
    rest = sandbox.airflow.rest
    before = runs_of(rest)
    night = rest.trigger(NIGHTLY, {})
    # Imports come first, so the deletion's run is the last to be started.
    deletion = run_of(rest, "all-csv", before)
    assert [rest.run_state(DAG, one) for one in runs_of(rest) - before - {deletion}] == ["success"] * 2
    sandbox.airflow.wait_until_parked(DAG, deletion, "approve")
    assert "leavers/all.csv" in stored()
    # The admin started this night by hand, and Airflow hands that on to the runs that it starts.
    approver.answer(DAG, deletion, "approve", "Approve")
    assert rest.wait(NIGHTLY, night, seconds=240) == "success"
    assert "Processed files: 3." in rest.log(NIGHTLY, night, "finish")
    assert {filed(name) for name in stored()} == {
        *("processed/leavers/all.csv", "processed/joiners.csv", "processed/earlier.csv"),
    }
    assert set(resources.users()) & {*users, new, gone} == {new, again}
    folder = RunFolder(sandbox.resources.s3, sandbox.resources.bucket, run_name(deletion))
    (left,) = [outcome for outcome in folder.progress().outcomes.values() if outcome.code]
    assert (left.useremail, left.code) == (again, "ImportedSince")
    assert "joiners" in left.message


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_night_that_is_cut_twice(sandbox, aws, resources, put, stored, empty, addresses):
    """Ten files: each in its place, each imported once, one mail each, although the scheduler was killed twice."""
    users = addresses(2_080)
    groups, texts = ten_files(users)
    for name, text in texts.items():
        put(name, text)
    put("10-uploading.csv.part", "useremail\n")

    rest, airflow = sandbox.airflow.rest, sandbox.airflow
    before, mailed = runs_of(rest), len(aws.outbox())
    began = time.monotonic()
    night = rest.trigger(NIGHTLY, {})
    for count in (300, 1_200):
        wait_for_outcomes(sandbox, run_of(rest, "2-many", seconds=240), count)
        airflow.kill_component("scheduler")
        time.sleep(3)
        airflow.start_component("scheduler")
    # Two files failed, so the night is red, which is how an operator hears of it.
    assert rest.wait(NIGHTLY, night, seconds=900) == "failed"
    print(
        f"The night took {time.monotonic() - began:.0f} s; {len(users):,} users at pace take {len(users) / 20:.0f} s."
    )

    places = {filed(name): text for name, text in stored().items()}
    reasons = {name: places.pop(name) for name in ("failed/8-broken.csv.txt", "failed/9-empty.csv.txt")}
    assert places == {
        "10-uploading.csv.part": "useremail\n",
        "failed/8-broken.csv": texts["8-broken.csv"],
        "failed/9-empty.csv": "",
        "processed/hr/7-folder.csv": texts["hr/7-folder.csv"],
        **{f"processed/{name}": texts[name] for name in groups if not name.startswith("hr/")},
    }
    assert "quote that is not closed" in reasons["failed/8-broken.csv.txt"]
    assert "is empty" in reasons["failed/9-empty.csv.txt"]

    runs = runs_of(rest) - before
    assert len(runs) == 10
    mails = aws.outbox()[mailed:]
    assert [mail["To"] for mail in mails] == [[resources.admin]] * 10
    assert sum("処理できませんでした" in mail["Subject"] for mail in mails) == 2
    pool = resources.users()
    seen = []
    for mail in mails:
        if "処理できませんでした" in mail["Subject"]:
            continue
        rows = rows_of(fetch(link_in(mail)))
        seen.append([row["useremail"] for row in rows])
        codes = {row["code"] for row in rows}
        # The same content a second time is a file like any other; its users exist already.
        assert codes == ({"UsernameExistsException"} if seen.count(seen[-1]) == 2 else {""})
        for row in rows:
            if row["status"] == "succeeded":
                assert (pool[row["useremail"]].username, pool[row["useremail"]].groups) == (row["username"], {"BASIC"})
    assert sorted(seen) == sorted(groups.values())
    made, joined = (
        [call["username"] for call in aws.calls() if call["operation"] == operation and not call["code"]]
        for operation in ("AdminCreateUser", "AdminAddUserToGroup")
    )
    assert len(made) == len(set(made)) == len(users)
    # A user whom a killed worker was just adding to its group is finished by another: one in each slot for each cut.
    assert len(users) <= len(joined) <= len(users) + 2 * SLOTS

    # The night again, as an impatient operator would: nothing is left to do, and nothing is done.
    aws.reset()
    again = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, again, seconds=120) == "success"
    assert (aws.calls(), len(aws.outbox()), runs_of(rest) - before) == ([], mailed + 10, runs)
