"""Preflight."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

import json
import logging
import re
from datetime import timedelta

import boto3
import pytest
from botocore.stub import Stubber

from cognito_import import aws
from cognito_import.errors import NotReadyError, PreflightError
from cognito_import.ingest import ingest_request
from cognito_import.pool_fit import pool_is_case_sensitive
from cognito_import.preflight import Clients, check
from cognito_import.report.reasons import translated
from cognito_import.run.folder import RunFolder
from cognito_import.settings import Settings

FINE = {"pacing_seconds": 1.0}
ONE = [{"useremail": "a@example.com"}]


@pytest.fixture
def preflight(resources):
    """Check a run of these users, by default one, with these settings."""

    def preflight(change=None, groups=None, end=None, data=None, sesv2=None, **options):
        settings = Settings.parse({**json.loads(resources.variable(**FINE)), **(change or {})})
        folder = RunFolder(resources.s3, resources.bucket, "run-1")
        users = data or [{**ONE[0], "groups": groups}]
        jobtype = options.pop("jobtype", "import")
        admin = options.pop("adminemail", resources.admin)
        keys = options.pop("keys", {})
        manifest = ingest_request(
            {"data": users, "adminemail": admin, "jobtype": jobtype, **keys}, settings, resources.s3, folder
        )
        end = end and manifest.began_at + end
        cognito = boto3.client("cognito-idp", config=aws.COGNITO)  # which repeats nothing itself
        clients = Clients(cognito, resources.s3, resources.ses, resources.step_functions, sesv2)
        try:
            return check(manifest, settings, clients, end, rows=folder.all_rows(), sleep=lambda _: None, **options)
        except PreflightError as refusal:
            for problem in (str(refusal).splitlines()[0], *refusal.problems):
                _said_in_japanese(problem)
            raise

    return preflight


def _said_in_japanese(problem):
    """The mail about a refusal says each problem in its language, but for what a service said and an id."""
    told = re.sub(r"（[^（）]*: .*?）", "", translated(problem, "ja"))
    assert re.search(r"[\u3040-\u30ff]", told), problem
    assert not re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", told), told


@pytest.fixture
def pool(resources):
    """Make another user pool with the group BASIC; give its id."""
    made = []

    def pool(**options):
        pool_id = resources.cognito.create_user_pool(PoolName="other", **options)["UserPool"]["Id"]
        made.append(pool_id)
        resources.cognito.create_group(UserPoolId=pool_id, GroupName="BASIC")
        return pool_id

    yield pool
    for pool_id in made:
        resources.cognito.delete_user_pool(UserPoolId=pool_id)


def test_a_ready_aws_passes(preflight, resources, local_aws):
    """No problem, no warning, and no user is touched."""
    assert preflight() == []
    assert {call["operation"] for call in local_aws.calls()} <= {"DescribeUserPool", "GetGroup", "GetProvisionedLimit"}
    assert resources.users() == {}


@pytest.mark.parametrize(
    ("change", "groups", "words"),
    [
        pytest.param({"user_pool_id": "ap-northeast-1_Missing99"}, None, ["user pool", "'user_pool_id'"], id="pool"),
        pytest.param({}, ["BASIC", "GHOST"], ["group 'GHOST'", "create it"], id="group"),
        pytest.param({"report_bucket": "no-such-bucket-here"}, None, ["bucket 'no-such", "create it"], id="bucket"),
        pytest.param({"mail_from": "ghost@example.org"}, None, ["ghost@example.org", "not verified"], id="sender"),
        pytest.param({"slots": 30}, None, ["30 calls a second", "25", "UserUpdate"], id="pace"),
        pytest.param({"pacing_seconds": 0.5}, None, ["40 calls a second", "pacing_seconds"], id="pacing"),
        pytest.param({"pace": "all", "reserve": 24}, None, ["leaves 1 of Cognito's 25", "'reserve'"], id="reserve"),
    ],
)
def test_what_is_not_ready_is_named(preflight, change, groups, words):
    """Each problem says what is wrong and what to do."""
    with pytest.raises(PreflightError) as found:
        preflight(change, groups)
    assert len(found.value.problems) == 1
    assert [word for word in words if word not in found.value.problems[0]] == []


def test_everything_wrong_is_said_at_once(preflight):
    """One look is enough to fix all of it."""
    change = {
        "user_pool_id": "ap-northeast-1_Missing99",
        "report_bucket": "no-such-b",
        "mail_from": "g@example.org",
        "slots": 60,
    }
    with pytest.raises(PreflightError, match="no user was touched") as found:
        preflight(change)
    assert len(found.value.problems) == 5
    assert "5 problems" in str(found.value)


def test_a_raised_quota_counts(preflight, local_aws):
    """The quota in force is asked for; a role that may not ask gets the default table."""
    with pytest.raises(PreflightError, match="above Cognito's 50 a second for UserCreation"):
        preflight({"slots": 60})
    local_aws.fault("GetProvisionedLimit", code="AccessDeniedException", times=2)
    with pytest.raises(PreflightError, match="above Cognito's 50 a second for UserCreation"):
        preflight({"slots": 60})


def test_slots_too_few_for_a_raised_quota_are_said(preflight, local_aws):
    """A slot makes some three calls a second, so the words name the three places that have to be raised together."""
    local_aws.quotas(UserCreation=200, UserUpdate=103)
    (warning,) = preflight({"pace": "all"})
    assert "leave 100 calls a second, and 20 slots make 3 each" in warning
    assert "COGNITO_IMPORT_POOL_SLOTS to 34" in warning
    assert preflight({"pace": "all", "slots": 34}) == []


def test_a_denial_names_the_permission(preflight, local_aws):
    """What the role may not look at is a problem with the action to allow."""
    local_aws.fault("DescribeUserPool", code="AccessDeniedException", times=1)
    with pytest.raises(PreflightError, match="cognito-idp:DescribeUserPool"):
        preflight()


def test_credentials_that_end_before_the_link_are_a_warning(preflight):
    """The mail will say when the link really ends, so the run goes on."""
    (warning,) = preflight(end=timedelta(hours=1))
    assert "36 hours" in warning
    assert preflight(end=timedelta(hours=37)) == []


def test_an_execution_that_could_never_have_its_slots_is_said(preflight):
    """A pool of another size than the state machine's task asks for would let it wait for ever without a word."""
    with pytest.raises(PreflightError, match="COGNITO_IMPORT_POOL_SLOTS to 10") as found:
        preflight({"slots": 10, "engine": "step_functions"}, pool_slots=20)
    assert "'slots' is 10" in str(found.value)
    with pytest.raises(PreflightError) as other:
        preflight({"slots": 20, "engine": "step_functions"}, pool_slots=20)
    assert "COGNITO_IMPORT_POOL_SLOTS" not in str(other.value)


