"""What the pages of results share: at which commit and on what they were measured, and rows that stay until measured anew."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path


def commit() -> str:
    """Return the short hash of the commit that is checked out."""
    shown = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or "unknown"


def machine() -> str:
    """Return the machine's cores and the Python version, in words."""
    return f"{os.cpu_count()} cores for everything, Python {platform.python_version()}"


def rows_of(page: Path, keys: Iterable[str]) -> dict[str, str]:
    """Return the rows of an earlier page that begin with one of the keys, by key."""
    lines = page.read_text().splitlines() if page.exists() else []
    return {key: line for key in keys for line in lines if line.startswith(key)}
