"""The groups that a run's users join: whether the user pool has them, and who is in them."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cognito_import.findings import ATTEMPTS, Findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.run.manifest import Manifest

log = logging.getLogger(__name__)


def check(manifest: Manifest, cognito: CognitoIdentityProviderClient, findings: Findings) -> None:
    """Note each group that the user pool does not have."""
    _ask_for(manifest, cognito.get_group, "cognito-idp:GetGroup", findings)


def create(manifest: Manifest, cognito: CognitoIdentityProviderClient, findings: Findings) -> None:
    """Create each group that the user pool does not have; of a dry run say so."""
    make = partial(_get_or_create, cognito, dry_run=manifest.dry_run)
    _ask_for(manifest, make, "cognito-idp:GetGroup and CreateGroup", findings)


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
