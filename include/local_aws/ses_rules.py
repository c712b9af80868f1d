"""What SES documents and the emulator leaves out: who may send as an identity, and who gets a raw mail."""

# The emulator offers no public names for any of this.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable
from email.utils import parseaddr
from typing import Any

from ministack.core import iam_actions
from ministack.services import ses, ses_v2

from local_aws.answers import Answer

SENDING = ("SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkTemplatedEmail")


def _sender(path: str, body: bytes, params: dict[str, Any]) -> str:
    """Return the address that a mail is sent from, "" if the request sends none."""
    if path.startswith("/v2/email/outbound-"):
        request = json.loads(body or b"{}")
        raw = request.get("Content", {}).get("Raw", {}).get("Data", "")
        return str(request.get("FromEmailAddress") or ses._parse_raw_mime(raw).get("From", ""))
    if ses._p(params, "Action") not in SENDING:
        return ""
    raw = ses._p(params, "RawMessage.Data")
    return str(ses._p(params, "Source") or ses._parse_raw_mime(raw).get("From", ""))


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
        sender = _sender(path, body, params) if service == "ses" and method == "POST" else ""
        if sender:
            return f"arn:aws:ses:{region}:{account}:identity/{_identity(sender)}"
        return extract(service, method, path, headers, body, params, region, account)

    return resource_arn


def _with_readers_of_raw_mail(handler: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """Give a raw SES v2 mail without a Destination the readers that its own headers name."""

    @functools.wraps(handler)
    async def send(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Answer:
        if path.endswith("/outbound-emails"):
            request = json.loads(body or b"{}")
            raw = request.get("Content", {}).get("Raw", {}).get("Data")
            if raw and not request.get("Destination"):
                readers = ses._parse_raw_mime(raw).get("To", "").split(",")
                request["Destination"] = {"ToAddresses": [reader.strip() for reader in readers if reader.strip()]}
                body = json.dumps(request).encode()
        return await handler(method, path, headers, body, query)

    return send


def install() -> None:
    """Put the rules into the emulator."""
    iam_actions.extract_resource_arn = _on_the_identity(iam_actions.extract_resource_arn)
    ses_v2.handle_request = _with_readers_of_raw_mail(ses_v2.handle_request)
