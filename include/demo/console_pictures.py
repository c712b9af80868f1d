"""The pictures of the page in Airflow's UI: light in English, dark in Japanese: what a list and a run look like."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

THEMES = {"en": "light", "ja": "dark"}


def take(page: Page, url: str, folder: Path, language: str) -> None:
    """Upload a list with problems and import it, by a page that is signed in, and take a picture of both."""
    page.evaluate(
        f"localStorage.setItem('theme', '{THEMES[language]}'); localStorage.setItem('i18nextLng', '{language}')"
    )
    page.goto(f"{url}/plugin/cognito-import")
    frame = page.frame_locator("iframe")
    frame.locator("#pasted").fill(_cells(secrets.token_hex(2)))
    frame.locator("section button.primary").click()
    frame.locator("table.problems").wait_for()
    frame.locator("table.problems input").first.fill("ito.hana@example.com")
    page.wait_for_timeout(500)
    page.screenshot(path=folder / "console-new.png")
    frame.locator("form", has=frame.locator("table.problems")).locator("button[type=submit]").click()
    frame.locator("table.problems tbody tr").nth(2).wait_for(state="detached")
    frame.locator("input[type=email]").fill("admin@example.com")
    frame.locator("section").last.locator("button").click()
    frame.locator(".chart").wait_for(timeout=120_000)
    page.wait_for_timeout(7_000)
    page.screenshot(path=folder / "console-run.png")
    frame.locator("a.button").wait_for(timeout=120_000)


def _cells(mark: str) -> str:
    """Return a spreadsheet's cells with three rows that need a person."""
    names = ("Sato", "Suzuki", "Takahashi", "Tanaka", "Watanabe", "Yamamoto", "Nakamura", "Kobayashi", "Kato")
    good = [f"{name.lower()}.{number:02}-{mark}@example.com\t{name}\tBASIC" for number in range(24) for name in names]
    bad = [f"ito hana@example.com\tIto\tBASIC\n{good[4]}\nyoshida.{mark}@@example.com\tYoshida\tBASIC"]
    return "\n".join(["email\tfamily_name\tgroups", *bad, *good]) + "\n"
