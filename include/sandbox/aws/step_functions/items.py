"""What a Map state works on. Follows "ItemReader (Map)" and "ItemSelector (Map)" in the AWS documentation."""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import json
from typing import Any

from ministack import app
from ministack.core.responses import get_region
from ministack.services import stepfunctions as sfn

from sandbox.aws.responses import Response
from sandbox.aws.step_functions.runs import current, idle
from sandbox.aws.step_functions.tasks import denial

JSON = dict[str, Any]
Item = tuple[dict[str, Any], Any]
"""The item's entry in the context object (Index, Value) and what it is passed on as."""
ATTEMPTS = 3
"""When it reads items, Step Functions rides out an outage of a moment."""


def field(state: JSON, name: str, data: Any, context: JSON) -> Any:
    """Return a field that may be an expression, 0 if there is none."""
    return sfn._apply_jsonata_template(state.get(name, 0), data, context)


def items_of(state: JSON, data: Any, context: JSON) -> list[Item]:
    """Return the items of a Map state, in order, after its ItemSelector."""
    if "ItemReader" in state:
        values = _read(field(state["ItemReader"], "Arguments", data, context))
    else:
        values = sfn._apply_jsonata_template(state.get("Items", data), data, context)
    if not isinstance(values, list):
        raise sfn._ExecutionError("States.QueryEvaluationError", "The Items of a Map state must be an array")
    entries = [{"Index": number, "Value": value} for number, value in enumerate(values)]
    if "ItemSelector" not in state:
        return [(entry, entry["Value"]) for entry in entries]
    selector = state["ItemSelector"]
    return [
        (entry, sfn._apply_jsonata_template(selector, data, {**context, "Map": {"Item": entry}})) for entry in entries
    ]


def _read(where: JSON) -> Any:
    """Return the JSON array that an object in S3 holds."""
    bucket, key = where["Bucket"], where["Key"]
    message = denial("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
    if message:
        raise sfn._ExecutionError("States.ItemReaderFailed", f"AccessDenied: {message}")
    with idle():
        status, _, body = _get(bucket, key)
    text = body.decode("utf-8-sig", "replace")
    if status != 200:  # noqa: PLR2004
        code = text.partition("<Code>")[2].partition("</Code>")[0]
        # Without s3:ListBucket a missing key is AccessDenied.
        hidden = code == "NoSuchKey" and denial("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        raise sfn._ExecutionError("States.ItemReaderFailed", "AccessDenied" if hidden else code or f"HTTP {status}")
    try:
        values = json.loads(text)
    except ValueError as error:
        raise sfn._ExecutionError("States.ItemReaderFailed", f"Attempting to parse JSON failed: {error}") from error
    if not isinstance(values, list):
        raise sfn._ExecutionError("States.ItemReaderFailed", "Attempting to read an array of items from JSON failed")
    return values


def _get(bucket: str, key: str) -> Response:
    # Whether the role may do this is checked before; the emulator's own check only wants some credential.
    credential = f"AWS4-HMAC-SHA256 Credential=test/20260101/{get_region()}/s3/aws4_request"
    headers = {"authorization": credential, "content-length": "0", "host": "s3.amazonaws.com"}
    for attempt in range(ATTEMPTS):
        answer: Response = app.call_service_handler_sync(
            app.SERVICE_HANDLERS["s3"], "GET", f"/{bucket}/{key}", headers, b"", {}
        )
        if answer[0] < 500:  # noqa: PLR2004
            break
        current.get().pause(0.1 * 2**attempt)
    return answer
