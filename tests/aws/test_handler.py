"""The function's own part: reading the input of an execution. The rest of it is the core."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from aws import handler
from cognito_import.errors import RequestError

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