@pytest.mark.parametrize(
    ("slots", "pool_slots", "words"),
    [
        pytest.param(5, 20, "has 20 slots", id="larger"),
        pytest.param(20, -1, "is endless", id="endless"),
        pytest.param(20, 20, "", id="same"),
        pytest.param(20, 10, "", id="smaller-is-slower-no-more"),
        pytest.param(20, None, "", id="unknown"),
    ],
)
def test_slots_are_a_cap_for_mapped_tasks_too(preflight, slots, pool_slots, words):
    """A pool of more slots than the pace counts with lets more tasks call at once."""
    if not words:
        preflight({"slots": slots}, pool_slots=pool_slots)
        return
    with pytest.raises(PreflightError, match=f"{words} and the setting 'slots' is {slots}"):
        preflight({"slots": slots}, pool_slots=pool_slots)


# What is no refusal


def test_a_throttle_is_repeated_and_no_refusal(preflight, local_aws):
    """A busy account throttles a look at a group now and then; the next attempt gets its answer."""
    local_aws.fault("GetGroup", code="TooManyRequestsException", message="Rate exceeded", times=3)
    local_aws.fault("DescribeUserPool", code="InternalErrorException", status=500, times=1)
    assert preflight() == []


def test_what_cannot_be_seen_now_is_tried_again(preflight, local_aws):
    """An outage is not the run's fault: the error is one that retries outlast, and it says what could not be looked at."""
    local_aws.fault("GetGroup", code="TooManyRequestsException", message="Rate exceeded", times=20)
    with pytest.raises(NotReadyError, match=r"no user was touched.*\n.*group 'BASIC'.*Rate exceeded") as failed:
        preflight()
    assert failed.value.temporary


def test_what_is_wrong_is_said_although_something_could_not_be_seen(preflight, local_aws):
    """Waiting would not fix it, so the run is refused at once."""
    local_aws.fault("GetGroup", code="TooManyRequestsException", message="Rate exceeded", times=20)
    with pytest.raises(PreflightError, match="no-such-bucket-here"):
        preflight({"report_bucket": "no-such-bucket-here"})


