"""Draws what is asked for, and the user pool that it meets."""

from __future__ import annotations

from typing import Any

from cognito_import.settings import JOB_TYPES

from .scene import Scene
from .truth import GROUP

USERS = 60
COMPLETE = "complete"
BASES = (*JOB_TYPES, COMPLETE)
"""The job types, and an import of users who exist."""
NEW_GROUP = "NEW"
"""A group that the user pool does not have, and the run is to create."""
JOBTYPES = {base: "import" if base == COMPLETE else base for base in BASES}


def drawn(scene: Scene, base: str, engine: str) -> dict[str, Any]:
    """Put users into the pool, decide the settings, and return the request."""
    draw = scene.clock.random
    slots, pace = draw.choice(((2, 1), (2, 0.5), (5, 1), (5, 0.5), (20, 1), (20, 2)))
    scene.set_up(slots=slots, pacing_seconds=pace, engine=engine, approve_deletions=False)
    users: list[dict[str, Any]] = [{"useremail": f"user{number:02}@example.com"} for number in range(1, USERS + 1)]
    request: dict[str, Any] = {"data": users, "adminemail": "admin@example.com", "jobtype": JOBTYPES[base]}
    if base in ("import", COMPLETE):
        for user in draw.sample(users, 12):
            user["groups"] = draw.choice(([], ["VIP"], [GROUP, "VIP"]))
        for user in draw.sample(users, 4):
            user["enabled"] = False
    if base == COMPLETE:
        _draw_completion(scene, request)
    for user in users:
        _draw_user(scene, base, user["useremail"])
    return request


def _draw_completion(scene: Scene, request: dict[str, Any]) -> None:
    draw, users = scene.clock.random, request["data"]
    does = draw.choice(("completes", "completes", "invites", "both"))
    if does != "invites":
        request["existing_users"] = "complete"
    if does != "completes":
        request |= {"invite": True, "resend_invitation": True}
    if draw.random() < 0.5:
        request["create_groups"] = True
        for user in draw.sample(users, 10):
            user["groups"] = [*user.get("groups", [GROUP]), NEW_GROUP]
    for user in draw.sample(users, 15):
        user["attributes"] = {"name": draw.choice(("Taro", "Hanako"))}
    for user in draw.sample(users, 4):
        user["enabled"] = True


def _draw_user(scene: Scene, base: str, email: str) -> None:
    """Put the user of an address into the pool, or none."""
    cognito, draw = scene.cognito, scene.clock.random
    if draw.random() < {"import": 0.05, COMPLETE: 0.6}.get(base, 0.9):
        status = draw.choice(("CONFIRMED", "FORCE_CHANGE_PASSWORD"))
        user = cognito.make(email, "before", status, ago=draw.uniform(60, 86_400))
        off = {"disable": 0.2, "enable": 0.8, COMPLETE: 0.1}.get(base, 0.0)
        user.enabled = draw.random() >= off
        if base == COMPLETE:
            user.groups |= set(draw.choice(([], [GROUP], ["VIP", GROUP])))
            user.attributes |= draw.choice(({}, {"name": "Taro"}, {"name": "Jiro"}))
    elif base in ("import", COMPLETE) and draw.random() < 0.05:
        cognito.unfit.add(email)
