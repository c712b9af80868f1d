"""The deployment's settings: one frozen record, made of one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from cognito_import.errors import SettingsError
from cognito_import.records import STRICT, MailAddress, ZoneName, matching, problem, problems
from cognito_import.values import describe_type, is_at

VARIABLE: Final = "cognito_import"
"""The Airflow Variable that holds the settings; also `AIRFLOW_VAR_COGNITO_IMPORT`, or a secrets backend."""

Engine = Literal["mapped", "step_functions"]
JobType = Literal["import", "delete", "disable", "enable"]
Pace = Literal["steady", "all"]
Locale = Literal["ja", "en"]
ExistingUsers = Literal["fail", "complete"]
ENGINES: Final[tuple[str, ...]] = get_args(Engine)
JOB_TYPES: Final[tuple[str, ...]] = get_args(JobType)
LOCALES: Final[tuple[str, ...]] = get_args(Locale)
COMPLETE: Final = "complete"
MAX_LINK_SECONDS: Final = 604_800
"""SigV4 allows a presigned link seven days at most (Amazon S3 User Guide, "Sharing objects with presigned URLs")."""

MAX_APPROVAL_SECONDS: Final = 604_800
"""Seconds. A DAG run may take longer than that by the time of the work itself."""

_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_RULES: Final = (
    "an object of prefix to adminemail, jobtype, engine and allowed_groups such as "
    "{'': {'adminemail': 'admin@example.com'}, 'leavers/': {'adminemail': '…', 'jobtype': 'delete'}}"
)
_EXAMPLE: Final = '{"user_pool_id": "ap-northeast-1_…", "report_bucket": "…", "mail_from": "…@…"}'

Flag = Annotated[bool, Field(description="true or false")]
_CONNECTION: Final = matching(r"\S+", "the id of an Airflow connection such as 'aws_default'")
GroupName = Annotated[str, matching(r"\S{1,128}")]


@dataclass(frozen=True, slots=True, config=STRICT)
class InboxRule:
    """What the nightly run asks for files whose keys begin with the rule's prefix, below the inbox.

    `engine` None is the default one. `allowed_groups` are the groups that a row of these files may name, None for those of
    the settings.
    """

    adminemail: MailAddress = field(repr=False)
    jobtype: JobType = "import"
    engine: Engine | None = None
    allowed_groups: Annotated[tuple[GroupName, ...], Field(min_length=1)] | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class Settings:
    """What one deployment decides once for all its imports. A field's description is what messages expect of it.

    `existing_users` is what an import does with users who exist: `fail`, or `complete` them. With `create_groups` it creates
    the groups that the user pool lacks. With `invite` Cognito mails each new user an invitation, and with `resend_invitation`
    another one to users who exist and have not signed in yet.
    `pacing_seconds` is the least time between the starts of two calls of one quota category in one slot. With the
    `pace` all a run also uses what the quotas allow above that, less `reserve` calls a second. `link_seconds` is how long
    the report's presigned link is asked to last, and `link_conn_id` the connection that signs it, None for `aws_conn_id`.
    `allowed_admin_domains` are the domains that a report may be mailed to, and `allowed_groups` the groups that a row may
    name, both empty for any. With `approve_deletions` a deletion in Airflow waits `approval_seconds` for a yes, and mail
    tells `approvers`; with `approve_disabling` so does a run that disables users. With `approve_own` the yes may come from
    whoever asked. `approver_ids` are the only Airflow users who may answer, if there are any. `inbox_quiet_seconds` is for
    how long a file of the inbox must not have changed before it is taken.
    With `console_addresses` everybody who may read runs sees addresses on the page in Airflow's UI.
    `temporary_password` is left out of the repr.
    """

    user_pool_id: Annotated[
        str, matching(r"[\w-]+_[0-9A-Za-z]+", "a user pool's id such as 'ap-northeast-1_AbCdEfGhI'")
    ]
    report_bucket: Annotated[str, matching(_BUCKET, "the name of an S3 bucket")]
    mail_from: Annotated[MailAddress, Field(description="an address that SES has verified")]
    default_groups: Annotated[
        tuple[GroupName, ...], Field(description="an array of group names such as ['BASIC'], or [] for none")
    ] = ("BASIC",)
    allowed_groups: Annotated[
        tuple[GroupName, ...], Field(description="an array of group names such as ['BASIC'], or [] for any")
    ] = ()
    existing_users: Annotated[ExistingUsers, Field(description="'fail' or 'complete'")] = "fail"
    create_groups: Flag = False
    invite: Flag = False
    resend_invitation: Flag = False
    temporary_password: Annotated[
        str | None, matching(r"\S{6,256}", "a text of 6 to 256 characters without spaces")
    ] = field(default=None, repr=False)
    state_machine_arn: Annotated[
        str | None, matching(r"arn:[^:\s]+:states:[^:\s]+:\d{12}:stateMachine:\S+", "the ARN of a state machine")
    ] = None
    engine: Annotated[Engine, Field(description="'mapped' or 'step_functions'")] = "mapped"
    slots: Annotated[
        int, Field(ge=1, le=1000, description="a whole number from 1 to 1000: the slots of the pool 'cognito_api'")
    ] = 20
    pacing_seconds: Annotated[
        float, Field(ge=0.001, le=3600, description="a number of seconds from 0 to 3600, above 0")
    ] = 1.0
    pace: Annotated[Pace, Field(description="'steady' or 'all'")] = "steady"
    reserve: Annotated[float, Field(ge=0, le=10_000, description="a number of calls a second from 0 to 10000")] = 3.0
    link_seconds: Annotated[
        int,
        Field(
            ge=60, le=MAX_LINK_SECONDS, description=f"a whole number of seconds from 60 to {MAX_LINK_SECONDS} (7 days)"
        ),
    ] = 129_600
    link_conn_id: Annotated[str | None, _CONNECTION] = None
    locale: Annotated[Locale, Field(description="'ja' or 'en'")] = "ja"
    time_zone: Annotated[
        ZoneName, Field(description="a name from the IANA time zone database such as 'Asia/Tokyo'")
    ] = "Asia/Tokyo"
    allowed_admin_domains: Annotated[
        tuple[Annotated[str, matching(r"[\w.-]+")], ...],
        Field(description="an array of domains such as ['example.com'], or [] for any"),
    ] = ()
    inbox: Annotated[str | None, matching(rf"s3://{_BUCKET}/(\S+/)?", "'s3://bucket/prefix/'")] = None
    inbox_rules: Annotated[
        dict[Annotated[str, matching("([^/].*)?")], InboxRule], Field(description=_RULES, validate_default=True)
    ] = field(default_factory=dict)
    inbox_quiet_seconds: Annotated[
        int, Field(ge=0, le=3600, description="a whole number of seconds from 0 to 3600")
    ] = 60
    approve_deletions: Flag = True
    approve_disabling: Flag = False
    approval_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_APPROVAL_SECONDS,
            description=f"a whole number of seconds from 1 to {MAX_APPROVAL_SECONDS} (7 days)",
        ),
    ] = 86_400
    approve_own: Flag = False
    approvers: Annotated[
        tuple[MailAddress, ...],
        Field(description="an array of mail addresses such as ['lead@example.com'], or [] for none"),
    ] = field(default=(), repr=False)
    approver_ids: Annotated[
        tuple[str, ...],
        Field(description="an array of ids of Airflow's users such as ['hanako'], or [] for any who may answer"),
    ] = ()
    aws_conn_id: Annotated[str, _CONNECTION] = "aws_default"
    console_addresses: Flag = False

    @field_validator("resend_invitation")
    @classmethod
    def _invites(cls, resend: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls it so
        if resend and info.data.get("invite") is False:
            message = "'resend_invitation' is true and 'invite' is false; expected 'invite' to be true, too"
            raise problem(message)
        return resend

    @field_validator("inbox_rules")
    @classmethod
    def _fits(cls, rules: dict[str, InboxRule], info: ValidationInfo) -> dict[str, InboxRule]:
        """Hold the rules against the settings above them, those that are right by themselves."""
        if found := list(_inbox_problems(rules, info.data)):
            raise problem("; ".join(found))
        return rules

    @classmethod
    def parse(cls, value: object, **more: object) -> Settings:
        """Check `value`, a mapping or the JSON text of one, and make settings of it; `more` are settings beside it.

        Raises SettingsError, whose one message names every key that is missing, unknown or wrong. A null counts as left out.
        """
        given = {key: setting for key, setting in (_mapping(value) | more).items() if setting is not None}
        try:
            return _SETTINGS.validate_json(json.dumps(given))
        except ValidationError as error:
            found = "; ".join(problems(error, cls, given, "a setting"))
            message = f"Variable {VARIABLE!r}: {found}."
            raise SettingsError(message) from None  # pydantic's error holds the values

    def inbox_prefix(self, key: str) -> str:
        """Return the prefix of the rule for a key below the inbox: of those that it begins with, the longest."""
        return max(filter(key.startswith, self.inbox_rules), key=len)

    def inbox_rule(self, key: str) -> InboxRule:
        """Return the rule for a key below the inbox."""
        return self.inbox_rules[self.inbox_prefix(key)]

    def groups_allowed(self, source: tuple[str, str] | None = None) -> tuple[str, ...]:
        """Return the groups that a row may name, empty for any; `source` is the bucket and key that the rows come from.

        A file of the inbox keeps to its rule whoever starts the run that reads it. The deployment's own
        `default_groups` are always allowed.
        """
        allowed = self.allowed_groups
        if source and self.inbox and (where := "s3://{}/{}".format(*source)).startswith(self.inbox):
            allowed = self.inbox_rule(where.removeprefix(self.inbox)).allowed_groups or allowed
        return (*allowed, *self.default_groups) if allowed else ()

    def asks_before(self, jobtype: str) -> bool:
        """Return whether a run of this job type in Airflow waits for somebody's approval."""
        return {"delete": self.approve_deletions, "disable": self.approve_disabling}.get(jobtype, False)

    @property
    def users_per_second(self) -> float:
        """The highest rate of calls in one quota category that the slots make together."""
        return self.slots / self.pacing_seconds


