"""The page in a browser, on real Airflow: what a person with a spreadsheet does, and what comes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from sandbox.waiting import until

HOSTILE = "<img/src=x/onerror=document.title='hacked'>"


def paste(frame, users):
    """Paste addresses and have them checked."""
    frame.get_by_label("Paste addresses").fill("\n".join(users))
    frame.get_by_role("button", name="Check", exact=True).click()


def approve(sign_in, frame):
    """Have somebody else approve what waits, and wait in `frame` for the run to succeed."""
    other = sign_in("approver")
    other.get_by_role("link", name="Runs", exact=True).click()
    other.get_by_role("button", name="Approve").click()
    other.get_by_role("dialog").get_by_role("button", name="Approve").click()
    frame.get_by_text("Approved by approver").wait_for()
    frame.get_by_text("Success").first.wait_for()


def test_list_is_checked_corrected_run_watched_and_downloaded(sign_in, sandbox, resources, admin, addresses, tmp_path):
    """A workbook with two bad rows: one is corrected, one left out; the CSV is the one in S3, and no conf has an address."""
    users = addresses(30)
    book = Workbook()
    book.active.append(["メールアドレス", "given_name"])
    for number, user in enumerate(users):
        book.active.append([user if number != 3 else user.replace("@", " @"), f"{HOSTILE}{number}"])
    book.active.append([users[0], "twice"])
    file = io.BytesIO()
    book.save(file)
    frame = sign_in("admin")
    upload = {"name": "users.xlsx", "mimeType": "application/zip", "buffer": file.getvalue()}
    frame.locator("input[type=file]").set_input_files(upload)
    frame.get_by_text("Users: 31. Without problems: 29. With problems: 2.").wait_for()
    frame.get_by_label("Row 5, useremail").fill(users[3])
    frame.get_by_role("row", name="Duplicate of row 2.").get_by_role("button", name="Leave out").click()
    frame.get_by_role("button", name="Check the corrections").click()
    frame.get_by_text("30 users, no problems.").wait_for()
    frame.get_by_label("Administrator").fill(admin)
    frame.get_by_role("button", name="Import 30 users").click()
    frame.get_by_role("heading", name="Import: 30 users").wait_for()
    frame.get_by_text("Success").first.wait_for()
    with frame.owner.page.expect_download() as download:
        frame.get_by_role("link", name="Download CSV").click()
    saved = Path(download.value.path()).read_bytes()
    key = next(
        item["Key"]
        for item in resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="cognitoimportlog/")["Contents"]
        if item["Key"].endswith(download.value.suggested_filename)
    )
    assert saved == resources.s3.get_object(Bucket=resources.bucket, Key=key)["Body"].read()
    assert set(users) <= set(resources.users())
    frame.get_by_label("Search").fill(users[7])
    frame.get_by_role("cell", name=users[7]).wait_for()
    assert frame.owner.page.title() != "hacked"
    conf = sandbox.airflow.rest.run("cognito_import", sandbox.airflow.rest.latest("cognito_import"))["conf"]
    assert not [user for user in users if user in json.dumps(conf)]


def test_deletion_waits_for_somebody_else_who_answers_on_the_page(sign_in, sandbox, resources, aws, admin, addresses):
    """Whoever asks is told so; the other one approves; a viewer sees that it waits, and neither button nor address."""
    users = addresses(3)
    for user in users:
        resources.add_user(user)
    frame = sign_in("admin")
    paste(frame, users)
    frame.get_by_label("Job").select_option("delete")
    frame.get_by_label("Administrator").fill(admin)
    frame.get_by_role("button", name="Delete 3 users").click()
    frame.get_by_text("You asked for this yourself").wait_for()
    viewer = sign_in("viewer")
    viewer.get_by_role("link", name="Runs", exact=True).click()
    viewer.get_by_text("You may not answer.").wait_for()
    assert viewer.get_by_role("button", name="Approve").count() == 0
    assert users[0] not in viewer.locator("body").inner_text()
    approve(sign_in, frame)
    assert not set(users) & set(resources.users())


@pytest.mark.slow
def test_run_is_stopped_in_the_middle_and_the_rest_run_again(sign_in, sandbox, resources, admin, addresses, vary):
    """The report of a stopped run tells the users who are left, and one button has another run process them."""
    users = addresses(100)
    vary(pacing_seconds=5)  # so slow that a browser on a busy machine is in time
    frame = sign_in("user")
    paste(frame, users)
    frame.get_by_label("Administrator").fill(admin)
    frame.get_by_role("button", name="Import 100 users").click()
    frame.get_by_role("heading", name="Import: 100 users").wait_for()
    until(
        "a few users", lambda: len(set(users) & set(resources.users())), lambda seen: seen >= 5, seconds=120, every=0.2
    )
    frame.get_by_role("button", name="Stop").click()
    frame.get_by_role("dialog").get_by_role("button", name="Stop").click()
    frame.get_by_role("button", name="Run the failed ones again").wait_for()
    frame.get_by_text("user stopped the run on").wait_for()
    frame.get_by_text("The mail", exact=True).click()
    frame.frame_locator("iframe.letter").get_by_text("user, 20").wait_for()
    first = sandbox.airflow.rest.latest("cognito_import")
    assert len(set(users) & set(resources.users())) < 100
    vary()
    frame.get_by_role("button", name="Run the failed ones again").click()
    frame.get_by_role("dialog").get_by_role("button", name="Run the failed ones again").click()
    until(
        "the next run",
        lambda: sandbox.airflow.rest.latest("cognito_import"),
        lambda run: run != first,
        seconds=60,
        every=0.5,
    )
    sandbox.airflow.rest.wait("cognito_import", sandbox.airflow.rest.latest("cognito_import"))
    assert set(users) <= set(resources.users())


def test_import_is_undone_once_somebody_else_has_approved_it(sign_in, sandbox, resources, aws, admin, addresses):
    """From the button on the run, which is also a tab of the run in Airflow; who was there before stays."""
    users = addresses(4)
    resources.add_user(users[0])
    frame = sign_in("admin")
    paste(frame, users)
    frame.get_by_label("Administrator").fill(admin)
    frame.get_by_role("button", name="Import 4 users").click()
    frame.get_by_role("button", name="Undo").wait_for()
    assert set(users) <= set(resources.users())
    frame.owner.page.goto(
        f"{sandbox.airflow.url}/dags/cognito_import/runs/{sandbox.airflow.rest.latest('cognito_import')}/plugin/cognito-import-run"
    )
    frame.get_by_role("heading", name="Import: 4 users").wait_for()
    frame.get_by_role("button", name="Undo").click()
    frame.get_by_role("dialog").get_by_role("button", name="Undo").click()
    frame.get_by_role("heading", name="Delete: 3 users").wait_for()
    approve(sign_in, frame)
    assert set(users) & set(resources.users()) == {users[0]}


def test_page_says_what_to_do_when_the_session_ends_and_when_airflow_is_away(sign_in):
    """Both are told in words, and the page goes on by itself when Airflow is there again."""
    frame = sign_in("viewer")
    frame.get_by_text("You may not start runs.").wait_for()
    frame.get_by_role("link", name="Runs", exact=True).click()
    frame.get_by_role("heading", name="Runs").wait_for()
    context = frame.owner.page.context
    context.set_offline(True)
    frame.get_by_text("Airflow cannot be reached.").wait_for()
    context.set_offline(False)
    frame.get_by_text("Airflow cannot be reached.").wait_for(state="detached")
    context.clear_cookies()
    frame.get_by_text("Your session has ended.").wait_for()
