"""The page in a browser, as each reader has it: both languages, light and dark, wide and narrow, for a screen reader, too."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.inbox import Inbox
from cognito_import.ingest import ingest_request
from cognito_import.report.delivery import deliver
from cognito_import.run import pace
from cognito_import.run.pace import RunPace
from sandbox.airflow.settings import ROOT

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser: apt-get install chromium"),
]
VIEWS = (
    "new",
    "runs",
    "run/{run}",
    "inbox",
    "settings",
    "tab/{run}/cognito_import",
    "tab/night/cognito_import_nightly",
    "tab/x/y",
)
FOUND = """axe.run(document, {iframes: false}).then(({violations}) => violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" | ")}`))"""


@pytest.fixture(scope="module")
def run(page):
    """A run of forty users, of whom one existed, that has ended and was reported; and files in the inbox, one of them filed."""
    for name in ("bad.csv", ".hidden.csv", f"{'long' * 60}.csv"):
        page.resources.s3.put_object(Bucket=page.resources.bucket, Key=f"inbox/{name}", Body=b"x")
    inbox = Inbox(page.resources.s3, page.settings)
    inbox.archive(
        next(one.file for one in inbox.contents().waiting if one.name == "bad.csv"), reason="It has no users."
    )
    page.trigger({}, dag="cognito_import_nightly")
    page.resources.add_user("seen1@example.com")
    users = [f"seen{number}@example.com" for number in range(1, 41)]
    conf = {"data": users, "adminemail": page.resources.admin}
    run = page.trigger({**conf, "data": users[:1]})
    folder = page.folder(run)
    manifest = ingest_request(conf, page.settings, page.resources.s3, folder)
    pace.write(folder, RunPace(20.0, {"UserResourceUpdate": 25.0}))
    for batch in manifest.batches:
        run_batch(folder, batch, UserPool(page.resources.cognito, page.settings, Pacer(0.0)))
    page.end(run)
    aws: Any = page.resources
    deliver(folder, page.settings, aws.s3, aws.ses, credentials_expire_at=None, now=datetime.now(UTC))
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    """One browser for all tests."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(page, browser) -> Iterator[Callable[..., playwright.Page]]:
    """Open a view as somebody; the browser may complain of nothing, the content security policy included."""
    faults: list[str] = []
    contexts = []

    def show(view: str, *, role: str = "admin", locale: str = "en-GB", dark: bool = False, width: int = 1200) -> Any:
        scheme = "dark" if dark else "light"
        context = browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        context.set_default_timeout(120_000)
        with page.client(role) as client:
            context.add_cookies([{"name": "_token", "value": client.cookies["_token"], "url": page.url}])
        tab = context.new_page()
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        tab.goto(f"{page.url}/cognito-import/#/{view}")
        tab.locator("main h1, main .note").first.wait_for()
        return tab

    yield show
    for context in contexts:
        context.close()
    assert not faults


@pytest.mark.skipif(not AXE.exists(), reason="axe is LEFT OUT: there is no npm (make browser)")
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(show, run, locale, dark):
    """On no view, with all that can be opened on it open."""
    found = {}
    for view in VIEWS:
        tab = show(view.format(run=run), locale=locale, dark=dark)
        assert tab.locator("html").get_attribute("lang") == locale[:2]
        tab.wait_for_load_state("networkidle") if view in ("new", "inbox", "settings") else None
        for closed in tab.locator("details").all():
            closed.evaluate("one => one.open = true")
        if view.startswith("run/"):
            tab.locator("iframe.letter").wait_for()
            tab.locator("canvas").wait_for()
        tab.wait_for_timeout(500)
        tab.evaluate(AXE.read_text())
        found[view] = tab.evaluate(FOUND)
    assert not any(found.values()), found


@pytest.mark.parametrize("view", VIEWS)
def test_narrow_window_needs_no_sideways_scrolling(show, run, view):
    """As on a telephone; wide tables scroll in themselves."""
    tab = show(view.format(run=run), width=360)
    tab.wait_for_timeout(500)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_run_shows_its_speed_and_the_mail_without_its_link(show, run):
    """The picture is there for a run that has ended, in words and as a table, too; the mail is the one that went out."""
    tab = show(f"run/{run}")
    plot = tab.locator("[role=img].plot")
    plot.locator("canvas").wait_for()
    assert "users a second; the pace is 20" in plot.get_attribute("aria-label")
    tab.get_by_text("As a table").click()
    assert tab.locator("figure tbody tr").count() >= 1
    tab.get_by_text("The mail", exact=True).click()
    letter = tab.frame_locator("iframe.letter")
    letter.get_by_text("Cognito user import: result").wait_for()
    assert "X-Amz" not in letter.locator("html").inner_html()
    assert "admin" in tab.locator(".mail dd").first.inner_text()


def test_settings_show_the_quotas_with_their_use(show, run):
    """The category that is used the most is drawn first; another can be chosen."""
    tab = show("settings")
    section = tab.get_by_role("region", name="Cognito's quotas")
    plot = section.locator("[role=img].plot")
    plot.locator("canvas").wait_for()
    section.get_by_label("Category").select_option("UserRead")
    section.get_by_role("img", name="UserRead: calls a second in the last day, at most 0; the quota is 120").wait_for()


def test_tab_on_a_run_shows_the_run_alone(show, run):
    """Without the page's own navigation; on another DAG's run it says where to look."""
    tab = show(f"tab/{run}/cognito_import")
    tab.get_by_role("heading", name="Import: 40 users").wait_for()
    assert tab.locator("nav a").count() == 0
    show("tab/x/another_dag").get_by_text("This run is no import of users.").wait_for()
    show("tab/none/cognito_import_nightly").get_by_text("This night has started no import.").wait_for()


def test_airflow_shows_the_tab(show, page, run):
    """Airflow's own UI fills the run and its DAG into the address."""
    tab = show("new")
    tab.goto(f"{page.url}/dags/cognito_import/runs/{run}")
    tab.get_by_role("link", name="Cognito", exact=True).last.click()
    frame = tab.frame_locator("iframe")
    frame.get_by_role("heading", name="Import: 40 users").wait_for()
    assert tab.url.endswith("/plugin/cognito-import-run")


def test_runs_are_filtered(show, run):
    """By state, job, and whoever started them."""
    tab = show("runs")
    link = tab.locator(f'main a[href$="{run}"]')
    link.first.wait_for()
    for label, other, own in (("State", "failed", "success"), ("Job", "undo", "import")):
        tab.get_by_label(label).select_option(other)
        link.first.wait_for(state="detached")
        tab.get_by_label(label).select_option(own)
        link.first.wait_for()
    tab.get_by_label("Started by or run id").fill("nobody")
    tab.get_by_text("Nothing matches.").wait_for()


def test_session_that_ended_is_told_in_place(show):
    """The page says what to do, and that nothing is lost."""
    tab = show("runs", role="viewer")
    tab.context.clear_cookies()
    tab.get_by_text("Your session has ended. Reload Airflow and sign in").wait_for()
