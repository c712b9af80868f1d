"""What a dry run expects of the real run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from cognito_import.engine.pace import expected_seconds
from cognito_import.run import pace

if TYPE_CHECKING:
    from cognito_import.run.checkpoints import Progress
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings


class Expected(NamedTuple):
    """What a real run would take: how many calls to Cognito, and how many minutes at the least."""

    calls: int
    minutes: int


def expected(folder: RunFolder, settings: Settings, progress: Progress) -> Expected:
    """Return what the real run takes, by the `progress` of the dry run."""
    seconds = expected_seconds(progress.calls, settings, pace.read(folder))
    return Expected(progress.calls.total(), math.ceil(seconds / 60))
