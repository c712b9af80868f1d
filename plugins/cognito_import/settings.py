"""The deployment's settings: one frozen dataclass, made of one JSON object."""

from __future__ import annotations

import json
import math
import re
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cognito_import.errors import SettingsError
from cognito_import.values import is_at, is_mail_address, kind, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "cognito_import"
"""The Airflow Variable that holds the settings; also `AIRFLOW_VAR_COGNITO_IMPORT`, or a secrets backend."""

ENGINES: Final = ("mapped", "step_functions")
JOB_TYPES: Final = ("import", "delete")
LOCALES: Final = ("ja", "en")
LONGEST_LINK: Final = 604_800
"""SigV4 allows a presigned link seven days at most (Amazon S3 User Guide, "Sharing objects with presigned URLs")."""

LONGEST_APPROVAL: Final = 604_800
"""Seconds. A DAG run may take longer than that by the time of the work itself."""


@dataclass(frozen=True, slots=True)
class InboxRule:
    """What the nightly run asks for files whose keys begin with `prefix`, below the inbox; `engine` None: the default."""

    prefix: str
    adminemail: str = field(repr=False)
    jobtype: str = "import"
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What one deployment decides once for all its imports.

    `pacing_seconds` is the least time between the starts of two calls of one quota category in one slot; `link_seconds`
    how long the report's presigned link is asked to last; `allowed_admin_domains` the domains that a report may be
    mailed to, empty for any. With `approve_deletions` a deletion in Airflow waits `approval_seconds` for a yes.
    `inbox_quiet_seconds` is for how long a file of the inbox must not have changed before it is taken.
    `temporary_password` is left out of the repr.
    """

    user_pool_id: str
    report_bucket: str
    mail_from: str
    default_groups: tuple[str, ...] = ("BASIC",)
    invite: bool = False
    temporary_password: str | None = field(default=None, repr=False)
    state_machine_arn: str | None = None
    engine: str = "mapped"
    slots: int = 20
    pacing_seconds: float = 1.0
    link_seconds: int = 129_600
    locale: str = "ja"
    time_zone: str = "Asia/Tokyo"
    allowed_admin_domains: tuple[str, ...] = ()
    inbox: str | None = None
    inbox_rules: tuple[InboxRule, ...] = ()
    inbox_quiet_seconds: int = 60
    approve_deletions: bool = True
    approval_seconds: int = 86_400
    aws_conn_id: str = "aws_default"

    @classmethod
    def parse(cls, value: object) -> Settings:
        """Check `value`, a mapping or the JSON text of one, and make settings of it.

        Raises SettingsError, whose one message names every key that is missing, unknown or wrong.
        """
        given = _mapping(value)
        known = {setting.name: setting for setting in fields(cls)}
        problems = [
            f"{key!r} is not a setting{nearest(key, known)}; the settings are {', '.join(known)}"
            for key in given
            if key not in known
        ]
        checked: dict[str, Any] = {}
        for key, setting in known.items():
            if given.get(key) is None:
                if setting.default is MISSING:
                    problems.append(f"{key!r} is missing: {_EXPECTED[key]}")
                continue
            try:
                checked[key] = _CHECKS[key](given[key])
            except ValueError:
                problems.append(f"{key!r} is {kind(given[key])}; expected {_EXPECTED[key]}")
        problems += _inbox_problems(checked)
        if problems:
            raise SettingsError(f"Variable {VARIABLE!r}: " + "; ".join(problems) + ".")
        return cls(**checked)

    def inbox_rule(self, key: str) -> InboxRule:
        """The rule for a key below the inbox: of those whose prefix it begins with, the one with the longest."""
        return max(
            (rule for rule in self.inbox_rules if key.startswith(rule.prefix)), key=lambda rule: len(rule.prefix)
        )

    @property
    def users_per_second(self) -> float:
        """The highest rate of calls in one quota category that the slots make together."""
        return self.slots / self.pacing_seconds


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            # The text may hold the temporary password, so neither it nor the decoder's excerpt is shown.
            message = f"Variable {VARIABLE!r} is not JSON; expected an object such as {_EXAMPLE}."
            raise SettingsError(message) from error.with_traceback(None)
    if not isinstance(value, dict):
        message = f"Variable {VARIABLE!r} is {kind(value)}; expected an object such as {_EXAMPLE}."
        raise SettingsError(message)
    return value


_EXAMPLE: Final = '{"user_pool_id": "ap-northeast-1_…", "report_bucket": "…", "mail_from": "…@…"}'


def _text(pattern: str) -> Any:  # noqa: ANN401 - a checker of the table below
    whole = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not whole.fullmatch(value):
            raise ValueError
        return value

    return check


def _texts(pattern: str) -> Any:  # noqa: ANN401 - a checker of the table below
    one = _text(pattern)

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError
        return tuple(one(item) for item in value)

    return check


def _choice(*choices: str) -> Any:  # noqa: ANN401 - a checker of the table below
    return _text("|".join(choices))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _number(least: float, most: float, *, whole: bool) -> Any:  # noqa: ANN401 - a checker of the table below
    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise ValueError
        if not math.isfinite(value) or not least <= value <= most:
            raise ValueError
        return value

    return check


def _zone(value: object) -> str:
    try:
        return ZoneInfo(_text(r"[\w+/-]+")(value)).key
    except ZoneInfoNotFoundError as error:
        raise ValueError from error


def _address(value: object) -> str:
    if not isinstance(value, str) or not is_mail_address(value):
        raise ValueError
    return value


def _rules(value: object) -> tuple[InboxRule, ...]:
    if not isinstance(value, dict):
        raise ValueError
    return tuple(_rule(prefix, options) for prefix, options in value.items())


def _rule(prefix: str, options: object) -> InboxRule:
    checks = {"adminemail": _address, "jobtype": _choice(*JOB_TYPES), "engine": _choice(*ENGINES)}
    if prefix.startswith("/") or not isinstance(options, dict) or not {"adminemail"} <= set(options) <= set(checks):
        raise ValueError
    return InboxRule(prefix, **{name: checks[name](option) for name, option in options.items()})


def _inbox_problems(checked: dict[str, Any]) -> list[str]:
    """What is wrong with the inbox beyond its single settings."""
    rules: tuple[InboxRule, ...] = checked.get("inbox_rules", ())
    problems = []
    if checked.get("inbox") and not any(rule.prefix == "" for rule in rules):
        problems.append(f"'inbox' needs a rule for all files, '' in 'inbox_rules': {_EXPECTED['inbox_rules']}")
    allowed = checked.get("allowed_admin_domains", ())
    problems += [
        f"'inbox_rules' has an 'adminemail' at {rule.adminemail.rpartition('@')[2].lower()!r} for {rule.prefix!r}; "
        f"expected one at {' or '.join(allowed)}"
        for rule in rules
        if allowed and not is_at(rule.adminemail, allowed)
    ]
    return problems


_EXPECTED: Final = {
    "user_pool_id": "a user pool's id such as 'ap-northeast-1_AbCdEfGhI'",
    "report_bucket": "the name of an S3 bucket",
    "mail_from": "an address that SES has verified",
    "default_groups": "an array of group names such as ['BASIC'], or [] for none",
    "invite": "true or false",
    "temporary_password": "a text of 6 to 256 characters without spaces",
    "state_machine_arn": "the ARN of a state machine",
    "engine": "'mapped' or 'step_functions'",
    "slots": "a whole number from 1 to 1000: the slots of the pool 'cognito_api'",
    "pacing_seconds": "a number of seconds from 0 to 3600, above 0",
    "link_seconds": f"a whole number of seconds from 60 to {LONGEST_LINK} (7 days)",
    "locale": "'ja' or 'en'",
    "time_zone": "a name from the IANA time zone database such as 'Asia/Tokyo'",
    "allowed_admin_domains": "an array of domains such as ['example.com'], or [] for any",
    "inbox": "'s3://bucket/prefix/'",
    "inbox_rules": (
        "an object of prefix to adminemail, jobtype and engine such as "
        "{'': {'adminemail': 'admin@example.com'}, 'leavers/': {'adminemail': '…', 'jobtype': 'delete'}}"
    ),
    "inbox_quiet_seconds": "a whole number of seconds from 0 to 3600",
    "approve_deletions": "true or false",
    "approval_seconds": f"a whole number of seconds from 1 to {LONGEST_APPROVAL} (7 days)",
    "aws_conn_id": "the id of an Airflow connection such as 'aws_default'",
}

_CHECKS: Final = {
    "user_pool_id": _text(r"[\w-]+_[0-9A-Za-z]+"),
    "report_bucket": _text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "mail_from": _address,
    "default_groups": _texts(r"\S{1,128}"),
    "invite": _flag,
    "temporary_password": _text(r"\S{6,256}"),
    "state_machine_arn": _text(r"arn:[^:\s]+:states:[^:\s]+:\d{12}:stateMachine:\S+"),
    "engine": _choice(*ENGINES),
    "slots": _number(1, 1000, whole=True),
    "pacing_seconds": _number(0.001, 3600, whole=False),
    "link_seconds": _number(60, LONGEST_LINK, whole=True),
    "locale": _choice(*LOCALES),
    "time_zone": _zone,
    "allowed_admin_domains": _texts(r"[\w.-]+"),
    "approve_deletions": _flag,
    "approval_seconds": _number(1, LONGEST_APPROVAL, whole=True),
    "inbox": _text(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(\S+/)?"),
    "inbox_rules": _rules,
    "inbox_quiet_seconds": _number(0, 3600, whole=True),
    "aws_conn_id": _text(r"\S+"),
}
