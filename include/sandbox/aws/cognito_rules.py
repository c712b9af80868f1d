"""What Cognito documents and the emulator leaves out, where an import of users meets it.

`install` puts each rule in front of, or in place of, the emulator's own handler. A rule takes the pool and
the request and returns an error answer, or None to let the request pass.
"""

# The emulator offers no public names for any of this.
# ruff: noqa: SLF001

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from ministack.services import cognito

from sandbox.aws import user_lookup
from sandbox.aws.constraints import violations
from sandbox.aws.quotas import QUOTAS
from sandbox.aws.responses import Response, error_code, error_response, json_response

Request = dict[str, Any]
Pool = dict[str, Any]
Rule = Callable[[Pool, Request], Response | None]

DAILY_MAILS = 50
"""Mails that Cognito's own sender sends in a day for an account."""

mails_sent: Counter[str] = Counter()
"""Mails sent by Cognito's own sender, under the key "account"."""

# A dot-atom before the @, and at least two labels after it. AWS does not publish its own pattern.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
_MAX_LOCAL_PART_LENGTH = 64


def _invalid(message: str) -> Response:
    return error_response("cognito-idp", "InvalidParameterException", message)


def _attributes(request: Request) -> dict[str, str]:
    return {a["Name"]: a.get("Value", "") for a in request.get("UserAttributes") or [] if "Name" in a}


def is_email(text: str) -> bool:
    """Return whether Cognito takes `text` as an email address."""
    return _EMAIL.fullmatch(text) is not None and len(text.partition("@")[0]) <= _MAX_LOCAL_PART_LENGTH


def email_format(pool: Pool, request: Request) -> Response | None:
    """Refuse a malformed address, as username of a pool that signs in by email or as the attribute."""
    if pool.get("UsernameAttributes") == ["email"] and not is_email(request.get("Username", "")):
        has_at = re.fullmatch(r"[^@\s]+@[^@\s]+", request.get("Username", ""))
        return _invalid("Invalid email address format." if has_at else "Username should be an email.")
    email = _attributes(request).get("email")
    return _invalid("Invalid email address format.") if email and not is_email(email) else None


def schema(pool: Pool, request: Request) -> Response | None:
    """Refuse attributes that the pool does not have, or whose values break their constraints."""
    known = {a["Name"]: a for a in pool.get("SchemaAttributes", [])}
    faults = []
    for name, value in _attributes(request).items():
        attribute = known.get(name)
        if attribute is None:
            faults.append(f"{name}: Attribute does not exist in the schema.")
            continue
        limits = attribute.get("StringAttributeConstraints") or {}
        if len(value) > int(limits.get("MaxLength", 2048)):
            faults.append(f"{name}: String must be no longer than {limits['MaxLength']} characters")
        if len(value) < int(limits.get("MinLength", 0)):
            faults.append(f"{name}: String must be at least {limits['MinLength']} characters")
    text = "".join(f"{fault}\n" for fault in faults)
    return _invalid(f"Attributes did not conform to the schema: {text}") if faults else None


def required_attributes(pool: Pool, request: Request) -> Response | None:
    """Refuse a new user without an attribute that the pool requires."""
    given = {*_attributes(request), *(pool.get("UsernameAttributes") or []), "sub"}
    missing = [a["Name"] for a in pool.get("SchemaAttributes", []) if a.get("Required") and a["Name"] not in given]
    text = "".join(f"{name}: The attribute is required\n" for name in missing)
    return _invalid(f"Attributes did not conform to the schema: {text}") if missing else None


def daily_mails(pool: Pool, request: Request) -> Response | None:
    """Refuse an invitation above the 50 mails a day of Cognito's own sender."""
    mails = request.get("MessageAction") != "SUPPRESS" and "EMAIL" in (request.get("DesiredDeliveryMediums") or [])
    action, name = request.get("MessageAction"), request.get("Username")
    if action != "RESEND" and name and user_lookup.resolve_user(pool, name)[0] is not None:
        return None  # the user exists, which is found out first
    own_sender = (pool.get("EmailConfiguration") or {}).get("EmailSendingAccount") != "DEVELOPER"
    if not (mails and own_sender):
        return None
    if mails_sent["account"] >= DAILY_MAILS:
        return error_response(
            "cognito-idp",
            "LimitExceededException",
            "Exceeded daily email limit for the operation or the account. If a higher limit is required, please "
            "configure your user pool to use your own Amazon SES configuration for sending email from your account.",
        )
    mails_sent["account"] += 1
    return None


RULES: dict[str, tuple[Rule, ...]] = {
    "admin_create_user": (
        email_format,
        schema,
        required_attributes,
        daily_mails,
    ),
    "admin_update_user_attributes": (schema,),
}
"""The emulator's handler (without its underscore) to the rules in front of it, in the order AWS checks."""

WORDING: dict[tuple[str, str], str] = {
    ("AdminCreateUser", "UsernameExistsException"): "User account already exists",
    ("AdminAddUserToGroup", "ResourceNotFoundException"): "Group not found.",
    ("GetGroup", "ResourceNotFoundException"): "Group not found.",
}
"""AWS's message where the emulator words an error of an operation differently (a missing pool excepted)."""


def form_of(operation: str, request: Request) -> Response | None:
    """Refuse a request whose members are missing, too long or of a wrong pattern."""
    message = violations(operation, request)
    return _invalid(message) if message else None


def reword(operation: str, answer: Response) -> Response:
    """Return `answer` with the message that AWS gives for the error of `operation`."""
    code = error_code(answer)
    message = WORDING.get((operation, code))
    if message is None or (code == "ResourceNotFoundException" and b"User pool" in answer[2]):
        return answer
    return error_response("cognito-idp", code, message, answer[0])


def get_provisioned_limit(request: Request, rates: dict[str, int]) -> Response:
    """Answer GetProvisionedLimit: the rate of the account for one category, in requests a second."""
    definition = request["LimitDefinition"]
    category = (definition.get("Attributes") or {}).get("Category", "")
    if definition.get("LimitClass") != "API_CATEGORY" or category not in rates:
        return _invalid("Invalid limit definition.")
    return json_response(
        {
            "Limit": {
                "LimitDefinition": definition,
                "ProvisionedLimitValue": rates[category],
                "FreeLimitValue": QUOTAS[category],
            }
        }
    )


def _with_rules(handler: Callable[[Request], Response], rules: tuple[Rule, ...]) -> Callable[[Request], Response]:
    @functools.wraps(handler)
    def checked(request: Request) -> Response:
        pool, missing = cognito._resolve_pool(request.get("UserPoolId"))
        if missing:
            refused: Response = missing
            return refused
        user_lookup.directory_of(pool)
        return next((refusal for rule in rules if (refusal := rule(pool, request))), None) or handler(request)

    return checked


def install() -> None:
    """Put the rules into the emulator."""
    user_lookup.install()
    for name, rules in RULES.items():
        setattr(cognito, f"_{name}", _with_rules(getattr(cognito, f"_{name}"), rules))
