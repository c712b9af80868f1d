"""Take the pictures of README and docs: real Airflow in a browser, with imports, an approval and a night (`make pictures`).

python -m demo.pictures [LANGUAGE…]    en and ja, which has a folder of its own
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo import console_pictures
from demo.resources import GROUP
from demo.sandbox import DAG, NIGHTLY, Sandbox
from demo.users import MALFORMED, make_users
from demo.watch import fetch, link_in, rows_of
from sandbox.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

FOLDER = Path(__file__).resolve().parents[1] / "pictures"
FOLDERS = {"en": FOLDER, "ja": FOLDER / "ja"}
APPROVAL = "approve"


def main() -> int:
    """Take all pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("A browser is needed: apt-get install chromium")
        return 1
    for language in sys.argv[1:] or FOLDERS:
        _take(chromium, language)
    return 0


def _take(chromium: str, language: str) -> None:
    """Take all pictures in a language: Airflow's own words, the DAGs' and the mail's."""
    from playwright.sync_api import sync_playwright

    folder = FOLDERS[language]
    folder.mkdir(parents=True, exist_ok=True)
    labels = {"COGNITO_IMPORT_UI_LANGUAGE": language}
    with Sandbox(settings={"locale": language}, env=labels) as sandbox, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale=language)
        _log_in(page, sandbox)
        for name, take in _PICTURES.items():
            shown = take(page, sandbox) or page
            shown.screenshot(path=folder / f"{name}.png")
            print(f"{language}: {name}.png", flush=True)
        console_pictures.take(page, sandbox.airflow.url, folder, language)
        browser.close()


def _log_in(page: Page, sandbox: Sandbox) -> None:
    page.goto(f"{sandbox.airflow.url}/auth/login")
    page.fill("input[name=username]", sandbox.airflow.username)
    page.fill("input[name=password]", sandbox.airflow.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")


def _show(page: Page, sandbox: Sandbox, path: str, seconds: float = 4.0) -> None:
    page.goto(f"{sandbox.airflow.url}/{path}")
    page.wait_for_timeout(seconds * 1000)


def _trigger_form(page: Page, sandbox: Sandbox) -> None:
    _show(page, sandbox, f"dags/{DAG}")
    page.get_by_test_id("trigger-dag-button").or_(page.get_by_role("button", name="Trigger")).first.click()
    page.wait_for_timeout(3000)


def _import(page: Page, sandbox: Sandbox) -> None:
    """The list of mapped tasks of an import that is under way."""
    sandbox.resources.add_user(make_users(60, "example.com")[2]["useremail"])
    users = make_users(60, "example.com")
    # The CSV keeps what the list says of a failed row.
    users[MALFORMED] |= {"attributes": {"given_name": "太郎", "custom:department": "営業部"}, "groups": [GROUP]}
    run_id = sandbox.airflow.rest.trigger(DAG, {"data": users, "adminemail": sandbox.resources.admin})
    until(
        "a batch", lambda: sandbox.airflow.rest.count(DAG, run_id, "process_users", ["success"]), seconds=120, every=0.5
    )
    _show(page, sandbox, f"dags/{DAG}/runs/{run_id}/tasks/process_users/mapped")
    sandbox.airflow.rest.wait(DAG, run_id)


def _mail(page: Page, sandbox: Sandbox) -> Locator:
    assert sandbox.aws is not None
    page.set_content(sandbox.aws.outbox()[-1]["BodyHtml"])
    return page.locator("table.card")


def _csv(page: Page, sandbox: Sandbox) -> Locator:
    """Return the CSV as a table, as a spreadsheet shows it."""
    assert sandbox.aws is not None
    rows = rows_of(fetch(link_in(sandbox.aws.outbox()[-1])))[:14]
    head = "".join(f"<th>{column}</th>" for column in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_escape(cell)}</td>" for cell in row.values()) + "</tr>" for row in rows)
    style = "table{border-collapse:collapse;font:13px sans-serif}td,th{border:1px solid #ccc;padding:4px 8px;text-align:left}"
    page.set_content(f"<style>{style}</style><table><tr>{head}</tr>{body}</table>")
    return page.locator("table")


def _approval(page: Page, sandbox: Sandbox) -> None:
    users = [{"useremail": user["useremail"]} for user in make_users(60, "example.com")]
    run_id = sandbox.airflow.rest.trigger(
        DAG, {"data": users, "adminemail": sandbox.resources.admin, "jobtype": "delete"}
    )
    asked = ["awaiting_input", "deferred"]
    until("the approval", lambda: sandbox.airflow.rest.count(DAG, run_id, APPROVAL, asked), seconds=120, every=0.5)
    _show(page, sandbox, f"dags/{DAG}/runs/{run_id}/tasks/{APPROVAL}/required_actions")


def _night(page: Page, sandbox: Sandbox) -> None:
    for number, name in enumerate(("joiners.csv", "hr/moved.csv", "broken.csv")):
        text = "".join(f"night{number}-{user}@example.com\n" for user in range(20))
        header = "useremail\n" if name != "broken.csv" else "name,address\n"
        sandbox.resources.s3.put_object(
            Bucket=sandbox.resources.bucket, Key=f"inbox/{name}", Body=(header + text).encode()
        )
    run_id = sandbox.airflow.rest.trigger(NIGHTLY, {})
    sandbox.airflow.rest.wait(NIGHTLY, run_id)
    _show(page, sandbox, f"dags/{NIGHTLY}/runs/{run_id}")


_PICTURES: dict[str, Callable[[Page, Sandbox], Locator | None]] = {
    "trigger": _trigger_form,
    "import": _import,
    "mail": _mail,
    "csv": _csv,
    "approval": _approval,
    "night": _night,
}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
