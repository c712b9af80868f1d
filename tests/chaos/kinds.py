"""The kinds of runs that seeds are drawn for."""

from __future__ import annotations

from typing import Any

from cognito_import.settings import ENGINES

from .dry_run import DryRun
from .requests import BASES
from .run import Run
from .undo import Undo

__all__ = ("ENGINES", "KINDS")

KINDS: dict[str, type[Any]] = {**dict.fromkeys(BASES, Run), "undo": Undo, "dry-run": DryRun}
"""What a kind is called, and what plays it."""
