"""What S3 documents and the emulator leaves out: without s3:ListBucket a missing key is AccessDenied."""

from __future__ import annotations

import functools
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import s3

from sandbox.aws.responses import Response, error_response

NOT_FOUND = 404


def install() -> None:
    """Answer GetObject and HeadObject of a missing key with 403 for a caller without s3:ListBucket.

    Follows "Permissions" in the API Reference of GetObject.
    """
    handler = s3.handle_request

    @functools.wraps(handler)
    async def handle(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        **more: Any,  # of a bucket named by the host: the path as it was signed
    ) -> Response:
        answer: Response = await handler(method, path, headers, body, query, **more)
        bucket, _, key = path.strip("/").partition("/")
        caller = extract_access_key_id(headers, query)
        if answer[0] == NOT_FOUND and method in {"GET", "HEAD"} and key and caller:
            denied = iam_evaluator.enforce(caller, "s3:ListBucket", "s3", get_region(), f"arn:aws:s3:::{bucket}")
            if denied and (method == "HEAD" or b"NoSuchKey" in answer[2]):
                return error_response("s3", "AccessDenied", "Access Denied", 403)
        return answer

    s3.handle_request = handle
