"""The function's own part: reading the input of an execution. The rest of it is the core."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cognito_import.engine import rounds
from cognito_import.errors import ReportError, RequestError
from cognito_import.report import mail
from cognito_import.settings import LOCALES
from stack import definition, environment, handler

USERS = [{"useremail": "a@example.com"}]
ADMIN = "admin@example.com"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings as the template puts them into the function's environment."""
    values = {"user_pool_id": "ap-northeast-1_a", "report_bucket": "bucket", "mail_from": "report@example.com"}
    monkeypatch.setenv("COGNITO_IMPORT", json.dumps(values))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-1")
    environment.settings.cache_clear()
    yield
    environment.settings.cache_clear()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"data": USERS}, "'adminemail' is missing", id="no-admin"),
        pytest.param({"data": [], "adminemail": ADMIN}, "'data' is an empty array", id="no-users"),
        pytest.param({"data": USERS, "adminemail": ADMIN, "report": "no"}, "'report' is a text", id="report"),
        pytest.param({"data": USERS, "adminemail": ADMIN, "engine": "mapped"}, "'engine' is not this one", id="engine"),
        pytest.param({"run": "a", "data": USERS}, "'data' is given beside 'run'", id="run-and-request"),
        pytest.param({"run": "a", "adminemail": "nobody"}, "'adminemail' is a text of 6", id="no-address"),
        pytest.param({"run": "a", "adminemail": None}, "'adminemail' is missing", id="empty-address"),
        pytest.param({"run": ""}, "'run' is an empty text", id="run"),
        pytest.param([], "The request is an empty array", id="no-object"),
    ],
)
def test_wrong_input_is_one_error_that_names_the_key(settings: None, given: Any, named: str) -> None:
    """An input that cannot be run raises RequestError before anything is asked of AWS."""
    event = {"action": "ingest", "input": given, "execution": "e", "state_machine": "m"}
    with pytest.raises(RequestError, match=named):
        handler.handler(event)


def test_engine_of_the_settings_is_this_one(settings: None) -> None:
    """A request without an engine runs on the one that it was sent to."""
    assert environment.settings().engine == "step_functions"


def test_no_error_leaves_with_an_address(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service quotes would go to the log and the history; the sender is nobody's address."""

    def failing(_: dict[str, Any]) -> None:
        message = "The mail from report@example.com to hanako@example.com cannot be sent."
        raise ReportError(message)

    monkeypatch.setitem(handler._ACTIONS, "report", failing)
    with pytest.raises(ReportError, match=r"from report@example\.com to … cannot"):
        handler.handler({"action": "report"})


@pytest.mark.parametrize("kind", ["stopped", "unfinished", "failed"])
def test_what_befell_the_engine_is_told_in_the_language_of_the_mail(kind: str) -> None:
    """The note in the mail is in the mail's language, but for what the service itself said."""
    said = {locale: mail.engine_note(kind, "NoSuchBucket <b>", locale) for locale in LOCALES}
    assert all(note.endswith("NoSuchBucket <b>") for note in said.values())
    assert said["en"].isascii()
    assert not said["ja"].removesuffix("NoSuchBucket <b>").isascii()


def test_every_kind_of_note_that_is_sent_has_its_text() -> None:
    """The definition sends one by itself, and hands on those of a round's end."""
    code = Path(rounds.__file__).read_text(encoding="utf-8") + json.dumps(definition.load())
    assert set(re.findall(r"""(?:kind=|"kind": )"(\w+)""", code)) == {"stopped", "asked", "unfinished", "failed"}
