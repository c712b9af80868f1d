"""The groups that a run's users join: whether the user pool has them, and who is in them."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cognito_import.engine.calls import Calls, UserFailedError
from cognito_import.engine.pacing import DEFAULT_QUOTAS, Category, Pacer
from cognito_import.errors import CallsStoppedError
from cognito_import.findings import ATTEMPTS, Findings
from cognito_import.run.record_files import Members
from cognito_import.settings import COMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest
    from cognito_import.settings import Settings

PAGE: Final = 60
"""Users that ListUsersInGroup gives at most."""
WORTH_A_PAGE: Final = 8
"""Users whose groups are looked up in the time of a page: by all slots, and a page after another."""

log = logging.getLogger(__name__)


def check(manifest: Manifest, cognito: CognitoIdentityProviderClient, findings: Findings) -> None:
    """Note each group that the user pool does not have."""
    _ask_for(manifest, cognito.get_group, "cognito-idp:GetGroup", findings)


def create(manifest: Manifest, cognito: CognitoIdentityProviderClient, findings: Findings) -> None:
    """Create each group that the user pool does not have; of a dry run say so."""
    make = partial(_get_or_create, cognito, dry_run=manifest.dry_run)
    _ask_for(manifest, make, "cognito-idp:GetGroup and CreateGroup", findings)


def list_members(
    manifest: Manifest,
    settings: Settings,
    folder: RunFolder,
    cognito: CognitoIdentityProviderClient,
    pool: Mapping[str, Any],
) -> None:
    """Store who is in the groups of a dry run that completes users, if that takes few calls beside looking each user's up.

    `pool` is what DescribeUserPool says. Whatever ends it, the users' groups are then looked up one by one. Raises
    RunFolderError.
    """
    most = (manifest.users - manifest.rejected_rows) // WORTH_A_PAGE
    pages = len(manifest.groups) * math.ceil(pool.get("EstimatedNumberOfUsers", 0) / PAGE)
    if not (manifest.dry_run and manifest.existing_users == COMPLETE and pages <= most):
        return
    rate = max(1.0, DEFAULT_QUOTAS[Category.USER_LIST] - settings.reserve)
    calls = Calls(cognito, manifest.user_pool_id, Pacer(1 / rate))
    found: dict[str, set[str]] = {group: set() for group in manifest.groups}
    try:
        for group, names in found.items():
            more: dict[str, Any] | None = {}
            while more is not None:
                if (most := most - 1) < 0:  # the pool has grown since it was counted
                    return
                page = calls.make("ListUsersInGroup", GroupName=group, Limit=PAGE, **more)
                names.update(user["Username"] for user in page["Users"])
                more = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
    except (UserFailedError, CallsStoppedError) as error:
        log.info("The groups of users are looked up one by one, for the groups could not be listed: %s", error)
        return
    folder.write_members(Members({group: frozenset(names) for group, names in found.items()}))


def _ask_for(manifest: Manifest, call: Callable[..., Any], allow: str, findings: Findings) -> None:
    """Make a call for each group that a user joins."""
    for group in manifest.groups:
        findings.ask(
            f"The group {group!r}",
            call,
            allow=f"{allow} on the user pool",
            missing=(
                "create it in the user pool: the run's users have been called for, so it keeps its groups"
                if manifest.begun
                else "create it in the user pool, or correct the setting 'default_groups' or the users' groups"
            ),
            attempts=ATTEMPTS,
            UserPoolId=manifest.user_pool_id,
            GroupName=group,
        )


def _get_or_create(cognito: CognitoIdentityProviderClient, *, dry_run: bool, **group: str) -> None:
    """Create a group that the user pool does not have; a `dry_run` only says so."""
    try:
        cognito.get_group(**group)
    except cognito.exceptions.ResourceNotFoundException:
        if dry_run:
            log.warning("The group %r does not exist; the run would create it.", group["GroupName"])
            return
        with suppress(cognito.exceptions.GroupExistsException):  # another run was faster
            cognito.create_group(**group)  # type: ignore[arg-type]
            log.info("The group %r is created.", group["GroupName"])
