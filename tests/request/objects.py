"""An S3 object as the source of a request."""

import io
from datetime import UTC, datetime

from botocore.response import StreamingBody

from cognito_import.request.model import ImportRequest
from cognito_import.request.sources import Users

TARO = "山田太郎"


class OneObject:
    """An S3 that holds one object, for tests that read many."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get_object(self, **_):
        """Answer as S3 does."""
        body = StreamingBody(io.BytesIO(self.content), len(self.content))
        written = datetime(2026, 1, 1, tzinfo=UTC)
        return {"Body": body, "ContentLength": len(self.content), "ETag": '"etag"', "LastModified": written}


def source(content: bytes, name: str = "users.csv", jobtype: str = "import", cells=None) -> Users:
    """Return the users of a request whose source holds `content`."""
    return Users(
        ImportRequest("admin@example.com", jobtype, "mapped", source=("bucket", name)), OneObject(content), cells
    )


def read(content: bytes, name: str = "users.csv"):
    """Return the users as in `data`."""
    return [given.user for given in source(content, name)]
