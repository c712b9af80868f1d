"""What Step Functions allows an execution, and the sizes of its payloads.

Follows "Step Functions service quotas".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ministack.services import stepfunctions as sfn


@dataclass
class Limits:
    """What AWS allows an execution; changed only to test a limit without reaching it."""

    history_events: int = 25_000
    payload_bytes: int = 256 * 1024
    express_seconds: float = 300.0
    inline_map_concurrency: int = 40


LIMITS = Limits()


@dataclass
class Figures:
    """What was seen since the last reset."""

    largest_payload: int = 0
    """Bytes of the largest payload of a state, or set of variables of one Assign."""

    def clear(self) -> None:
        """Begin anew."""
        self.largest_payload = 0


FIGURES = Figures()


def text_of(data: Any) -> str:
    """Return `data` as the JSON that payloads and histories show."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def size_of(data: Any) -> int:
    """Return the bytes of a payload, and remember the largest."""
    size = len(text_of(data).encode())
    FIGURES.largest_payload = max(FIGURES.largest_payload, size)
    return size


def check_size(data: Any, name: str) -> None:
    """Raise States.DataLimitExceeded if `data`, a payload of state `name`, is larger than 256 KiB."""
    if size_of(data) > LIMITS.payload_bytes:
        raise sfn._ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )
