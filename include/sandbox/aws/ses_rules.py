"""What SES documents and the emulator leaves out: who may send as an identity."""

# The emulator offers no public names for any of this.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any

from ministack.core import iam_actions
from ministack.services import ses, ses_v2


def _sender(params: dict[str, Any]) -> str:
    """Return the address that a mail is sent from, "" if the request sends none."""
    return str(ses._p(params, "Source")) if ses._p(params, "Action") == "SendEmail" else ""


def _identity(address: str) -> str:
    """Return the identity that a sender stands for: the address if it is verified itself, else its domain.

    An address that is not verified stands for itself.
    """
    plain = parseaddr(address)[1]
    domain = plain.rpartition("@")[2]
    for store in (ses._identities, ses_v2._identities):
        if plain in store:
            return plain
        if domain in store:
            return domain
    return plain


def _on_the_identity(extract: Callable[..., str]) -> Callable[..., str]:
    """Make sending subject to permission on `arn:aws:ses:REGION:ACCOUNT:identity/IDENTITY`.

    Follows "Actions, resources, and condition keys for Amazon SES" in the Service Authorization Reference.
    """

    @functools.wraps(extract)
    def resource_arn(  # noqa: PLR0913, PLR0917 the signature of what it stands in for
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        params: dict[str, Any],
        region: str,
        account: str,
    ) -> str:
        sender = _sender(params) if service == "ses" and method == "POST" else ""
        if sender:
            return f"arn:aws:ses:{region}:{account}:identity/{_identity(sender)}"
        return extract(service, method, path, headers, body, params, region, account)

    return resource_arn


def install() -> None:
    """Put the rule into the emulator."""
    iam_actions.extract_resource_arn = _on_the_identity(iam_actions.extract_resource_arn)
