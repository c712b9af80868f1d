"""What CloudFormation documents and the emulator leaves out: the access key of a user."""

# The emulator offers no public names for any of this.
# ruff: noqa: SLF001

from __future__ import annotations

from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners

ACCESS_KEY = "AWS::IAM::AccessKey"


def _create(_: str, props: dict[str, Any], __: str) -> tuple[str, dict[str, str]]:
    """Make a key. One with another Serial is another key, and the stack deletes the old one at its update's end."""
    user = props["UserName"]
    before = set(iam._access_keys)
    status, _headers, body = iam._create_access_key({"UserName": user})
    if status >= 400:  # noqa: PLR2004 - an error
        raise ValueError(body.decode())
    key = next(key for name, key in iam._access_keys.items() if name not in before and key["UserName"] == user)
    return key["AccessKeyId"], {"SecretAccessKey": key["SecretAccessKey"]}


def _delete(physical_id: str, _: dict[str, Any]) -> None:
    iam._delete_access_key({"AccessKeyId": physical_id})


def install() -> None:
    """Put the resource into the emulator."""
    provisioners._RESOURCE_HANDLERS[ACCESS_KEY] = {"create": _create, "delete": _delete}