def test_expired_credentials_are_a_refusal(preflight, local_aws):
    """Trying again with the same credentials is of no use."""
    local_aws.fault("DescribeUserPool", code="ExpiredTokenException", times=20)
    with pytest.raises(PreflightError, match="check the credentials"):
        preflight()


# The user pool's kind


@pytest.mark.parametrize(
    ("kind", "jobtype", "words"),
    [
        pytest.param({"UsernameAttributes": ["email"]}, "import", "", id="email"),
        pytest.param({"UsernameAttributes": ["phone_number", "email"]}, "import", "", id="either"),
        pytest.param({}, "import", "", id="any-name"),
        pytest.param({"AliasAttributes": ["preferred_username"]}, "import", "", id="other-alias"),
        pytest.param({"UsernameAttributes": ["phone_number"]}, "import", "kind phone_number", id="phone"),
        pytest.param({"UsernameAttributes": ["phone_number"]}, "delete", "kind phone_number", id="phone-delete"),
        pytest.param({"AliasAttributes": ["email"]}, "import", "e-mail as an alias", id="alias"),
        pytest.param({"AliasAttributes": ["email"]}, "delete", "", id="alias-delete"),
    ],
)
def test_a_pool_whose_usernames_cannot_be_addresses_is_refused(preflight, pool, kind, jobtype, words):
    """Otherwise every row would fail at pace; a deletion finds its users by an alias as well."""
    change = {"user_pool_id": pool(**kind)}
    if not words:
        assert preflight(change, jobtype=jobtype) == []
        return
    with pytest.raises(PreflightError, match=words) as found:
        preflight(change, jobtype=jobtype)
    assert len(found.value.problems) == 1


@pytest.mark.parametrize(
    ("configuration", "sensitive"),
    [
        ({"UsernameConfiguration": {"CaseSensitive": False}}, False),
        ({"UsernameConfiguration": {"CaseSensitive": True}}, True),
        ({}, True),
    ],
    ids=["insensitive", "sensitive", "default"],
)
def test_a_pool_tells_whether_case_makes_two_users(pool, local_aws, configuration, sensitive):
    """Cognito's default is that it does, for pools made without the option."""
    pool_id, cognito = pool(**configuration), boto3.client("cognito-idp", config=aws.COGNITO)
    assert pool_is_case_sensitive(cognito, pool_id) is sensitive
    with pytest.raises(PreflightError, match="user_pool_id"):
        pool_is_case_sensitive(cognito, "ap-northeast-1_Missing99")
    local_aws.fault("DescribeUserPool", code="TooManyRequestsException", times=20)
    with pytest.raises(NotReadyError):
        pool_is_case_sensitive(cognito, pool_id, sleep=lambda _: None)


SCHEMA = [
    {"Name": "grade", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "1", "MaxValue": "10"}},
    {"Name": "code", "AttributeDataType": "String", "StringAttributeConstraints": {"MinLength": "2", "MaxLength": "8"}},
]


def _people(*attributes):
    return [
        {"useremail": f"user{number:02}@example.com", "attributes": given} for number, given in enumerate(attributes)
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"custom:team": "A"}, ["'custom:team' is not in the user pool's schema"], id="unknown"),
        pytest.param({"custom:cod": "A"}, ["did you mean 'custom:code'"], id="misspelt"),
        pytest.param({"custom:code": "x" * 9}, ["'custom:code' takes 2 to 8 characters"], id="long"),
        pytest.param({"custom:code": "x"}, ["'custom:code' takes 2 to 8 characters"], id="short"),
        pytest.param({"custom:grade": "11"}, ["'custom:grade' takes a number from 1 to 10"], id="large"),
        pytest.param({"custom:grade": "0.5"}, ["'custom:grade' takes a number from 1 to 10"], id="small"),
        pytest.param({"custom:grade": "A"}, ["'custom:grade' takes a number"], id="no-number"),
        pytest.param({"birthdate": "1990/1/1"}, ["'birthdate' takes 10 to 10 characters"], id="standard"),
    ],
)
def test_a_column_that_the_pool_does_not_take_is_said_before_anybody_is_touched(
    preflight, pool, resources, given, words
):
    """What would fail half of the users is a problem; what would fail fewer is told, and each of them reported."""
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=SCHEMA)}
    with pytest.raises(PreflightError) as found:
        preflight(change, data=_people(given, given, {}, {}))
    assert "2 of 4 users" in found.value.problems[0]
    assert [word for word in words if word not in found.value.problems[0]] == []
    assert len(found.value.problems) == 1


