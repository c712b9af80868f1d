"""All checkpoints of a run, merged."""

from datetime import UTC, datetime, timedelta

import pytest

from cognito_import.outcomes import SUCCEEDED, WOULD_CREATE, Outcome
from cognito_import.run.checkpoints import Checkpoint, Progress, StoredPart, stops

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


def test_calls_that_two_workers_foresee_for_one_user_count_once():
    """A worker of a dry run that was taken for dead goes on beside the next one, and both store the users of one batch."""
    outcomes = [Outcome(row, f"{row}@example.com", SUCCEEDED, code=WOULD_CREATE) for row in (1, 2, 3)]
    needed = [["AdminCreateUser", "AdminAddUserToGroup"], ["AdminCreateUser"], ["AdminCreateUser", "AdminDisableUser"]]
    progress = Progress()
    progress.add(Checkpoint(outcomes[:2], calls=needed[:2]))
    progress.add(Checkpoint(outcomes[1:], calls=needed[1:]))
    assert progress.calls == {"AdminCreateUser": 3, "AdminAddUserToGroup": 1, "AdminDisableUser": 1}
