"""The two loops that people write instead of an import tool: one call after another, and twenty threads without a pace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from demo.ground import Ground


def one_after_another(ground: Ground, addresses: list[str]) -> None:
    """Create each user and add it to its group, with boto3's default retries; go on after an error."""
    import boto3

    client = boto3.client("cognito-idp")
    for address in addresses:
        _import_one(client, ground, address)


def twenty_threads(ground: Ground, addresses: list[str]) -> None:
    """The same in twenty threads, as fast as they can."""
    import boto3
    from botocore.config import Config

    client = boto3.client("cognito-idp", config=Config(max_pool_connections=20))
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda address: _import_one(client, ground, address), addresses))


def _import_one(client: CognitoIdentityProviderClient, ground: Ground, address: str) -> None:
    attributes = [{"Name": "email", "Value": address}, {"Name": "email_verified", "Value": "true"}]
    try:
        client.admin_create_user(
            UserPoolId=ground.user_pool_id,
            Username=address,
            UserAttributes=attributes,  # type: ignore[arg-type]
            MessageAction="SUPPRESS",
        )
        client.admin_add_user_to_group(UserPoolId=ground.user_pool_id, Username=address, GroupName="BASIC")
    except ClientError:
        return
