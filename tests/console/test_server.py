"""The page's server: who may do what, what it takes and gives, and that a run which it starts holds no address."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from openpyxl import Workbook

from cognito_import.console.drafts import MAX_UPLOAD_BYTES
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.report.delivery import Reported, deliver

pytestmark = pytest.mark.airflow
BYTES = {"Content-Type": "application/octet-stream"}
READ = ["api/session", "api/settings", "api/runs", "api/run"]
ADDRESSES = ["api/run/outcomes", "api/run/report.csv", "api/run/again", "api/pool", "api/run/mail", "api/run/mail.html"]
START = ["api/drafts?kind=text", "api/drafts/0", "api/drafts/0/ready", "api/drafts/0/source", "api/preflight"]


@pytest.fixture(scope="module")
def run(page):
    """A run of three users whose names say where they are shown; one existed, one has a wrong address."""
    page.resources.add_user("existing@secret.example.com")
    page.resources.cognito.create_group(UserPoolId=page.resources.user_pool_id, GroupName="CHOSEN")
    users = [{"useremail": f"{name}@secret.example.com"} for name in ("new", "existing")]
    conf = {"data": [*users, {"useremail": "wrong address"}], "adminemail": page.resources.admin}
    run = page.trigger({**conf, "data": users})
    folder = page.folder(run)
    manifest = ingest_request(conf, page.settings, page.resources.s3, folder)
    for batch in manifest.batches:
        run_batch(folder, batch, UserPool(page.resources.cognito, page.settings, Pacer(0.0)))
    page.end(run)
    deliver(
        folder,
        page.settings,
        page.resources.s3,
        page.resources.ses,
        credentials_expire_at=None,
        now=datetime.now(UTC),
    )
    return run


@pytest.mark.parametrize("role", ["", "viewer", "user", "op", "admin"])
def test_each_role_gets_what_it_may(as_role, run, role):
    """Nobody who is not signed in gets anything, a viewer counts, and who may start runs the rest."""
    client, starts = as_role(role), role not in ("", "viewer")
    for path in ("", "static/app.js", *READ):
        assert client.get(path, params={"run": run}).status_code == (200 if role else 401), path
    for path in ADDRESSES:
        assert client.get(path, params={"run": run}).status_code == (200 if starts else 403 if role else 401), path
    for path in START:
        answer = client.post(path, headers=BYTES)
        assert answer.status_code not in (401, 403) if starts else answer.status_code == (403 if role else 401), path
    answer = client.post("api/run/stop", params={"run": run})
    assert answer.status_code == (409 if starts else 403 if role else 401)


def test_viewer_sees_counts_and_no_address(as_role, run):
    """Neither in lists nor in details, reasons, settings or errors."""
    viewer = as_role("viewer")
    found = viewer.get("api/run", params={"run": run}).json()
    assert (found["addresses"], found["users"], found["read"]) == (False, 3, True)
    assert {kind: n for kind, n in found["counts"].items() if n and kind != "reasons"} == {
        "total": 3,
        "succeeded": 1,
        "exists": 1,
        "failed": 1,
    }
    assert [(one["code"], one["users"]) for one in found["failures"]] == [("InvalidAddress", 1)]
    for path in READ:
        text = viewer.get(path, params={"run": run}).text
        assert "secret.example.com" not in text, path
        assert "no-reply@" not in text, path


def test_outcomes_are_searched_filtered_and_paged(as_role, run):
    """In the request's order, with the messages of the reader's language."""
    user = as_role("user")

    def outcomes(**query):
        found = user.get("api/run/outcomes", params={"run": run, **query}).json()
        return found["total"], [row["row"] for row in found["rows"]], found["rows"]

    assert outcomes()[:2] == (3, [1, 2, 3])
    assert outcomes(limit=1, offset=1)[:2] == (3, [2])
    assert outcomes(q="EXISTING@")[:2] == (1, [2])
    assert outcomes(kind=["failed", "succeeded"])[:2] == (2, [1, 3])
    assert "空白" in outcomes(kind="failed", lang="ja")[2][0]["message"]


def test_csv_is_the_stored_one(page, as_role, run):
    """Through the server, byte for byte, and as a file to save."""
    answer = as_role("user").get("api/run/report.csv", params={"run": run})
    key = page.folder(run).read_report(Reported).delivery.csv_key
    stored = page.resources.s3.get_object(Bucket=page.resources.bucket, Key=key)["Body"].read()
    assert answer.content == stored
    assert answer.headers["content-disposition"].startswith("attachment")


def test_mail_is_shown_in_a_frame_that_can_do_nothing(as_role, run):
    """Whom it went to, and its HTML without the link; neither a script nor a fetch is allowed in it."""
    user = as_role("user")
    assert "result" in user.get("api/run/mail", params={"run": run}).json()["subject"]
    answer = user.get("api/run/mail.html", params={"run": run})
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} < set(policy)
    assert "script" not in answer.headers["content-security-policy"]
    assert "InvalidAddress" in answer.text
    assert "X-Amz" not in answer.text


def test_run_shows_how_fast_it_was_and_who_stopped_it(page, as_role):
    """Both from what is stored, by a viewer, too; a run that has ended cannot be stopped any more."""
    conf = {"data": ["stopped1@example.com", "stopped2@example.com"], "adminemail": page.resources.admin}
    run = page.trigger(conf)
    folder = page.folder(run)
    manifest = ingest_request(conf, page.settings, page.resources.s3, folder)
    run_batch(folder, manifest.batches[0], UserPool(page.resources.cognito, page.settings, Pacer(0.0)))
    assert as_role("op").post("api/run/stop", params={"run": run}).status_code == 200
    found = as_role("viewer").get("api/run", params={"run": run}).json()
    assert (len(found["speed"]["times"]), found["speed"]["throttles"]) == (1, [0])
    assert found["stopped"]["by"] == "op"
    page.end(run, "failed")
    assert as_role("op").post("api/run/stop", params={"run": run}).status_code == 409


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"X-Cognito-Import": ""}, 200, id="the page"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="the page in a browser"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="a neighbour of the same domain"),
        pytest.param({"X-Cognito-Import": None}, 403, id="a form"),
        pytest.param({"Content-Type": "text/plain"}, 415, id="a kind that a form can send"),
    ],
)
def test_no_other_site_can_upload(page, headers, status):
    """A form or an image elsewhere cannot set the header, and a browser says where a request comes from."""
    with page.client("user") as client:
        for name, value in {**BYTES, **headers}.items():
            client.headers.pop(name, None)
            if value is not None:
                client.headers[name] = value
        assert client.post("api/drafts?kind=text", content=b"a@example.com").status_code == status


def test_browser_is_forbidden_what_the_page_does_not_need(as_role):
    """No script but the page's own, nothing kept, and no frame on another site."""
    headers = as_role("viewer").get("").headers
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert as_role("viewer").get("static/..%2fapp.py").status_code == 404


