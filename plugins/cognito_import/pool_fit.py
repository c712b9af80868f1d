"""Whether a user pool can take a run's users: how it names users, and what its schema allows."""

from __future__ import annotations

import re
import string
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cognito_import.findings import ATTEMPTS, Findings
from cognito_import.request.fields import MAX_ATTRIBUTE_LENGTH
from cognito_import.values import did_you_mean

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

    from cognito_import.request.model import UserRow

_ALWAYS_GIVEN: Final = frozenset({"email", "email_verified", "sub"})
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?")


def look_up(cognito: CognitoIdentityProviderClient, user_pool_id: str, findings: Findings) -> Mapping[str, Any]:
    """Return what DescribeUserPool says of the pool, or nothing after noting why."""
    response = findings.ask(
        f"The user pool {user_pool_id!r}",
        cognito.describe_user_pool,
        allow="cognito-idp:DescribeUserPool on it",
        missing="correct the Region of the connection, or the setting 'user_pool_id'",
        attempts=ATTEMPTS,
        UserPoolId=user_pool_id,
    )
    return response["UserPool"] if response else {}


def pool_is_case_sensitive(
    cognito: CognitoIdentityProviderClient, user_pool_id: str, *, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Return whether two addresses that differ by case alone are two users of the pool.

    Raises PreflightError if the pool cannot be looked at, and NotReadyError if it cannot be at this moment.
    """
    findings = Findings(sleep)
    pool = look_up(cognito, user_pool_id, findings)
    findings.raise_if_any()
    # True is the default of pools made without the option ("UsernameConfigurationType", Cognito API Reference).
    return bool(pool.get("UsernameConfiguration", {}).get("CaseSensitive", True))


def check_usernames(pool: Mapping[str, Any], jobtype: str, findings: Findings) -> None:
    """Find out whether an address can be a username of the pool.

    A pool signs in with addresses (UsernameAttributes), or with names of any form, unless an address can also be an
    alias of such a name (AliasAttributes): then no name may look like one.
    """
    names = pool.get("UsernameAttributes") or []
    if names and "email" not in names:
        why = f"The user pool's usernames are of the kind {', '.join(names)}, so no address can be one"
    elif not names and "email" in (pool.get("AliasAttributes") or []) and jobtype == "import":
        why = "The user pool has e-mail as an alias, so no username may be an address"
    else:
        return
    findings.problems.append(
        f"{why}, and every user would fail. This cannot be changed: name a user pool that signs in with e-mail in the "
        "setting 'user_pool_id'."
    )


def check_password(pool: Mapping[str, Any], password: str | None, findings: Findings) -> None:
    """Find out whether the settings' temporary password keeps the pool's policy, without showing it."""
    policy = pool.get("Policies", {}).get("PasswordPolicy", {})
    if password is None:
        return
    broken = [f"{least} characters"] if len(password) < (least := policy.get("MinimumLength", 0)) else []
    broken += [
        words
        for option, words, marks in (
            ("RequireUppercase", "an upper-case letter", string.ascii_uppercase),
            ("RequireLowercase", "a lower-case letter", string.ascii_lowercase),
            ("RequireNumbers", "a digit", string.digits),
            ("RequireSymbols", "a symbol", string.punctuation),
        )
        if policy.get(option) and not set(password) & set(marks)
    ]
    if broken:
        findings.problems.append(
            "The setting 'temporary_password' breaks the user pool's password policy, so every user would fail; expected at "
            f"least {' and '.join(broken)}."
        )


def check_attributes(pool: Mapping[str, Any], rows: Iterable[UserRow], findings: Findings) -> None:
    """Hold every row's attributes against the pool's schema.

    What would fail half of the users or more is a problem, because the file and the pool do not fit; what would fail
    fewer is a warning, since each of them is reported anyway. A required attribute that no row gives is a problem, too.
    """
    schema = {attribute["Name"]: attribute for attribute in pool.get("SchemaAttributes", ())}
    required = [name for name, attribute in schema.items() if attribute.get("Required") and name not in _ALWAYS_GIVEN]
    faults: Counter[tuple[str, str]] = Counter()
    lacking: Counter[str] = Counter()
    users = failing = 0
    for row in rows:
        users += 1
        found = [(name, fault) for name, value in row.attributes.items() if (fault := _fault(name, value, schema))]
        faults.update(found)
        failing += bool(found)
        lacking.update(name for name in required if not row.attributes.get(name))
    told = findings.problems if 2 * failing >= users else findings.warnings
    for (name, fault), count in sorted(faults.items()):
        told.append(f"The attribute {name!r} {fault}; {_users(count, users)} would fail for it.")
    for name, count in sorted(lacking.items()):
        told = findings.problems if count == users else findings.warnings
        told.append(
            f"The user pool requires the attribute {name!r}, and {_users(count, users)} would be created without: give it in "
            "each row."
        )


def _users(count: int, of: int) -> str:
    return f"{count:,} of {of:,} user{'s' * (of != 1)}"


def _fault(name: str, value: str, schema: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what is wrong with an attribute, in words that are the same for all users; nothing if it is right."""
    attribute = schema.get(name)
    if attribute is None:
        hint = did_you_mean(name, schema)
        return f"is not in the user pool's schema{hint}: add it to the user pool, or take it out of the rows"
    if attribute.get("AttributeDataType") == "Number":
        limits = attribute.get("NumberAttributeConstraints") or {}
        least, most = limits.get("MinValue"), limits.get("MaxValue")
        bounds = f"{f' from {least}' * (least is not None)}{f' to {most}' * (most is not None)}"
        right = _NUMBER.fullmatch(value) and float(least or value) <= float(value) <= float(most or value)
        return "" if right else f"takes a number{bounds}"
    if attribute.get("AttributeDataType") == "String":
        limits = attribute.get("StringAttributeConstraints") or {}
        least, most = int(limits.get("MinLength") or 0), int(limits.get("MaxLength") or MAX_ATTRIBUTE_LENGTH)
        return "" if least <= len(value) <= most else f"takes {least} to {most:,} characters"
    return ""
