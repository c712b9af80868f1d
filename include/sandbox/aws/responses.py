"""Answers in the form in which each AWS service words an error.

An answer is what every service handler returns: `(HTTP status, headers, body)`.
"""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

Response = tuple[int, dict[str, str], Any]

DROP_HEADER = "x-local-drop"
"""A response with this header never reaches an HTTP client: its connection is cut instead."""


def json_response(content: dict[str, Any], status: int = 200) -> Response:
    """Answer `content` as the JSON services do."""
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()


def error_response(service: str, code: str, message: str, status: int = 400) -> Response:
    """Answer an error of `service` ("s3" and "ses" speak XML, the others JSON)."""
    if service == "s3":
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(code)}</Code>'
            f"<Message>{escape(message)}</Message></Error>"
        )
        return status, {"Content-Type": "application/xml"}, body.encode()
    if service == "ses":
        kind = "Sender" if status < 500 else "Receiver"  # noqa: PLR2004
        body = (
            f'<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>{kind}</Type>'
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
        )
        return status, {"Content-Type": "text/xml"}, body.encode()
    answer = json_response({"__type": code, "message": message}, status)
    answer[1]["x-amzn-errortype"] = code
    return answer


def lost_response(moment: str) -> Response:
    """Answer for a connection that breaks `moment` ("drop_before" or "drop_after") the call took effect.

    Over HTTP the connection is cut. A state machine has no connection to lose; it sees the error name
    that an AWS SDK integration reports when the client gives up.
    """
    status, headers, body = json_response(
        {"__type": "SdkClientException", "message": "Unable to execute HTTP request: Connection reset"}, 500
    )
    return status, {**headers, DROP_HEADER: moment}, body


def error_code(answer: Response) -> str:
    """Return the error code of a JSON answer, or "" if it is a success."""
    status, headers, body = answer
    if status < 400:  # noqa: PLR2004
        return ""
    if DROP_HEADER in headers:
        return headers[DROP_HEADER]
    try:
        return str(json.loads(body)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}"
