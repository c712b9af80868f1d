"""The loops that people write instead of an import tool: one call after another, and twenty threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from demo.resources import Resources


def one_after_another(resources: Resources, addresses: list[str]) -> None:
    """Create each user and add it to its group, with boto3's default retries; go on after an error."""
    import boto3

    client = boto3.client("cognito-idp")
    for address in addresses:
        _import_one(client, resources, address)


def twenty_threads(resources: Resources, addresses: list[str]) -> None:
    """The same in twenty threads, as fast as they can."""
    import boto3
    from botocore.config import Config

    client = boto3.client("cognito-idp", config=Config(max_pool_connections=20))
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda address: _import_one(client, resources, address), addresses))


def adaptive_threads(resources: Resources, addresses: list[str]) -> Callable[[float], int]:
    """Prepare twenty threads with botocore's adaptive retries, which stop at a given time; they return the users who failed."""
    import boto3
    from botocore.config import Config

    retries = Config(max_pool_connections=20, retries={"mode": "adaptive", "total_max_attempts": 10})
    client = boto3.client("cognito-idp", config=retries)

    def run(until: float) -> int:
        def fails(address: str) -> bool:
            return time.monotonic() < until and not _import_one(client, resources, address)

        with ThreadPoolExecutor(20) as pool:
            return sum(pool.map(fails, addresses))

    return run


def _import_one(client: CognitoIdentityProviderClient, resources: Resources, address: str) -> bool:
    """Return whether the user was created and joined the group."""
    attributes = [{"Name": "email", "Value": address}, {"Name": "email_verified", "Value": "true"}]
    try:
        client.admin_create_user(
            UserPoolId=resources.user_pool_id,
            Username=address,
            UserAttributes=attributes,  # type: ignore[arg-type]
            MessageAction="SUPPRESS",
        )
        client.admin_add_user_to_group(UserPoolId=resources.user_pool_id, Username=address, GroupName="BASIC")
    except ClientError:
        return False
    return True
