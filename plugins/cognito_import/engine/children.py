"""What a child of the state machine's Map is given, and what it hands back.

A child makes the plain calls, each once, and says what was answered. Here, and not in the state machine, it is decided
what that means: a user is finished, or unsettled if a call may have reached it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cognito_import.engine import breaker
from cognito_import.engine.calls import BACKOFF
from cognito_import.engine.child_results import Result, judged, looked_up, stop_in
from cognito_import.engine.claims import Claim
from cognito_import.engine.creation import calls_after
from cognito_import.engine.error_policy import THROTTLES, ErrorPolicy, codes, common_results
from cognito_import.engine.pacing import CALM_SECONDS, pauses
from cognito_import.engine.plan import MAX_BATCH_BYTES, MAX_BATCH_USERS
from cognito_import.engine.precedence import Precedence
from cognito_import.engine.shared_rate import UNHINDERED, SharedRate
from cognito_import.engine.user_pool import JOBS
from cognito_import.outcomes import Outcome
from cognito_import.run import daily_limit
from cognito_import.run.checkpoints import Checkpoint, Progress, Unsettled, Work, add_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.request.model import UserRow
    from cognito_import.run.folder import RunFolder
    from cognito_import.settings import Settings

JSON = dict[str, Any]

MAX_CHILD_SECONDS: Final = 220
"""A child begins no user later than this, so that it ends within the five minutes that an EXPRESS execution has."""
DRAIN_SECONDS: Final = 20
"""For how much longer it makes the calls that users it has begun still need."""
CALL_SECONDS: Final = 25
"""What its last call takes at most, and a moment more: then it makes no further one."""
LOOKED_UP_AT_ONCE: Final = 10
"""Users whose names a child stores together, before it deletes, disables or enables them."""


def first_call(row: UserRow, settings: Settings, jobtype: str) -> JSON:
    """Return a user as a child gets it: the first call with its arguments, and what follows it."""
    return {"row": row.row, **JOBS[jobtype].first_call(row, settings)}


def weight(row: UserRow, settings: Settings, jobtype: str) -> int:
    """Return the bytes that a user takes in a state, at most: JSON may escape what is not ASCII."""
    return len(json.dumps(first_call(row, settings, jobtype))) + 1


def begin_batch(folder: RunFolder, settings: Settings, number: int, round_number: int, *, nobody: bool = False) -> JSON:
    """Return what a child needs to work on batch `number`, after it was stored that its users may be called for.

    Nobody (also if `nobody` says so) is given to a child that is started a second time, as AWS may do with an EXPRESS
    execution: what the first one has done is settled later. `deadline` and `last` are until when the child may begin
    users, and make calls, in milliseconds since the epoch.
    """
    manifest = folder.required_manifest()
    settings = manifest.applied_to(settings)
    rate = SharedRate(folder).exchange(throttled=False) or UNHINDERED
    pause, first_pause = pauses(settings.pacing_seconds, min(1.0, rate.after(0.0)), number)
    users: list[JSON] = []
    until = 0
    if not nobody and not manifest.dry_run and folder.stopped_round(round_number) is None:
        progress = Progress()
        for checkpoint, _ in folder.checkpoints(number):
            progress.add(checkpoint)
        waits = daily_limit.waiting(folder, manifest)
        rows = [
            row
            for row in folder.rows(manifest.batches[number - 1])
            if row.row not in progress.outcomes
            and row.row not in progress.unsettled
            and not waits(row.row)
            and weight(row, settings, manifest.jobtype) <= MAX_BATCH_BYTES
        ]
        calls = max(len(rows), sum(map(calls_after, rows)))  # of the busier quota category
        seconds = min(MAX_CHILD_SECONDS, 20 + 2 * first_pause * calls)
        since = folder.now()
        until = int((since.timestamp() + seconds) * 1_000)
        begun = Checkpoint(
            unsettled=[Unsettled(row.row, row.useremail, since.isoformat()) for row in rows],
            busy_seconds=seconds + DRAIN_SECONDS + CALL_SECONDS,
            work=Work(since.timestamp()),
        )
        if rows and folder.begin_checkpoint(number, _token(round_number), begun):
            # `settle` has made sure that no other run is at these users; now none begins.
            _claim(folder, number, round_number, rows, begun.busy_seconds).write()
            users = [first_call(row, settings, manifest.jobtype) for row in rows]
    return {
        "users": users,
        "pause": pause,
        "first_pause": first_pause,
        "longest_pause": max(int(BACKOFF.longest), pause),
        "calm_seconds": CALM_SECONDS,
        "deadline": until,
        "last": until + DRAIN_SECONDS * 1_000,
        # Of an import the next user is created while the one before joins its groups; others are looked up well ahead.
        "ahead": 1 if manifest.jobtype == "import" else 2 * LOOKED_UP_AT_ONCE,
        "at_once": LOOKED_UP_AT_ONCE,
        "throttles": sorted(THROTTLES),
        "own_errors": codes(ErrorPolicy.RESULT, ErrorPolicy.RECHECK),
        "stops": codes(ErrorPolicy.STOP),
        # After so many users who all failed with one of these a child ends, and it is judged here whether the run does.
        "common_errors": common_results(),
        "alike": breaker.share(manifest, settings.slots) if round_number == 1 else MAX_BATCH_USERS["step_functions"],
    }


def store_batch(  # noqa: PLR0913 - what a child hands over
    folder: RunFolder,
    number: int,
    round_number: int,
    results: list[JSON],
    *,
    closed: bool,
    gave_up: bool,
    slowed: bool = False,
    throttles: int = 0,
    slow_seconds: float = 0.0,
) -> list[int]:
    """Store what a child made of its batch: `results` in the order of its calls, all of them if it is `closed`.

    Returns the rows that have their outcome: the child calls for none of them any more, be it to change a user who may not
    be changed. Storing again, be it late, changes nothing. A result is `row`, `call`, `username`, of a look-up `user`, and
    `at`, its end in milliseconds since the epoch; a call that failed has also `error`, the name that Step Functions gave it,
    and `message`, and its `at` is the start of a first call, else 0. `gave_up` says that the child ended early because the
    service failed several users one after another, `slowed` that throttles have made it slower than it began: then all slots
    go slower. It met `throttles`, and for `slow_seconds` it went slower than its pace.
    """
    manifest = folder.required_manifest()
    token = _token(round_number)
    rows = {row.row: row for row in folder.rows(manifest.batches[number - 1])}
    made: dict[int, list[Result]] = {}
    for result in results:
        made.setdefault(result["row"], []).append(Result.read(result))
    stop = stop_in(made, gave_up=gave_up)
    lacking = stop if stop and stop.policy is ErrorPolicy.STOP and manifest.jobtype == "import" else None
    if stop is not None:
        folder.stop_round(round_number, stop.told, temporary=stop.policy is not ErrorPolicy.STOP)
    objection = Precedence(folder, rows.values()).objection
    while True:
        begun, version = folder.checkpoint(number, token)
        if begun.closed:
            return [outcome.row for outcome in begun.outcomes]
        checkpoint = Checkpoint(begun.outcomes, [], closed, stop.told if stop else None, begun.busy_seconds)
        for entry in begun.unsettled:
            row, results_of = rows[entry.row], made.get(entry.row, [])
            state = looked_up(row, results_of, JOBS[manifest.jobtype], objection) or judged(
                entry, row, results_of, closed=closed, manifest=manifest
            )
            _add(checkpoint, state, lacking)
        if begun.work:
            work = Work(begun.work.began, folder.now().timestamp() - begun.work.began, slow_seconds, throttles)
            checkpoint.work = _with_steps(work, checkpoint.outcomes, made)
        if folder.replace_checkpoint(number, token, checkpoint, version):
            break
    if closed:
        _claim(folder, number, round_number, rows.values()).withdraw()
    if slowed:
        SharedRate(folder).exchange(throttled=True)
    breaker.stop_round_if_alike(folder, round_number, checkpoint)
    return [outcome.row for outcome in checkpoint.outcomes]


def _add(checkpoint: Checkpoint, state: Outcome | Unsettled | None, lacking: Result | None) -> None:
    if isinstance(state, Outcome):
        checkpoint.outcomes.append(state)
    elif state is not None:
        if state.username and lacking:  # it is there, and lacks what the error names
            state = replace(state, reason=lacking.told)
        checkpoint.unsettled.append(state)


def _with_steps(work: Work, outcomes: Iterable[Outcome], made: dict[int, list[Result]]) -> Work:
    """Return the work with when each user was finished, by its last call. When a child was throttled only its end tells."""
    moments = (max((result.at for result in made.get(outcome.row, ())), default=0.0) for outcome in outcomes)
    for moment in sorted(moments):
        add_step(work.steps, moment - work.began, 1)
    add_step(work.steps, work.seconds, 0, work.throttles)
    return work


def _claim(
    folder: RunFolder, number: int, round_number: int, rows: Iterable[UserRow], busy_seconds: float = 0.0
) -> Claim:
    return Claim(folder, number, _token(round_number), rows, busy_seconds)


def _token(round_number: int) -> str:
    return f"round-{round_number:03d}"
