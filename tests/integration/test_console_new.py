"""A new import on the page in a browser, on real Airflow: what a list means, what a run of it takes, one click is one run."""

from __future__ import annotations

import io
import json
from pathlib import Path

from openpyxl import Workbook

from demo.watch import rows_of
from sandbox.waiting import until


def test_spreadsheet_with_unknown_columns_is_mapped_and_imported(sign_in, sandbox, resources, admin, addresses):
    """The address, groups and an attribute are chosen, one column is left out; users, CSV and source are as chosen."""
    users = addresses(6)
    group = users[0].partition("@")[0].replace("user0001", "crew")
    resources.cognito.create_group(UserPoolId=resources.user_pool_id, GroupName=group)
    book = Workbook()
    book.active.append(["氏名", "連絡先", "Crew", "Note to self", "Office"])
    for number, user in enumerate(users):
        book.active.append([f"N{number}", user, group if number % 2 else None, "secret-note", f"Room {number}"])
    file = io.BytesIO()
    book.save(file)
    frame = sign_in("admin")
    upload = {"name": "crew.xlsx", "mimeType": "application/zip", "buffer": file.getvalue()}
    frame.locator("input[type=file]").set_input_files(upload)
    frame.get_by_role("heading", name="Which column holds the e-mail addresses?").wait_for()
    assert frame.get_by_label("連絡先 holds").input_value() == "useremail", "guessed by its cells"
    frame.get_by_role("button", name="Choose name for 氏名").click()
    frame.get_by_label("Crew holds").select_option("groups")
    frame.get_by_label("Note to self holds").select_option(label="nothing: leave it out")
    frame.get_by_role("button", name="Use these columns").press("Enter")
    frame.get_by_text("6 users, no problems.").wait_for()
    frame.get_by_role("button", name="Remove BASIC").click()
    frame.get_by_text("none", exact=True).wait_for()
    frame.get_by_label("Add a group").fill("no-such-group")
    frame.get_by_label("Add a group").press("Enter")
    frame.get_by_text("The user pool has no group no-such-group.").wait_for()
    frame.get_by_label("Administrator").fill(admin)
    takes = frame.locator("dl", has_text="Takes about")
    takes.get_by_text("9", exact=True).wait_for()  # six users, three of them in a group
    frame.get_by_role("button", name="Import 6 users").click()
    frame.get_by_role("heading", name="Import: 6 users").wait_for()
    frame.get_by_text("Success").first.wait_for()
    run = sandbox.airflow.rest.latest("cognito_import")
    conf = sandbox.airflow.rest.run("cognito_import", run)["conf"]
    assert not [user for user in users if user in json.dumps(conf)]
    source = resources.s3.get_object(Bucket=resources.bucket, Key=conf["source"].partition(f"{resources.bucket}/")[2])
    assert b"secret-note" not in source["Body"].read()
    pool = resources.users()
    assert [pool[user].groups for user in users] == [{group} if number % 2 else set() for number in range(6)]
    found = resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username=pool[users[4]].username)
    assert {"Name": "name", "Value": "N4"} in found["UserAttributes"]
    with frame.owner.page.expect_download() as download:
        frame.get_by_role("link", name="Download CSV").click()
    saved = Path(download.value.path()).read_bytes()
    listed = resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="cognitoimportlog/")["Contents"]
    key = next(item["Key"] for item in listed if item["Key"].endswith(download.value.suggested_filename))
    assert saved == resources.s3.get_object(Bucket=resources.bucket, Key=key)["Body"].read()
    rows = rows_of(saved)
    assert [(row["useremail"], row["status"], row["Office"]) for row in rows] == [
        (user, "succeeded", f"Room {number}") for number, user in enumerate(users)
    ]
    assert "Note to self" not in rows[0]


def test_list_outlives_another_view_and_a_lost_answer_starts_one_run(sign_in, sandbox, admin, addresses):
    """Corrections have to be checked before it starts; when Airflow's answer is lost, the same button starts nothing twice."""
    users = addresses(2)
    frame = sign_in("user")
    frame.get_by_label("Paste addresses").fill("\n".join([*users, "wrong address"]))
    frame.get_by_role("button", name="Check", exact=True).click()
    frame.get_by_text("Users: 3. Without problems: 2. With problems: 1.").wait_for()
    frame.get_by_role("link", name="Runs", exact=True).click()
    frame.get_by_role("heading", name="Runs").wait_for()
    frame.get_by_role("link", name="New import").click()
    frame.get_by_label("Row 3, useremail").fill("")
    frame.get_by_label("Administrator").fill(admin)
    start = frame.get_by_role("button", name="Import 2 users")
    frame.get_by_text("Press “Check the corrections” first.").wait_for()
    assert start.is_disabled()
    frame.get_by_role("button", name="Leave out").click()
    frame.get_by_role("button", name="Check the corrections").click()
    frame.get_by_text("2 users, no problems.").wait_for()
    page, sent = frame.owner.page, []

    def lose(route):
        sent.append(json.loads(route.request.post_data)["dag_run_id"])
        answer = route.fetch()
        if len(sent) == 1:
            assert answer.ok
            return route.abort()
        return route.fulfill(response=answer)

    page.route("**/api/v2/dags/cognito_import/dagRuns", lose)
    start.click()
    frame.get_by_text("nothing is started twice").wait_for()
    start.click()
    frame.get_by_role("heading", name="Import: 2 users").wait_for()
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert sandbox.airflow.rest.latest("cognito_import") == sent[0]
    until("its end", lambda: sandbox.airflow.rest.run_state("cognito_import", sent[0]), "success".__eq__, seconds=180)
