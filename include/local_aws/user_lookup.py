"""How Cognito finds a user: by any name, whatever its case if the pool ignores it, and quickly in a large pool."""

# The emulator offers no public names for any of this.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ministack.services import cognito

from local_aws.answers import Answer, error_answer
from local_aws.user_directory import UserDirectory

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


def resolve_user(pool: Pool, username: str | None) -> tuple[dict[str, Any] | None, Answer | None]:
    """Find a user as AdminGetUser does: by username, by `sub`, or by an alias that is verified."""
    directory = directory_of(pool)
    sign_in = set(pool.get("UsernameAttributes") or [])
    aliases = set(pool.get("AliasAttributes") or [])
    for user in directory.named(username or ""):
        wanted = directory.fold(username or "")
        attributes = {a["Name"]: a.get("Value", "") for a in user.get("Attributes", [])}
        if directory.fold(user["Username"]) == wanted:
            return user, None
        for name in {"sub", *sign_in, *aliases}:
            verified = attributes.get(f"{name}_verified", "").lower() == "true"
            needs_no_proof = name in sign_in or name in {"sub", "preferred_username"}
            if directory.fold(attributes.get(name, "")) == wanted and (needs_no_proof or verified):
                return user, None
    return None, error_answer("cognito-idp", "UserNotFoundException", "User does not exist.")


def reindexed(handler: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """Bring a user's names up to date after `handler` changed the attributes."""

    @functools.wraps(handler)
    def update(request: Request) -> Answer:
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