def test_a_list_becomes_a_source_without_an_address_in_the_conf(page, as_role):
    """5,000 rows of Excel with 20 bad ones: these are corrected, or left out, and the run reads what was checked."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["Email", "given_name"])
    for number in range(5000):
        bad = number % 250 == 0
        sheet.append([f"user{number:04}{' ' * bad}{'x' * bad}@example.com", f"N{number}"])
    file = io.BytesIO()
    book.save(file)
    user = as_role("user")
    found = user.post("api/drafts?kind=xlsx&name=u.xlsx", content=file.getvalue(), headers=BYTES).json()
    assert (found["users"], found["good"], found["wrong"], len(found["problems"])) == (5000, 4980, 20, 20)
    edits = {str(one["row"]): {"useremail": one["cells"]["useremail"].replace(" ", "-")} for one in found["problems"]}
    edits[str(found["problems"][-1]["row"])] = None
    found = user.post(f"api/drafts/{found['token']}", json={"edits": edits}).json()
    assert (found["users"], found["wrong"]) == (4999, 0)
    stored = user.post(f"api/drafts/{found['token']}/source").json()
    assert "user" not in stored["source"].rpartition("/")[2]
    run = page.trigger({"source": stored["source"], "adminemail": page.resources.admin})
    request = {"source": stored["source"], "adminemail": page.resources.admin}
    manifest = ingest_request(request, page.settings, page.resources.s3, page.folder(run))
    assert (manifest.users, manifest.rejected_rows) == (4999, 0)
    assert next(page.folder(run).all_rows()).attributes == {"given_name": "N0"}
    assert as_role("op").post(f"api/drafts/{found['token']}/source").status_code == 404, "somebody else's list"


def test_what_is_too_large_or_no_list_is_refused_with_a_reason(as_role):
    """None of it is an error of the server."""
    user = as_role("user")
    large = user.post("api/drafts?kind=csv", content=b"a" * (MAX_UPLOAD_BYTES + 1), headers=BYTES)
    assert (large.status_code, "Put it into S3" in large.text) == (413, True)
    for kind, content in (("csv", b"\x00\x01" * 99), ("xlsx", b"PK\x03\x04"), ("json", b"{"), ("text", b"")):
        answer = user.post(f"api/drafts?kind={kind}", content=content, headers=BYTES)
        assert (answer.status_code, bool(answer.json()["detail"])) == (400, True), kind
    assert "ブック" in user.post("api/drafts?kind=xlsx&lang=ja&name=a", content=b"x", headers=BYTES).text


def test_columns_are_chosen_and_the_run_reads_what_was_chosen(page, as_role):
    """First the address, which no header names; corrections of before stay, and another language is no other list."""
    user = as_role("user")
    table = "氏名,連絡先,Crew,Notes\nA,a@columns.example.com,BASIC,x\nB,b columns.example.com,STAFF,y\n"
    upload = "api/drafts?kind=csv&name=crew.csv&lang=ja"
    asked = user.post(upload, content=table.encode(), headers=BYTES).json()
    assert "crew.csv" in asked["question"]
    assert [(one["header"], one["field"], one["guess"]) for one in asked["read_as"]] == [
        ("氏名", "", "name"),
        ("連絡先", "", ""),  # one cell of it is no address
        ("Crew", "", ""),
        ("Notes", "", ""),
    ]
    assert user.post(f"api/drafts/{asked['token']}/source").status_code == 400
    chosen = {"columns": {"0": "name", "1": "useremail", "3": None}}
    found = user.post(f"api/drafts/{asked['token']}", json=chosen).json()
    assert (found["good"], found["wrong"], found["columns"]) == (1, 1, ["useremail", "Crew", "name"])
    corrected = {"edits": {"3": {"useremail": "b@columns.example.com"}}}
    found = user.post(f"api/drafts/{found['token']}", json=corrected).json()
    chosen["columns"]["2"] = "groups"
    found = user.post(f"api/drafts/{found['token']}", json=chosen).json()
    assert (found["good"], found["groups"]) == (2, {"BASIC": 1, "STAFF": 1})
    source = user.post(f"api/drafts/{found['token']}/source").json()["source"]
    run = page.trigger({"source": source, "adminemail": page.resources.admin})
    request = {"source": source, "adminemail": page.resources.admin}
    ingest_request(request, page.settings, page.resources.s3, page.folder(run))
    assert [(row.useremail, row.groups, row.attributes) for row in page.folder(run).all_rows()] == [
        ("a@columns.example.com", ("BASIC",), {"name": "A"}),
        ("b@columns.example.com", ("STAFF",), {"name": "B"}),
    ]
    assert next(iter(page.folder(run).cells())).keys() == {"row", "groups", "name"}


@pytest.mark.parametrize(
    ("decisions", "status"),
    [
        ({"columns": {"0": "sub"}}, 400),
        ({"columns": {"0": "custom:'; DROP TABLE"}}, 400),
        ({"columns": {"-1": "useremail"}}, 400),
        ({"columns": {"99999999999999999999": "useremail"}}, 400),
        ({"columns": {"x": "useremail"}}, 422),
        ({"columns": {"0": "a" * 65}}, 422),
        ({"columns": {"0": ["useremail"]}}, 422),
        ({"columns": {str(number): "" for number in range(201)}}, 422),
        ({"columns": [{"0": "useremail"}]}, 422),
        ({"edits": {"../2": {"useremail": "a"}}}, 422),
        ({"edits": {"2": {str(number): "" for number in range(201)}}}, 422),
        ({"edits": {"2": {"useremail": "\ud800"}}}, 422),
        ({"groups": ["with space"]}, 422),
        ({"groups": [f"g{number}" for number in range(101)]}, 422),
        ([], 422),
    ],
)
def test_hostile_decisions_are_refused(as_role, decisions, status):
    """None is an error of the server, none says what it was, and the draft stays as it was."""
    user = as_role("user")
    token = user.post("api/drafts?kind=csv", content=b"mail\na@example.com\n", headers=BYTES).json()["token"]
    answer = user.post(
        f"api/drafts/{token}", content=json.dumps(decisions), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, type(answer.json()["detail"])) == (status, str)
    assert user.post(f"api/drafts/{token}", json={}).json()["good"] == 1


def test_groups_of_the_pool_are_offered_and_chosen(as_role, run):
    """Those whose rows name none join them."""
    user = as_role("user")
    offered = user.get("api/pool").json()
    assert {"BASIC", "CHOSEN"} <= set(offered["groups"])
    assert (offered["complete"], offered["closed"]) == (True, False)
    assert "given_name" in offered["attributes"]
    assert not {"email", "sub", "email_verified"} & set(offered["attributes"])
    table = "useremail,groups\na@groups.example.com,\nb@groups.example.com,BASIC\n"
    found = user.post("api/drafts?kind=csv", content=table.encode(), headers=BYTES).json()
    assert (found["groups"], found["own_groups"]) == ({"BASIC": 2}, None)
    found = user.post(f"api/drafts/{found['token']}", json={"groups": ["CHOSEN"]}).json()
    assert (found["groups"], found["own_groups"]) == ({"CHOSEN": 1, "BASIC": 1}, ["CHOSEN"])
    asked = user.post(f"api/drafts/{found['token']}?jobtype=delete", json={}).json()
    assert (asked["groups"], asked["own_groups"]) == ({}, ["CHOSEN"]), "a deletion knows no groups"
    usual = user.post(f"api/drafts/{found['token']}", json={"groups": None}).json()
    assert (usual["groups"], usual["own_groups"]) == ({"BASIC": 2}, None)


def test_what_a_run_takes_and_what_it_would_stumble_over_is_told_before(page, as_role):
    """By the forecast and the preflight of a run: no user is touched, and no group is created."""
    user = as_role("user")
    table = "useremail,groups,custom:none,given_name\n" + "".join(
        f"u{number}@ready.example.com,BASIC;NEW,x,A\n" for number in range(60)
    )
    token = user.post("api/drafts?kind=csv", content=table.encode(), headers=BYTES).json()["token"]

    def ready(**request):
        answer = user.post(f"api/drafts/{token}/ready", json=request)
        assert answer.status_code == 200, answer.text
        return answer.json()

    found = ready(adminemail=page.resources.admin)
    assert (found["calls"], found["limit"], found["seconds"]) == (180, 20.0, 6.0)
    assert [one for one in found["problems"] if "'NEW'" in one]
    assert [one for one in found["problems"] if "'custom:none' is not in the user pool's schema" in one]
    found = ready(adminemail=page.resources.admin, create_groups=True)
    assert not [one for one in found["problems"] if "'NEW'" in one]
    named = page.resources.cognito.list_groups(UserPoolId=page.resources.user_pool_id)["Groups"]
    assert "NEW" not in {group["GroupName"] for group in named}
    assert (ready(dry_run=True)["calls"], ready(dry_run=True)["seconds"] < 1) == (60, True)
    assert "mails 50 invitations a day" in "".join(ready(invite=True)["warnings"])
    assert "'adminemail'" in ready(adminemail="nobody")["problems"][0]
    assert "'state_machine_arn'" in "".join(ready(engine="step_functions")["problems"])
    assert "not a key" in ready(enginee="mapped")["problems"][0]


def test_check_looks_at_aws_and_touches_nothing(page, as_role):
    """The problems of preflight, as sentences; no group is made for a question."""
    found = as_role("user").post("api/preflight").json()
    assert found == {"problems": [], "warnings": [], "unseen": []}
    page.resources.cognito.delete_group(UserPoolId=page.resources.user_pool_id, GroupName="BASIC")
    found = as_role("user").post("api/preflight?lang=ja").json()
    assert len(found["problems"]) == 1
    assert "BASIC" in found["problems"][0]
    page.resources.cognito.create_group(UserPoolId=page.resources.user_pool_id, GroupName="BASIC")
