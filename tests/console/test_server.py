"""The page's server: who may do what, what it takes and gives, and that a run which it starts holds no address."""

from __future__ import annotations

import io
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
ADDRESSES = ["api/run/outcomes", "api/run/report.csv", "api/run/again"]
START = ["api/drafts?kind=text", "api/drafts/0", "api/drafts/0/source", "api/preflight"]


@pytest.fixture(scope="module")
def run(page):
    """A run of three users whose names say where they are shown; one existed, one has a wrong address."""
    page.resources.add_user("existing@secret.example.com")
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
    assert found["estimate"]["seconds"] > 0
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


def test_check_looks_at_aws_and_touches_nothing(page, as_role):
    """The problems of preflight, as sentences; no group is made for a question."""
    found = as_role("user").post("api/preflight").json()
    assert found == {"problems": [], "warnings": [], "unseen": []}
    page.resources.cognito.delete_group(UserPoolId=page.resources.user_pool_id, GroupName="BASIC")
    found = as_role("user").post("api/preflight?lang=ja").json()
    assert len(found["problems"]) == 1
    assert "BASIC" in found["problems"][0]
    page.resources.cognito.create_group(UserPoolId=page.resources.user_pool_id, GroupName="BASIC")
