"""The users of a request, checked one by one: what is wrong with one user becomes that row's outcome.

A list is rejected as a whole only if nobody is left to import.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cognito_import.errors import RequestError
from cognito_import.outcomes import Outcome
from cognito_import.request.fields import (
    MAX_ATTRIBUTE_LENGTH,
    MAX_FIELD_LENGTH,
    MAX_GROUP_LENGTH,
    MAX_USERNAME_LENGTH,
    MAX_USERS,
    USER_FIELDS,
    Given,
    is_attribute,
    normal,
)
from cognito_import.request.model import UserRow
from cognito_import.request.user_fields import (
    MAX_NAME_LENGTH,
    RowProblemError,
    attributes_of,
    check_address,
    check_text,
    flag_of,
    reject_huge,
)
from cognito_import.values import describe_type, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_EXAMPLE: Final = "{'useremail': 'user01@example.com'}"
_MAX_REASONS: Final = 3
_ADDRESS: Final = re.compile(r"[^\s@'\"]+@[^\s@'\"]+")


def check_users(
    users: Iterable[object],
    default_groups: tuple[str, ...],
    jobtype: str = "import",
    *,
    allowed_groups: tuple[str, ...] = (),
    case_sensitive: Callable[[], bool] = lambda: False,
) -> Iterator[UserRow | Outcome]:
    """Check users one by one: a :class:`UserRow` for each that can be processed, else its failed outcome.

    `users` are as in the request's `data`, by themselves or each in a :class:`Given`. A user without `groups` (or with
    null) joins `default_groups`; an empty array means none. A row may name `allowed_groups` (empty: any) and the
    default ones. Of two addresses that differ by upper and lower case alone the first is kept, unless the user pool
    is `case_sensitive`, which is asked when there are two, and once. In an import alone `attributes` and `groups` are
    read, so that the list that made users can delete them again. Raises RequestError for more than MAX_USERS, and at
    the end if there was no user or none passed.
    """
    checks = _Checks(default_groups, frozenset(allowed_groups), jobtype, case_sensitive)
    row = 0
    for row, given in enumerate(users, start=1):
        if row > MAX_USERS:
            message = (
                f"There are more than {MAX_USERS:,} users; expected at most that many. Split them over several runs."
            )
            raise RequestError(message)
        yield checks.check(row, given if isinstance(given, Given) else Given(row, given))
    if row == 0:
        message = "There are no users; expected at least one."
        raise RequestError(message)
    if not checks.passed:
        raise RequestError(checks.failure_message(row))


@dataclass
class _Checks:
    """What the rows before mean for the next one."""

    default_groups: tuple[str, ...]
    allowed_groups: frozenset[str]
    jobtype: str
    ask_case_sensitive: Callable[[], bool]
    passed: int = 0
    first_rows: dict[str, int] = field(default_factory=dict)
    first_lowered: dict[str, int] = field(default_factory=dict)  # of addresses that are not in lower case
    reasons: Counter[str] = field(default_factory=Counter)
    shown: dict[str, str] = field(default_factory=dict)

    def check(self, row: int, given: Given) -> UserRow | Outcome:
        user = {"useremail": given.user} if isinstance(given.user, str) else given.user
        address = _address(user)
        try:
            checked = self._checked(row, given, user, address)
        except RowProblemError as problem:
            self.reasons[problem.code] += 1
            self.shown.setdefault(problem.code, f"row {given.number:,}: {problem}")
            return Outcome.failed(row, _shown(address), problem.code, str(problem))
        self.passed += 1
        return checked

    def _checked(self, row: int, given: Given, user: object, address: str) -> UserRow:
        if given.problem:
            raise RowProblemError("UnreadableUser", given.problem)
        if not isinstance(user, dict):
            message = f"The user is {describe_type(user)}; expected an address or an object such as {_EXAMPLE}."
            raise RowProblemError("UnreadableUser", message)
        reject_huge(user)
        check_address(user.get("useremail"), address)
        self._reject_duplicate(given.number, address)
        for key in user:
            if key not in USER_FIELDS:
                hint = "; put attributes under 'attributes'" if is_attribute(key) else did_you_mean(key, USER_FIELDS)
                raise RowProblemError("UnknownField", f"{key[:MAX_NAME_LENGTH]!r} is not a field of a user{hint}.")
        if user.get("external_id") is not None:
            check_text("InvalidExternalId", "external_id", user["external_id"])
        if self.jobtype != "import":
            return UserRow(row, address)
        return UserRow(
            row,
            address,
            attributes_of(user.get("attributes")),
            self._groups(user.get("groups")),
            flag_of("email_verified", user.get("email_verified")),
            flag_of("enabled", user.get("enabled")),
        )

    def _reject_duplicate(self, number: int, address: str) -> None:
        if address in self.first_rows:
            raise RowProblemError("DuplicateAddress", f"Duplicate of row {self.first_rows[address]:,}.")
        lowered = address.lower()  # not casefold, which makes more the same than upper and lower case
        first = self.first_lowered.get(lowered) or self.first_rows.get(lowered)
        if first and not self.case_sensitive:
            message = f"Duplicate of row {first:,} (upper and lower case count as the same)."
            raise RowProblemError("DuplicateAddress", message)
        self.first_rows[address] = number
        if address != lowered:
            self.first_lowered.setdefault(lowered, number)

    @cached_property
    def case_sensitive(self) -> bool:
        return self.ask_case_sensitive()

    def _groups(self, value: object) -> tuple[str, ...]:
        if value is None:
            return self.default_groups
        if not isinstance(value, list) or not all(isinstance(group, str) for group in value):
            raise RowProblemError(
                "InvalidGroup", f"groups is {describe_type(value)}; expected an array of group names."
            )
        for group in value:
            if (
                not group
                or len(group) > MAX_GROUP_LENGTH
                or any(unicodedata.category(mark)[0] in "ZC" for mark in group)
            ):
                expected = f"expected 1 to {MAX_GROUP_LENGTH} without spaces"
                message = f"A group's name has {len(group):,} characters or a space; {expected}."
                raise RowProblemError("InvalidGroup", message)
            if self.allowed_groups and group not in self.allowed_groups and group not in self.default_groups:
                message = (
                    f"The group {group!r} is none that a list may name; expected one of the setting 'allowed_groups'."
                )
                raise RowProblemError("GroupNotAllowed", message)
        return tuple(dict.fromkeys(value))

    def failure_message(self, rows: int) -> str:
        """Return why nobody is left, without anybody's address."""
        whom = "The only user fails" if rows == 1 else f"All {rows:,} users fail"
        commonest = self.reasons.most_common(_MAX_REASONS)
        reasons = "; ".join(f"{code} ({users:,}; {self._example(code)})" for code, users in commonest)
        more = "" if len(self.reasons) <= _MAX_REASONS else f"; and {len(self.reasons) - _MAX_REASONS} other reasons"
        return f"{whom} the check, so there is nobody to {self.jobtype}: {reasons}{more}. Correct the list and start again."

    def _example(self, code: str) -> str:
        return _ADDRESS.sub("…", self.shown[code]).rstrip(".")


def _address(user: object) -> str:
    """Return the address of a user as Cognito is to get it, whatever it may be, or an empty text."""
    value = user.get("useremail") if isinstance(user, dict) else None
    if not isinstance(value, str):
        return ""
    return normal(value) if len(value) <= MAX_FIELD_LENGTH else value


def _shown(address: str) -> str:
    """An address that is too long for a report's cell is cut off."""
    return address if len(address) <= MAX_ATTRIBUTE_LENGTH else f"{address[:MAX_USERNAME_LENGTH]}…"