def test_a_few_wrong_rows_do_not_stop_the_others(preflight, pool):
    """One of four is that user's failure."""
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=SCHEMA)}
    (warning,) = preflight(
        change, data=_people({"custom:code": "x"}, {"custom:code": "xy"}, {"custom:grade": "10"}, {})
    )
    assert "1 of 4 users would fail" in warning


def test_values_within_the_schema_pass(preflight, pool):
    """Bounds count as within."""
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=SCHEMA)}
    right = {"custom:code": "日本", "custom:grade": "1", "birthdate": "1990-01-01"}
    assert preflight(change, data=_people(right, {"custom:grade": "10.0"})) == []


def test_a_required_attribute_that_no_row_gives_is_a_problem(preflight, pool):
    """Some without are told, all without refuse the run."""
    schema = [{"Name": "family_name", "Required": True, "Mutable": True}, {"Name": "email", "Required": True}]
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=schema)}
    with pytest.raises(PreflightError, match=r"requires the attribute 'family_name', and 2 of 2 users"):
        preflight(change, data=_people({}, {"given_name": "Hanako"}))


def test_a_required_attribute_that_some_rows_lack_is_a_warning(preflight, pool):
    """The others can be imported."""
    schema = [{"Name": "family_name", "Required": True, "Mutable": True}]
    change = {"user_pool_id": pool(UsernameAttributes=["email"], Schema=schema)}
    (warning,) = preflight(change, data=_people({}, {"family_name": "山田"}))
    assert "1 of 2 users would be created without" in warning


def test_a_temporary_password_that_breaks_the_pool_s_policy_is_said_and_not_shown(preflight, pool):
    """Cognito would refuse it for every user."""
    policy = {"MinimumLength": 10, "RequireUppercase": True, "RequireNumbers": True, "RequireSymbols": True}
    pool_id = pool(UsernameAttributes=["email"], Policies={"PasswordPolicy": policy})
    with pytest.raises(PreflightError, match=r"10 characters and an upper-case letter and a symbol") as found:
        preflight({"user_pool_id": pool_id, "temporary_password": "abcdef1"})
    assert "abcdef1" not in str(found.value)
    assert preflight({"user_pool_id": pool_id, "temporary_password": "Abcdef1234!"}) == []


# The recipient


def _sesv2(**options):
    return boto3.client("sesv2", config=aws.SES, **options)


@pytest.fixture
def sandbox(resources):
    """Put the account into SES's sandbox."""
    client = _sesv2()
    about = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://example.com"}
    client.put_account_details(**about, ProductionAccessEnabled=False)
    yield client
    client.put_account_details(**about, ProductionAccessEnabled=True)


@pytest.mark.parametrize("verified", ["", "address", "domain", "parent"])
def test_in_the_sandbox_the_administrator_has_to_be_verified(preflight, resources, sandbox, caplog, verified):
    """Otherwise the report could not be mailed once all the users are there; the address itself is never shown."""
    to = "boss@mail.sandbox.example.net"
    identity = {"address": to, "domain": "mail.sandbox.example.net", "parent": "sandbox.example.net"}.get(verified)
    with Stubber(sandbox) as stubber:
        answer = {"ProductionAccessEnabled": False, "SendingEnabled": True}
        stubber.add_response("get_account", answer)
        stubber.add_client_error("get_suppressed_destination", "NotFoundException")
        if identity:
            verify = resources.ses.verify_email_identity if "@" in identity else resources.ses.verify_domain_identity
            verify(**{"EmailAddress" if "@" in identity else "Domain": identity})
            try:
                assert preflight(adminemail=to, sesv2=sandbox) == []
            finally:
                resources.ses.delete_identity(Identity=identity)
            return
        with caplog.at_level(logging.INFO), pytest.raises(PreflightError, match="sandbox") as found:
            preflight(adminemail=to, sesv2=sandbox)
    assert "boss@" not in str(found.value) + caplog.text


def test_the_sandbox_is_seen_on_a_whole_aws(preflight, sandbox):
    """What the account says is read as SES says it; what it cannot be asked is a warning."""
    with pytest.raises(PreflightError, match="sandbox"):
        preflight(adminemail="somebody@elsewhere.example", sesv2=sandbox)


ACCOUNT = {
    "ProductionAccessEnabled": True,
    "SendingEnabled": True,
    "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE"]},
}


