"""Errors that leave a task or the function name nobody."""

from __future__ import annotations

import traceback

import pytest
from botocore.exceptions import ClientError

from cognito_import.addresses import hidden, hide_in
from cognito_import.errors import ReportError

SENDER = "report@example.com"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("User hanako@example.com exists.", "User … exists.", id="plain"),
        pytest.param('{"useremail":"a.b+c@example.co.jp","row":1}', '{"useremail":"…","row":1}', id="json"),
        pytest.param(r"{\"useremail\": \"a@example.com\"}", r"{\"useremail\": \"…\"}", id="json-in-json"),
        pytest.param("'o@example.com' <p@example.com>, q@example.com; r", "'…' <…>, …; r", id="marks"),
        pytest.param("mailto:a@example.com s3://b/in/a@example.com", "mailto:… s3://b/in/…", id="in-an-address"),
        pytest.param("花子@例え.jp", "…", id="beyond-ascii"),
        pytest.param("The sender 'Report@example.com' is not", "The sender 'Report@example.com' is not", id="sender"),
        pytest.param("s3://bucket/key: 5 of 20 users @ once", "s3://bucket/key: 5 of 20 users @ once", id="none"),
    ],
)
def test_addresses_are_hidden_wherever_they_stand_in_a_text(text: str, left: str) -> None:
    """All but the sender's, which no person has."""
    assert hidden(text, {SENDER}) == left


class OddError(Exception):
    """An error whose text is not made of its arguments."""

    def __str__(self) -> str:
        """Name somebody."""
        return "hanako@example.com"


def test_a_traceback_shows_no_address() -> None:
    """Neither the error nor what caused it, nor a note; what cannot be changed is left out."""
    answer = {"Error": {"Code": "InvalidParameterException", "Message": "hanako@example.com is taken"}}
    try:
        try:
            try:
                raise OddError
            except OddError:
                raise ClientError(answer, "AdminCreateUser")  # noqa: B904 - a context, not a cause
        except ClientError as error:
            error.add_note("of hanako@example.com")
            message = f"The mail from {SENDER} to hanako@example.com cannot be sent: {error}"
            raise ReportError(message) from error
    except ReportError as failed:
        hide_in(failed, {SENDER})
        shown = "".join(traceback.format_exception(failed))
        assert str(failed).startswith(f"The mail from {SENDER} to … cannot be sent")
    assert "hanako" not in shown
    assert "AdminCreateUser" in shown