_SETTINGS: Final = TypeAdapter(Settings)


def _mapping(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            # The text may hold the temporary password, so neither it nor the decoder's excerpt is shown.
            message = f"Variable {VARIABLE!r} is not JSON; expected an object such as {_EXAMPLE}."
            raise SettingsError(message) from error.with_traceback(None)
    if not isinstance(value, dict):
        message = f"Variable {VARIABLE!r} is {describe_type(value)}; expected an object such as {_EXAMPLE}."
        raise SettingsError(message)
    return value


def _inbox_problems(rules: dict[str, InboxRule], settings: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the inbox beyond its single settings."""
    if settings.get("inbox") and "" not in rules:
        yield f"'inbox' needs a rule for all files, '' in 'inbox_rules': {_RULES}"
    domains = settings.get("allowed_admin_domains", ())
    groups = settings.get("allowed_groups", ())
    for prefix, rule in rules.items():
        if domains and not is_at(rule.adminemail, domains):
            at = rule.adminemail.rpartition("@")[2].lower()
            yield f"'inbox_rules' has an 'adminemail' at {at!r} for {prefix!r}; expected one at {' or '.join(domains)}"
        for group in rule.allowed_groups or ():
            if groups and group not in groups:
                yield (
                    f"'inbox_rules' allows the group {group!r} for {prefix!r}, which 'allowed_groups' does not; expected one "
                    f"of {', '.join(groups)}"
                )
