"""Splitting a run's rows into batches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cognito_import.run.manifest import Batch, Rows

MAX_BATCH_USERS: Final = {"mapped": 300, "step_functions": 150}
"""Users. At one a second a mapped task then ends within about five minutes, and a child of the state machine, which may
not take longer than five, has time left for what has to be repeated."""
MAX_BATCH_BYTES: Final = 128 * 1024
"""Bytes that the users of a batch may take in a state of the state machine, whose data may not exceed 256 KiB."""
MAX_BATCHES: Final = 1_000
"""Below Airflow's usual limit of 1,024 mapped tasks."""
WORTH_A_TASK: Final = 9
"""Users. Airflow takes about half a second of a core to start a task, so that tasks of two or three users start more slowly than
they work. Of several runs that share the pool slots are then left idle."""
FEW: Final = 5
"""Users who get a task each; more share tasks two by two: on two cores twenty tasks start three seconds later than ten."""


MAX_LOOKED_UP: Final = 1_500
"""Users of a batch of a dry run, which looks up about five a second in each slot."""
LOOK_UPS_WORTH_A_TASK: Final = 25
"""As WORTH_A_TASK, for a dry run."""


def plan(rows: Rows, slots: int, engine: str, sharing: int = 1, *, dry_run: bool = False) -> list[Batch]:
    """Split the rows into batches for `slots` workers at a time.

    Up to two users for each slot get a batch of their own, or share a mapped task two by two; more share batches of at most
    as many users as the engine's worker can process in one go, as many for each slot, so that all slots end at about the same
    time. Where several runs are `sharing` the slots, this one included, a batch has no fewer users than are worth a task,
    unless the run's share of the slots asks for it. For the state machine no batch is heavier than MAX_BATCH_BYTES; a row
    that is heavier by itself weighs nothing, since no state ever holds it. A `dry_run` has fewer and larger batches, the same
    for both engines.
    """
    users, largest = len(rows), MAX_BATCH_USERS[engine]
    count = users if users <= 2 * slots else min(math.ceil(users / (slots * largest)) * slots, users)
    if dry_run:
        most = math.ceil(users / (slots * MAX_LOOKED_UP)) * slots
        count = min(most, math.ceil(users / LOOK_UPS_WORTH_A_TASK))
    elif engine == "mapped":
        if users > FEW:
            count = min(count, math.ceil(users / 2))
        if sharing > 1:
            count = min(count, max(math.ceil(slots / sharing), math.ceil(users / WORTH_A_TASK)))
    if engine == "mapped":
        count = min(count, MAX_BATCHES)
    edges = [0]
    for number in range(1, count + 1):
        weight = 0
        for index in range(edges[-1], users * number // count):
            heavy = rows.weight(index)
            heavy = heavy if heavy <= MAX_BATCH_BYTES else 0
            if weight + heavy > MAX_BATCH_BYTES:
                edges.append(index)
                weight = 0
            weight += heavy
        edges.append(users * number // count)
    return [rows.batch(number, *edges[number - 1 : number + 1]) for number in range(1, len(edges))]
