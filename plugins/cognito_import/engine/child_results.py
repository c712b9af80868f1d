"""What the calls of a child of the state machine came to, and what that means for its users.

A child hands over what was answered, each call once. An error is named as Step Functions names it, so it is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cognito_import.engine.completion import concerns
from cognito_import.engine.creation import calls_after
from cognito_import.engine.error_policy import THROTTLES, ErrorPolicy, named, policy_for
from cognito_import.outcomes import SUCCEEDED, Outcome

if TYPE_CHECKING:
    from cognito_import.engine.jobs import Job, Objection
    from cognito_import.request.model import UserRow
    from cognito_import.run.checkpoints import Unsettled
    from cognito_import.run.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Result:
    """What one call of a child came to; `error` is empty for a success. `unsure`: it may have had an effect all the same.

    `user` is what a look-up tells of the user, under the names that AdminGetUser gives it. `at` is its moment, in seconds since
    the epoch, or 0: a success's end, a failure's start.
    """

    call: str
    username: str
    error: str = ""
    message: str = ""
    policy: ErrorPolicy | None = None
    unsure: bool = False
    since: str = ""
    at: float = 0.0
    user: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The error, and what the service said of it."""
        return f"{self.error}: {self.message}"

    @classmethod
    def read(cls, result: dict[str, Any]) -> Result:
        """Return the result as the child hands it over; see `children.store_batch`."""
        at = (result.get("at") or 0) / 1_000
        if not result.get("error"):
            return cls(result["call"], result.get("username") or "", at=at, user=result.get("user") or {})
        failure = named(result["error"], result.get("message") or "")
        policy = policy_for(result["call"], failure.code, failure.status)
        since = datetime.fromtimestamp(at, UTC).isoformat() if at else ""
        fault = policy in (ErrorPolicy.RECHECK, ErrorPolicy.RETRY) and failure.code not in THROTTLES
        unsure = fault or failure.repeated
        return cls(result["call"], "", failure.code, failure.message, policy, unsure, since, at)


def _moment(told: str | float) -> datetime:
    """Return a moment as Step Functions gives it: ISO 8601, or seconds since the epoch."""
    return datetime.fromisoformat(told) if isinstance(told, str) else datetime.fromtimestamp(told, UTC)


def looked_up(row: UserRow, made: list[Result], job: type[Job], objection: Objection) -> Outcome | None:
    """Return the outcome of a user who was looked up and needs, or may have, no other call."""
    if len(made) != 1 or not made[0].user:
        return None
    moments = {name: _moment(told) for name, told in made[0].user.items() if name.endswith("Date")}
    return job.without_call(row, {**made[0].user, **moments, "Username": made[0].username}, objection)


def judged(
    entry: Unsettled, row: UserRow, made: list[Result], *, closed: bool, manifest: Manifest
) -> Outcome | Unsettled | None:
    """Return a user's outcome, or what is known of one who has to be settled, or None for one whom surely no call reached."""
    username = next((result.username for result in made if result.username and not result.error), "")
    entry = replace(entry, username=username)
    failure = next((result for result in made if result.error), None)
    if failure and (failure.unsure or concerns(failure.error, manifest)):  # for the core's worker
        return replace(entry, since=failure.since or entry.since, existed=not failure.unsure)
    if failure and failure.policy is ErrorPolicy.RESULT:
        return Outcome.failed(row.row, row.useremail, failure.error, failure.message, username)
    if not closed:
        return entry
    if made and made[0].call == "AdminGetUser":
        done, needed = [result for result in made[1:] if not result.error], 1
        username = username if done else ""  # found, and surely not changed
    else:
        done, needed = [result for result in made if not result.error], 1 + calls_after(row)
    if not username:
        return None
    if failure is None and len(done) == needed:
        return Outcome(row.row, row.useremail, SUCCEEDED, username=username)
    return entry


def stop_in(made: dict[int, list[Result]], *, gave_up: bool) -> Result | None:
    """Return what every further user would meet too, or what the child gave up for."""
    failures = [result for one in made.values() for result in one if result.error]
    stop = next((one for one in failures if one.policy is ErrorPolicy.STOP), None)
    return stop or (failures[-1] if gave_up and failures else None)
