"""S3 in a state machine: the tasks that read and write objects, a Map's items and its results.

Follows "Learning to use AWS service SDK integrations" and the S3 API Reference (GetObject, PutObject). An
object's body is a string in the workflow. What is written is the JSON of the task's `Body`, so that an object
becomes a JSON document, and a string a JSON string, quotes included.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any

from ministack import app
from ministack.core.responses import get_region

from local_aws.answers import Answer
from local_aws.step_functions.runs import current

JSON = dict[str, Any]
ATTEMPTS = 3
"""When it reads items or writes results, Step Functions rides out an outage of a moment."""

REQUEST_HEADERS = {
    "ContentType": "content-type",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "Range": "range",
    "ServerSideEncryption": "x-amz-server-side-encryption",
}
RESULT_HEADERS = {
    "accept-ranges": "AcceptRanges",
    "content-range": "ContentRange",
    "content-type": "ContentType",
    "etag": "ETag",
    "last-modified": "LastModified",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-version-id": "VersionId",
}


def read_object(bucket: str, key: str) -> Answer:
    """GET an object as Step Functions itself does."""
    return _patiently("GET", bucket, key, b"")


def write_object(bucket: str, key: str, body: bytes) -> Answer:
    """PUT an object as Step Functions itself does."""
    return _patiently("PUT", bucket, key, body)


def perform(operation: str, arguments: JSON) -> Answer:
    """Make the request of a task, `operation` "GetObject" or "PutObject"."""
    headers = {name: str(arguments[key]) for key, name in REQUEST_HEADERS.items() if key in arguments}
    headers |= {f"x-amz-meta-{name.lower()}": str(value) for name, value in arguments.get("Metadata", {}).items()}
    body = b""
    if operation == "PutObject" and "Body" in arguments:
        body = json.dumps(arguments["Body"], ensure_ascii=False, separators=(",", ":")).encode()
    return _request("PUT" if operation == "PutObject" else "GET", arguments["Bucket"], arguments["Key"], body, headers)


def result_of(answer: Answer) -> JSON:
    """Return the result of a task from its successful answer."""
    headers = {name.lower(): value for name, value in answer[1].items()}
    result: JSON = {name: headers[header] for header, name in RESULT_HEADERS.items() if header in headers}
    if "LastModified" in result:
        result["LastModified"] = parsedate_to_datetime(result["LastModified"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    if answer[2]:
        result["Body"] = answer[2].decode("utf-8", "replace")
        result["ContentLength"] = len(answer[2])
        result["Metadata"] = {
            name.removeprefix("x-amz-meta-"): value for name, value in headers.items() if name.startswith("x-amz-meta-")
        }
    return result


def _patiently(method: str, bucket: str, key: str, body: bytes) -> Answer:
    for attempt in range(ATTEMPTS):
        answer = _request(method, bucket, key, body, {"content-type": "application/json"})
        if answer[0] < 500:  # noqa: PLR2004
            break
        current.get().sleep(0.1 * 2**attempt)
    return answer


def _request(method: str, bucket: str, key: str, body: bytes, headers: dict[str, str]) -> Answer:
    # Whether the role may do this is checked before; the emulator's own check only wants some credential.
    credential = f"AWS4-HMAC-SHA256 Credential=test/20260101/{get_region()}/s3/aws4_request"
    framing = {"authorization": credential, "content-length": str(len(body)), "host": "s3.amazonaws.com"}
    answer: Answer = app.call_service_handler_sync(
        app.SERVICE_HANDLERS["s3"], method, f"/{bucket}/{key}", {**headers, **framing}, body, {}
    )
    return answer


def error_of(answer: Answer) -> tuple[str, str]:
    """Return code and message of an S3 error answer."""
    text = answer[2].decode("utf-8", "replace") if isinstance(answer[2], bytes) else str(answer[2])
    code, message = (text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0] for tag in ("Code", "Message"))
    return code or "S3Exception", message or f"HTTP status {answer[0]}"
