"""The inbox on the page, in a browser on real Airflow: what waits is imported now, and filed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

HOSTILE = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture
def inbox_put(resources) -> Iterator[Callable[[str, str], None]]:
    """Put files into the inbox, which is empty afterwards."""

    def put(name: str, text: str) -> None:
        resources.s3.put_object(Bucket=resources.bucket, Key=f"inbox/{name}", Body=text.encode())

    yield put
    for item in resources.s3.list_objects_v2(Bucket=resources.bucket, Prefix="inbox/").get("Contents", ()):
        resources.s3.delete_object(Bucket=resources.bucket, Key=item["Key"])


def test_inbox_is_imported_now_and_each_file_is_filed_with_its_run(sign_in, inbox_put, resources, addresses):
    """What waited is shown as processed, or as failed with its reason; the night with the runs that came of it."""
    users = addresses(3)
    name = f"{HOSTILE}.csv"
    inbox_put(name, "\n".join(["useremail", *users]))
    inbox_put("unclosed.csv", 'useremail\n"a@example.com\n')
    frame = sign_in("user")
    frame.get_by_role("link", name="Inbox", exact=True).click()
    waiting = frame.get_by_role("region", name="Waiting files")
    waiting.get_by_role("row", name="unclosed.csv").get_by_text("The next night takes it").wait_for()
    waiting.get_by_text(name).wait_for()
    frame.get_by_role("button", name="Import now").click()
    frame.get_by_role("dialog").get_by_role("button", name="Import now").click()
    frame.get_by_text("A night is under way.").wait_for()
    filed = frame.get_by_role("region", name="Filed")
    broken = filed.get_by_role("row", name="unclosed.csv")
    broken.get_by_text("inbox/failed/").wait_for()
    assert "quote" in broken.inner_text()
    filed.get_by_label("Outcome").select_option("processed")
    filed.get_by_text(name).wait_for()
    nights = frame.get_by_role("region", name="Nights")
    nights.get_by_text("Success 1").first.wait_for()
    nights.get_by_role("button", name="Show").first.click()
    nights.get_by_text(name).wait_for()
    assert set(users) <= set(resources.users())
    filed.get_by_role("link", name="Success").click()
    frame.get_by_role("heading", name="Import: 3 users").wait_for()
    assert frame.owner.page.title() != "hacked"
    viewer = sign_in("viewer")
    viewer.get_by_role("link", name="Inbox", exact=True).click()
    viewer.get_by_text("You may not start a night.").wait_for()
    viewer.get_by_role("region", name="Nights").get_by_text("Success 1").first.wait_for()
    assert "unclosed.csv" not in viewer.locator("body").inner_text()
