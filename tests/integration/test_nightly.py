"""A night: every file of the inbox is imported once and ends in its place, whatever is killed meanwhile."""

from __future__ import annotations

import json
import re
import time

import pytest

from cognito_import.run_folder import RunFolder, run_name
from demo.stage import DAG, NIGHTLY
from demo.watch import fetch, link_in, rows_of


@pytest.fixture
def put(ground):
    """Put a file into the inbox."""

    def put(name, text):
        ground.s3.put_object(Bucket=ground.bucket, Key=f"inbox/{name}", Body=text.encode())

    return put


@pytest.fixture
def stored(ground):
    """Give the texts of all that lies in the inbox, by key below it."""

    def stored():
        listed = ground.s3.list_objects_v2(Bucket=ground.bucket, Prefix="inbox/").get("Contents", ())
        texts = {}
        for item in listed:
            body = ground.s3.get_object(Bucket=ground.bucket, Key=item["Key"])["Body"].read()
            texts[item["Key"].removeprefix("inbox/")] = body.decode()
        return texts

    return stored


def csv(addresses):
    """A file of users."""
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
    """A filed file's name without the moment and the version in front."""
    return re.sub(r"\d{8}T\d{6}Z_[0-9a-f]{8}_", "", name)


def wait_for_outcomes(stage, run_id, count, seconds=300):
    """Wait until the run has so many outcomes."""
    folder = RunFolder(stage.ground.s3, stage.ground.bucket, run_name(DAG, run_id))
    until = time.monotonic() + seconds
    while (found := len(folder.known().outcomes) if folder.manifest() else 0) < count:
        assert time.monotonic() < until, f"{found} of {count} outcomes after {seconds} s"
        time.sleep(0.5)


def runs_of(rest):
    """The ids of the import runs that came from the inbox."""
    listed = rest.pages(f"dags/{DAG}/dagRuns", "dag_runs")
    return {run["dag_run_id"] for run in listed if "inbox__" in run["dag_run_id"]}


def test_an_empty_inbox_ends_quietly(stage, stored):
    """No file, no run of the import, no mail, and a night that is a success."""
    rest = stage.airflow.rest
    assert stored() == {}
    before = len(stage.aws.outbox()), runs_of(rest)
    run_id = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, run_id, seconds=120) == "success"
    assert (len(stage.aws.outbox()), runs_of(rest)) == before


def test_an_inbox_that_cannot_be_listed_is_no_success(stage, vary):
    """The night is red although its last task runs whatever happened before."""
    vary(inbox="s3://no-such-bucket-anywhere/inbox/")
    rest = stage.airflow.rest
    run_id = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, run_id, seconds=180) == "failed"
    assert "inbox was not listed" in rest.log(NIGHTLY, run_id, "finish")


def test_a_deletion_comes_last_and_waits(stage, ground, put, stored, addresses):
    """Imports do not wait for a deletion's approval; its file is filed away once the deletion has ended."""
    users = addresses(3)
    for user in users:
        ground.add_user(user)
    put("leavers/all.csv", csv(users))
    put("joiners.csv", csv([f"new-{users[0]}"]))
    rest = stage.airflow.rest
    before = runs_of(rest)
    night = rest.trigger(NIGHTLY, {})
    until = time.monotonic() + 120
    # Imports come first, so the deletion's run is the last to be started.
    while not (deletions := [one for one in runs_of(rest) - before if "all-csv" in one]):
        assert time.monotonic() < until
        time.sleep(0.5)
    (deletion,) = deletions
    assert [rest.run_state(DAG, one) for one in runs_of(rest) - before - {deletion}] == ["success"]
    stage.airflow.wait_until_parked(DAG, deletion, "approve_deletion")
    assert "leavers/all.csv" in stored()
    rest.answer(DAG, deletion, "approve_deletion", "Approve")
    assert rest.wait(NIGHTLY, night, seconds=240) == "success"
    assert {filed(name) for name in stored()} == {"processed/leavers/all.csv", "processed/joiners.csv"}
    assert set(ground.users()) & {*users, f"new-{users[0]}"} == {f"new-{users[0]}"}
    for key in stored():
        ground.s3.delete_object(Bucket=ground.bucket, Key=f"inbox/{key}")


@pytest.mark.timeout(1500)
def test_a_night_that_is_cut_twice(stage, aws, ground, put, stored, addresses):
    """Ten files: each in its place, each imported once, one mail each, although the scheduler was killed twice."""
    users = addresses(2_080)
    groups, texts = ten_files(users)
    for name, text in texts.items():
        put(name, text)
    put("10-uploading.csv.part", "useremail\n")

    rest, airflow = stage.airflow.rest, stage.airflow
    before, mailed = runs_of(rest), len(aws.outbox())
    began = time.monotonic()
    night = rest.trigger(NIGHTLY, {})
    for count in (300, 1_200):
        until = time.monotonic() + 240
        while not (many := [run_id for run_id in runs_of(rest) if "2-many" in run_id]):
            assert time.monotonic() < until
            time.sleep(0.5)
        wait_for_outcomes(stage, many[0], count)
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
    assert [mail["To"] for mail in mails] == [[ground.admin]] * 10
    assert sum("処理できませんでした" in mail["Subject"] for mail in mails) == 2
    pool = ground.users()
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
    # A user whom a killed worker was just adding to its group is finished by another: twenty at most for each cut.
    assert len(users) <= len(joined) <= len(users) + 2 * 20

    # The night again, as an impatient operator would: nothing is left to do, and nothing is done.
    aws.reset()
    again = rest.trigger(NIGHTLY, {})
    assert rest.wait(NIGHTLY, again, seconds=120) == "success"
    assert (aws.calls(), len(aws.outbox()), runs_of(rest) - before) == ([], mailed + 10, runs)
