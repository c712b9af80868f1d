"""What a list may name of the user pool: its groups and its attributes, asked for once a minute at most."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter

from cognito_import import pool_fit
from cognito_import.aws import error_details
from cognito_import.console import deployment
from cognito_import.console.access import may_start
from cognito_import.console.shared import Shared
from cognito_import.findings import Findings
from cognito_import.request.fields import STANDARD_ATTRIBUTES, is_attribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognito_import.console.deployment import Deployment

MAX_GROUPS: Final = 1_200
"""So many are offered, in twenty calls; a user pool may have 10,000."""
_SECONDS: Final = 60.0

log = logging.getLogger(__name__)
router = APIRouter(prefix="/pool", dependencies=[may_start])
_kept = Shared(20)


@router.get("")
def pool() -> dict[str, Any]:
    """Return the groups and attributes to choose from.

    `groups` are those that a list may name. Only a group of them can be joined if they are all that the pool has
    (`complete`), or all that may be named (`closed`), unless the run creates groups.
    """
    deployed = deployment.current()
    settings = deployed.settings
    allowed = list(dict.fromkeys(settings.groups_allowed()))
    there = _groups(deployed)
    offered = there if not allowed else allowed if there is None else [one for one in allowed if one in set(there)]
    return {
        "groups": offered or [],
        "allowed": allowed,
        "complete": there is not None and len(there) < MAX_GROUPS,
        "closed": bool(allowed),
        "attributes": attributes(deployed),
    }


def described(deployed: Deployment) -> Mapping[str, Any]:
    """Return what DescribeUserPool says, or nothing where it cannot be asked."""
    user_pool_id = deployed.settings.user_pool_id
    found: Mapping[str, Any] = _kept.get(
        ("pool", user_pool_id), _SECONDS, lambda: pool_fit.look_up(deployed.cognito, user_pool_id, Findings())
    )
    return found


def attributes(deployed: Deployment) -> list[str]:
    """Return the attributes that a row may give, custom ones first: those of the pool's schema, or all standard ones."""
    names = [one["Name"] for one in described(deployed).get("SchemaAttributes", ())]
    return sorted(filter(is_attribute, names or STANDARD_ATTRIBUTES), key=lambda name: (":" not in name, name))


def _groups(deployed: Deployment) -> list[str] | None:
    """Return the pool's groups, MAX_GROUPS at most, or None if the role may not ask."""
    user_pool_id = deployed.settings.user_pool_id

    def ask() -> list[str] | None:
        found: list[str] = []
        try:
            for page in deployed.cognito.get_paginator("list_groups").paginate(UserPoolId=user_pool_id):
                found += [group["GroupName"] for group in page["Groups"]]
                if len(found) >= MAX_GROUPS:
                    break
        except (ClientError, BotoCoreError) as error:
            log.info("Groups cannot be offered (%s): allow cognito-idp:ListGroups.", error_details(error)[0])
            return None
        return sorted(found)

    groups: list[str] | None = _kept.get(("groups", user_pool_id), _SECONDS, ask)
    return groups
