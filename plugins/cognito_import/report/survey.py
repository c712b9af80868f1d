"""What the users of a deletion are like, for whoever has to approve it: their status, their groups, who was changed lately."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cognito_import.engine.calls import Calls, UserFailedError
from cognito_import.engine.completion import groups_of
from cognito_import.engine.pacing import Pacer
from cognito_import.errors import CallsStoppedError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.run.folder import RunFolder

MAX_USERS: Final = 100
"""Users who are looked up: all of a shorter list, else as many, spread evenly over it."""
MAX_SECONDS: Final = 30.0
"""For how long users are looked up; who approves is asked about those."""
LATELY: Final = timedelta(days=30)
_SECONDS_BETWEEN_CALLS: Final = 0.05
"""A sixth of the quota for looking users up, and two fifths of that for their groups."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Survey:
    """Counts of the users that were `looked_up`: by status, by group, who is `missing`, who was `changed` within LATELY."""

    looked_up: int = 0
    missing: int = 0
    changed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)


def survey(folder: RunFolder, cognito: CognitoIdentityProviderClient, now: datetime) -> Survey | None:
    """Look up the run's users, or a sample of them; None if that is not possible. Raises RunFolderError."""
    manifest = folder.required_manifest()
    every = max(1, -(-(manifest.users - manifest.rejected_rows) // MAX_USERS))
    calls = Calls(cognito, manifest.user_pool_id, Pacer(_SECONDS_BETWEEN_CALLS))
    found, until = Survey(), time.monotonic() + MAX_SECONDS
    try:
        for place, row in enumerate(folder.all_rows()):
            if time.monotonic() > until:
                break
            if place % every == 0:
                _add(found, calls, row.username or row.useremail, now)
    except (CallsStoppedError, UserFailedError) as error:
        log.warning("The question does not say what the users are like; they could not be looked up: %s", error)
        return None
    return found


def _add(found: Survey, calls: Calls, name: str, now: datetime) -> None:
    try:
        user = calls.make("AdminGetUser", Username=name)
    except UserFailedError as failure:
        if failure.code != "UserNotFoundException":
            raise
        found.missing += 1
    else:
        found.statuses[user["UserStatus"]] += 1
        found.changed += user["UserLastModifiedDate"] > now - LATELY
        found.groups.update(groups_of(calls, str(user["Username"])) or {""})
    found.looked_up += 1