@pytest.mark.parametrize(
    ("account", "suppressed", "words"),
    [
        pytest.param({}, "BOUNCE", "suppression list (BOUNCE)", id="suppressed"),
        pytest.param({}, "COMPLAINT", "", id="reason-not-chosen"),
        pytest.param({"SendingEnabled": False}, "", "paused the account's sending", id="paused"),
    ],
)
def test_a_recipient_whom_no_mail_would_reach_is_said(preflight, resources, account, suppressed, words):
    """SES takes such a mail without a word and sends nothing."""
    client = _sesv2()
    with Stubber(client) as stubber:
        stubber.add_response("get_account", {**ACCOUNT, **account})
        if suppressed:
            entry = {"EmailAddress": resources.admin, "Reason": suppressed, "LastUpdateTime": 0}
            stubber.add_response("get_suppressed_destination", {"SuppressedDestination": entry})
        else:
            stubber.add_client_error("get_suppressed_destination", "NotFoundException")
        if not words:
            assert preflight(sesv2=client) == []
            return
        with pytest.raises(PreflightError) as found:
            preflight(sesv2=client)
    assert words in str(found.value)
    assert resources.admin not in str(found.value)


def test_what_may_not_be_asked_of_ses_is_a_warning(preflight, resources):
    """These permissions are optional, and a message that names the address does not show it."""
    client = _sesv2()
    with Stubber(client) as stubber:
        stubber.add_client_error("get_account", "AccessDeniedException", "not authorized to perform: ses:GetAccount")
        stubber.add_client_error("get_suppressed_destination", "AccessDeniedException", f"on {resources.admin.upper()}")
        warnings = preflight(sesv2=client)
    assert [name in text for name, text in zip(("ses:GetAccount", "ses:GetSupp"), warnings, strict=True)] == [
        True,
        True,
    ]
    assert resources.admin not in " ".join(warnings).lower()


def test_a_used_up_quota_of_mails_is_a_warning(preflight):
    """The report has to wait; the import does not."""
    client = _sesv2()
    with Stubber(client) as stubber:
        quota = {"Max24HourSend": 200.0, "SentLast24Hours": 200.0, "MaxSendRate": 1.0}
        stubber.add_response("get_account", {**ACCOUNT, "SendQuota": quota})
        stubber.add_client_error("get_suppressed_destination", "NotFoundException")
        (warning,) = preflight(sesv2=client)
    assert "200 mails" in warning


def test_an_address_beyond_ascii_is_said_before_the_import(preflight):
    """SES refuses it, and would do so when the users are all there."""
    with pytest.raises(PreflightError, match="beyond ASCII") as found:
        preflight(adminemail="管理者@example.com", sesv2=_sesv2())
    assert "管理者" not in str(found.value)


def groups_of(resources):
    """The names of the user pool's groups."""
    found = resources.cognito.list_groups(UserPoolId=resources.user_pool_id)["Groups"]
    return {group["GroupName"] for group in found}


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        pytest.param({"create_groups": True}, {}, id="setting"),
        pytest.param({}, {"create_groups": True}, id="request"),
    ],
)
def test_groups_are_created_where_that_is_wanted(preflight, resources, change, keys):
    """The missing one alone, so that a user can join it; another preflight finds it."""
    for _ in range(2):
        assert preflight(change, groups=["BASIC", "NEW"], keys=keys) == []
        assert groups_of(resources) == {"BASIC", "NEW"}


@pytest.mark.parametrize(
    ("change", "keys", "problem"),
    [
        pytest.param({"slots": 30}, {}, "slots", id="something-else-is-wrong"),
        pytest.param({}, {"create_groups": False}, "The group 'NEW'", id="request-says-no"),
    ],
)
def test_no_group_is_created_where_that_is_not_wanted(preflight, resources, change, keys, problem):
    """A run that does not begin changes nothing, and a request goes before the setting."""
    with pytest.raises(PreflightError, match=problem):
        preflight({"create_groups": True, **change}, groups=["NEW"], keys=keys)
    assert groups_of(resources) == {"BASIC"}


def test_a_group_that_may_not_be_created_is_a_problem(preflight, local_aws):
    """The message names the group and both permissions."""
    local_aws.fault("CreateGroup", code="AccessDeniedException", message="No.")
    with pytest.raises(PreflightError, match=r"'NEW'.*cognito-idp:GetGroup and CreateGroup on the user pool"):
        preflight({"create_groups": True}, groups=["NEW"])
