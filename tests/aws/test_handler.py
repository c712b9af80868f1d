"""The function's own part: reading the input of an execution. The rest of it is the core."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from aws import definition, handler
from cognito_import import mail
from cognito_import.errors import RequestError
from cognito_import.settings import LOCALES

USERS = [{"useremail": "a@example.com"}]
ADMIN = "admin@example.com"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings as the template puts them into the function's environment."""
    values = {"user_pool_id": "ap-northeast-1_a", "report_bucket": "bucket", "mail_from": "report@example.com"}
    monkeypatch.setenv("COGNITO_IMPORT", json.dumps(values))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-1")
    handler.settings.cache_clear()
    yield
    handler.settings.cache_clear()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"data": USERS}, "'adminemail' is missing", id="no-admin"),
        pytest.param({"data": [], "adminemail": ADMIN}, "'data' is an empty array", id="no-users"),
        pytest.param({"data": USERS, "adminemail": ADMIN, "report": "no"}, "'report' is a text", id="report"),
        pytest.param({"data": USERS, "adminemail": ADMIN, "engine": "mapped"}, "'engine' is not this one", id="engine"),
        pytest.param({"run": "a", "adminemail": ADMIN}, "'adminemail' is given beside 'run'", id="run-and-request"),
        pytest.param({"run": ""}, "'run' is an empty text", id="run"),
        pytest.param([], "The request is an empty array", id="no-object"),
    ],
)
def test_wrong_input_is_one_error_that_names_the_key(settings: None, given: Any, named: str) -> None:
    """An input that cannot be run raises RequestError before anything is asked of AWS."""
    event = {"action": "take_in", "input": given, "execution": "e", "state_machine": "m"}
    with pytest.raises(RequestError, match=named):
        handler.handler(event)


def test_engine_of_the_settings_is_this_one(settings: None) -> None:
    """A request without an engine runs on the one that it was sent to."""
    assert handler.settings().engine == "step_functions"


@pytest.mark.parametrize("kind", ["stopped", "unfinished", "failed"])
def test_what_befell_the_engine_is_told_in_the_language_of_the_mail(kind: str) -> None:
    """The note in the mail is in the mail's language, but for what the service itself said."""
    said = {locale: mail.engine_note(kind, "NoSuchBucket <b>", locale) for locale in LOCALES}
    assert all(note.endswith("NoSuchBucket <b>") for note in said.values())
    assert said["en"].isascii()
    assert not said["ja"].removesuffix("NoSuchBucket <b>").isascii()


def test_kinds_of_notes_are_those_that_the_definition_sends() -> None:
    """Every kind that the state machine can send has its text."""
    kinds = set(re.findall(r'"kind": "(\w+)"', json.dumps(definition.load())))
    assert kinds == {"stopped", "unfinished", "failed"}
