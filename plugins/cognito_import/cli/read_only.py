"""An S3 client that writes nothing, so that a request can be read and checked without a trace."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from botocore.response import StreamingBody


class ReadOnlyS3:
    """Keeps in memory what is written, and gives it back; all else is the real client's."""

    def __init__(self, s3: Any) -> None:
        """Take the real client."""
        self._s3 = s3
        self._kept: dict[tuple[str, str], bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: Any, **_: object) -> dict[str, Any]:  # noqa: N803 - as boto3
        """Keep the object in memory."""
        self._kept[Bucket, Key] = content = Body if isinstance(Body, bytes) else Body.read()
        return _answer(content)

    def get_object(self, *, Bucket: str, Key: str, **options: Any) -> Any:  # noqa: N803 - as boto3
        """Return the object that was kept, or the real one."""
        content = self._kept.get((Bucket, Key))
        if content is None:
            return self._s3.get_object(Bucket=Bucket, Key=Key, **options)
        body = StreamingBody(io.BytesIO(content), len(content))
        return {**_answer(content), "Body": body, "ContentLength": len(content), "LastModified": datetime.now(UTC)}

    def __getattr__(self, name: str) -> Any:
        """Return a method of the real client."""
        return getattr(self._s3, name)


def _answer(content: bytes) -> dict[str, Any]:
    now = format_datetime(datetime.now(UTC), usegmt=True)
    etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    return {"ETag": etag, "ResponseMetadata": {"HTTPHeaders": {"date": now}}}
