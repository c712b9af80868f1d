"""How Cognito finds a user: by any name, whatever its case if the pool ignores it, and quickly in a large pool."""

# The emulator offers no public names for any of this.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ministack.services import cognito

from sandbox.aws.responses import Response, error_response
from sandbox.aws.user_directory import UserDirectory

Request = dict[str, Any]
Pool = dict[str, Any]


def directory_of(pool: Pool) -> UserDirectory:
    """Give `pool` its directory of users: case-sensitive unless its UsernameConfiguration says otherwise."""
    if not isinstance(pool["_users"], UserDirectory):
        case_sensitive = (pool.get("UsernameConfiguration") or {}).get("CaseSensitive", True)
        directory = UserDirectory(case_sensitive=case_sensitive)
        for username, user in pool["_users"].items():
            directory[username] = user
        pool["_users"] = directory
    users: UserDirectory = pool["_users"]
    return users


def resolve_user(pool: Pool, username: str | None) -> tuple[dict[str, Any] | None, Response | None]:
    """Find a user as AdminGetUser does: by username, by `sub`, or by what the pool signs in with."""
    directory = directory_of(pool)
    wanted = directory.fold(username or "")
    for user in directory.named(username or ""):
        attributes = {a["Name"]: a.get("Value", "") for a in user.get("Attributes", [])}
        names = [
            user["Username"],
            *(attributes.get(name, "") for name in ("sub", *(pool.get("UsernameAttributes") or ()))),
        ]
        if wanted in map(directory.fold, names):
            return user, None
    return None, error_response("cognito-idp", "UserNotFoundException", "User does not exist.")


def reindexed(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Bring a user's names up to date after `handler` changed the attributes."""

    @functools.wraps(handler)
    def update(request: Request) -> Response:
        answer = handler(request)
        pool = cognito._user_pools.get(request.get("UserPoolId"))
        user = resolve_user(pool, request.get("Username"))[0] if pool else None
        if pool and user:
            directory_of(pool).reindex(user["Username"])
        return answer

    return update


def install() -> None:
    """Put the directories into the emulator's pools."""
    cognito._resolve_user = resolve_user
    cognito._admin_update_user_attributes = reindexed(cognito._admin_update_user_attributes)
