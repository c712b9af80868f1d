"""All checkpoints of a run, merged."""

from datetime import UTC, datetime, timedelta

import pytest

from cognito_import.run.checkpoints import Checkpoint, StoredPart, stops

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def checkpoint(seconds, stopped=None):
    """Return a checkpoint that was stored some seconds after the first one."""
    return StoredPart(Checkpoint(closed=True, stopped=stopped), 0.0, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("reverse", [False, True])
def test_only_what_stopped_the_latest_worker_is_said(reverse):
    """What stopped an earlier one may have been fixed since; parts are listed by their tokens, which are random."""
    stored = [
        (1, checkpoint(0, "AccessDeniedException: Not you.")),
        (1, checkpoint(60)),
        (2, checkpoint(1, "AccessDeniedException: Not you.")),
        (2, checkpoint(61, "ExpiredTokenException: Over.")),
        (3, checkpoint(62, "InAnotherRun: Wait.")),
    ]
    found = stops(stored[::-1] if reverse else stored)
    assert list(found.items()) == [(3, "InAnotherRun: Wait."), (2, "ExpiredTokenException: Over.")]
