"""One bucket, with conditional writes, ranges and lists."""

from __future__ import annotations

import hashlib
import io
import json
import types
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.response import StreamingBody

from .clock import Actor, Clock
from .service import BUCKET, URL, Service, failed
from .weather import Weather

MAX_READ_SECONDS = 30.0


class S3(Service):
    """One bucket."""

    name = "s3"

    def __init__(self, clock: Clock, weather: Weather) -> None:
        super().__init__(clock, weather)
        self.objects: dict[str, tuple[bytes, str, float]] = {}
        self.settled: dict[tuple[str, int], float] = {}
        """When the outcome of each row of each run was first stored."""
        self.leased: dict[tuple[Actor, int], float] = {}
        """When each worker took the lease of each batch."""
        self.slowness = clock.random.choice((0, 0, 0.01, 0.05))

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: Any,  # noqa: N803
        IfNoneMatch: str = "",  # noqa: N803
        IfMatch: str = "",  # noqa: N803
        **_: Any,
    ) -> Any:
        content = Body if isinstance(Body, bytes) else Body.read()
        caller = self.clock.actor.origin

        def effect() -> Any:
            stored = self.objects.get(Key)
            if IfMatch and stored is None:
                raise self._failed("NoSuchKey", 404, "PutObject")
            if stored and (IfNoneMatch or IfMatch not in ("", stored[1])):
                raise self._failed("PreconditionFailed", 412, "PutObject")
            tag = f'"{hashlib.md5(content).hexdigest()}"'  # noqa: S324 - as S3 does
            self.objects[Key] = content, tag, self.clock.now
            self._note(Key, content, caller)
            return {"ETag": tag, **self._told()}

        def repeated(error: Exception) -> Exception:
            # botocore repeats it, and meets what it wrote itself.
            return (
                self._failed("PreconditionFailed", 412, "PutObject") if IfNoneMatch and Key in self.objects else error
            )

        try:
            return self._call("PutObject", Bucket, effect)
        except (ReadTimeoutError, ConnectionClosedError) as error:
            raise repeated(error) from None

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> Any:  # noqa: N803
        def effect() -> Any:
            content, tag, at = self._required(Key, "NoSuchKey", "GetObject")
            if IfMatch not in ("", tag):
                raise self._failed("PreconditionFailed", 412, "GetObject")
            if Range:
                first, last = map(int, Range.removeprefix("bytes=").split("-"))
                content = content[first : last + 1]
            body = StreamingBody(io.BytesIO(content), len(content))  # type: ignore[arg-type]
            return {"Body": body, "ETag": tag, "LastModified": self._second(at), **self._told()}

        return self._call("GetObject", Bucket, effect)

    def head_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        def effect() -> Any:
            _, tag, at = self._required(Key, "404", "HeadObject")
            return {"ETag": tag, "LastModified": self._second(at), **self._told()}

        return self._call("HeadObject", Bucket, effect)

    def head_bucket(self, *, Bucket: str) -> Any:  # noqa: N803
        return self._call("HeadBucket", Bucket, self._told)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return types.SimpleNamespace(paginate=self._pages)

    def generate_presigned_url(self, *_: Any, **__: Any) -> str:
        return f"{URL}/?X-Amz-Algorithm=AWS4-HMAC-SHA256"

    def delete_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        def effect() -> Any:
            self.objects.pop(Key, None)
            return self._told()

        return self._call("DeleteObject", Bucket, effect)

    def _pages(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> Iterator[Any]:  # noqa: N803
        after = StartAfter
        while True:

            def effect(after: str = after) -> Any:
                keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > after)
                listed = [{"Key": key, "LastModified": self._second(self.objects[key][2])} for key in keys[:1000]]
                return {"Contents": listed, **self._told()}

            page = self._call("ListObjectsV2", Bucket, effect)
            yield page
            if len(page["Contents"]) < 1000:
                return
            after = page["Contents"][-1]["Key"]

    def _call(self, operation: str, bucket: str, effect: Callable[[], Any]) -> Any:
        assert bucket == BUCKET
        slow = 0.0
        if not self.weather.calm and self.clock.random.random() < self.slowness:
            slow = self.clock.random.choice((3.0, 20.0, 90.0))  # botocore repeats for so long
        # What is read is as old as its last attempt; what is written may have been written by the first.
        return self.call(operation, effect, slow=slow, lag=1e9 if operation == "PutObject" else MAX_READ_SECONDS)

    def _required(self, key: str, code: str, operation: str) -> tuple[bytes, str, float]:
        if key not in self.objects:
            raise self._failed(code, 404, operation)
        return self.objects[key]

    def _failed(self, code: str, status: int, operation: str) -> ClientError:
        return failed(code, "no such thing", status, operation, self._told()["ResponseMetadata"]["HTTPHeaders"]["date"])

    def _told(self) -> Any:
        date = format_datetime(self.clock.moment(), usegmt=True)
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"date": date}}}

    def _second(self, at: float) -> datetime:
        return self.clock.moment(at - self.clock.now).replace(microsecond=0)

    def _note(self, key: str, content: bytes, caller: Actor) -> None:
        if "/leases/" in key:
            self.leased[caller, int(key[-5:])] = self.clock.now
        if "/outcomes/" in key:
            for outcome in json.loads(content)["outcomes"]:
                self.settled.setdefault((key.split("/")[1], outcome["row"]), self.clock.now)
