"""The settings."""

import json

import pytest

from cognito_import.errors import SettingsError
from cognito_import.settings import Settings

LEAST = {"user_pool_id": "ap-northeast-1_AbC", "report_bucket": "reports", "mail_from": "no-reply@example.com"}


def test_the_defaults_are_the_contract():
    """What a deployment leaves out has the documented default."""
    settings = Settings.parse(LEAST)
    assert settings == Settings("ap-northeast-1_AbC", "reports", "no-reply@example.com")
    assert (settings.default_groups, settings.invite, settings.engine) == (("BASIC",), False, "mapped")
    assert (settings.slots, settings.pacing_seconds, settings.link_seconds) == (20, 1.0, 129_600)
    assert (settings.locale, settings.time_zone) == ("ja", "Asia/Tokyo")
    assert (settings.approve_deletions, settings.approval_seconds) == (True, 86_400)


def test_json_text_and_an_object_are_the_same():
    """A Variable arrives as text or already decoded."""
    assert Settings.parse(json.dumps(LEAST)) == Settings.parse(LEAST)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"user_pool_id": None}, ["'user_pool_id' is missing"], id="missing"),
        pytest.param({"slot": 3}, ["'slot' is not a setting", "did you mean 'slots'"], id="misspelt"),
        pytest.param({"slots": 0}, ["'slots' is a number", "1 to 1000"], id="zero-slots"),
        pytest.param({"slots": True}, ["'slots' is true or false"], id="slots-flag"),
        pytest.param({"slots": 1.5}, ["'slots' is a number", "whole"], id="half-a-slot"),
        pytest.param({"pacing_seconds": 0}, ["'pacing_seconds'", "above 0"], id="no-pace"),
        pytest.param({"pacing_seconds": float("nan")}, ["'pacing_seconds'"], id="nan"),
        pytest.param({"link_seconds": 604_801}, ["'link_seconds'", "7 days"], id="link-too-long"),
        pytest.param({"locale": "fr"}, ["'locale'", "'ja' or 'en'"], id="locale"),
        pytest.param({"time_zone": "Asia/Atlantis"}, ["'time_zone'", "IANA"], id="zone"),
        pytest.param({"time_zone": "../../etc/passwd"}, ["'time_zone'"], id="zone-path"),
        pytest.param({"mail_from": "Reports <a@example.com>"}, ["'mail_from'", "SES"], id="display-name"),
        pytest.param({"default_groups": "BASIC"}, ["'default_groups' is a text", "array"], id="groups-text"),
        pytest.param({"invite": "yes"}, ["'invite' is a text", "true or false"], id="invite"),
        pytest.param({"resend_invitation": True}, ["'resend_invitation' is true", "'invite' to be true"], id="resend"),
        pytest.param({"inbox": "https://example.com"}, ["'inbox'", "s3://"], id="inbox"),
        pytest.param({"approve_deletions": "no"}, ["'approve_deletions' is a text", "true or false"], id="approve"),
        pytest.param({"approval_seconds": 0}, ["'approval_seconds' is a number", "7 days"], id="approval-none"),
        pytest.param({"approval_seconds": 604_801}, ["'approval_seconds'", "604800"], id="approval-too-long"),
        pytest.param({"approve_own": 1}, ["'approve_own' is a number", "true or false"], id="approve-own"),
        pytest.param({"approvers": "a@example.com"}, ["'approvers' is a text", "array"], id="approvers-text"),
        pytest.param({"approvers": ["a"]}, ["'approvers' is an array of 1", "mail addresses"], id="approvers-address"),
        pytest.param({"allowed_groups": "BASIC"}, ["'allowed_groups' is a text", "array"], id="allowed-groups"),
        pytest.param({"allowed_groups": ["A B"]}, ["'allowed_groups' is an array of 1"], id="allowed-groups-space"),
        pytest.param({"link_conn_id": 3}, ["'link_conn_id' is a number", "connection"], id="link-conn"),
        pytest.param(
            {"inbox_rules": {"": {"adminemail": "a@example.com", "allowed_groups": []}}},
            ["'inbox_rules' is an object", "allowed_groups"],
            id="rule-without-groups",
        ),
        pytest.param({"state_machine_arn": "arn"}, ["'state_machine_arn'", "ARN"], id="arn"),
    ],
)
def test_a_wrong_setting_is_named(change, words):
    """The one error names the Variable, the key, the kind of its value and what was expected."""
    with pytest.raises(SettingsError) as refused:
        Settings.parse({**LEAST, **change})
    assert [word for word in ["'cognito_import'", *words] if word not in str(refused.value)] == []


def test_everything_wrong_is_said_at_once():
    """Nobody has to fix settings one error at a time."""
    with pytest.raises(SettingsError) as refused:
        Settings.parse({"slots": 0, "locale": "fr", "odd": 1})
    assert all(key in str(refused.value) for key in ("slots", "locale", "odd", "user_pool_id", "report_bucket"))


@pytest.mark.parametrize("value", ["{not json", "[]", 3, None], ids=["broken", "array", "number", "null"])
def test_a_variable_is_an_object(value):
    """Anything but an object is refused."""
    with pytest.raises(SettingsError, match="expected an object"):
        Settings.parse(value)


def test_the_temporary_password_is_never_shown():
    """Neither the repr nor an error about any setting holds it, nor does text that is not quite JSON."""
    secret = "Hunter2-Hunter2"
    assert secret not in repr(Settings.parse({**LEAST, "temporary_password": secret}))
    for broken in ({**LEAST, "temporary_password": secret + " "}, '{"temporary_password": "' + secret):
        with pytest.raises(SettingsError) as refused:
            Settings.parse(broken)
        assert secret not in str(refused.value)


def test_every_setting_says_what_is_expected_of_it():
    """A message has to say it, whichever setting is wrong."""
    assert [name for name, field in Settings.__pydantic_fields__.items() if not field.description] == []


def test_who_may_do_what_is_narrow_by_default():
    """Nobody approves their own deletion, nobody is mailed, any group may be named, and the usual connection signs."""
    settings = Settings.parse(LEAST)
    assert (settings.approve_own, settings.approvers, settings.link_conn_id) == (False, (), None)
    assert settings.groups_allowed() == ()


def test_approvers_are_personal_data():
    """A log of the settings does not hold an address of theirs."""
    settings = Settings.parse({**LEAST, "approvers": ["lead@example.com", "hr@example.com"]})
    assert settings.approvers == ("lead@example.com", "hr@example.com")
    assert "lead@" not in repr(settings)


INBOX = {
    "inbox": "s3://files/in/",
    "inbox_rules": {
        "": {"adminemail": "a@example.com"},
        "partner/": {"adminemail": "b@example.com", "allowed_groups": ["GUEST"]},
    },
}


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        pytest.param(None, {"GUEST", "STAFF", "BASIC"}, id="data"),
        pytest.param(("files", "elsewhere/partner/x.csv"), {"GUEST", "STAFF", "BASIC"}, id="not-the-inbox"),
        pytest.param(("files", "in/staff.csv"), {"GUEST", "STAFF", "BASIC"}, id="rule-without"),
        pytest.param(("files", "in/partner/x.csv"), {"GUEST", "BASIC"}, id="rule-with"),
        pytest.param(("other", "in/partner/x.csv"), {"GUEST", "STAFF", "BASIC"}, id="other-bucket"),
    ],
)
def test_a_file_of_the_inbox_may_name_the_groups_of_its_rule(source, allowed):
    """The rule holds for the file wherever the run that reads it was started; default groups are always allowed."""
    settings = Settings.parse({**LEAST, **INBOX, "allowed_groups": ["GUEST", "STAFF"]})
    assert set(settings.groups_allowed(source)) == allowed


def test_a_rule_alone_narrows_what_else_is_free():
    """Without the setting any group may be named, but not by files whose rule lists them."""
    settings = Settings.parse({**LEAST, **INBOX})
    assert settings.groups_allowed() == ()
    assert set(settings.groups_allowed(("files", "in/partner/x.csv"))) == {"GUEST", "BASIC"}


def test_a_rule_allows_no_more_groups_than_the_settings():
    """A rule is narrower, so a group that only it allows is a mistake that is named."""
    with pytest.raises(
        SettingsError, match=r"'inbox_rules' allows the group 'GUEST' for 'partner/'.*expected one of STAFF"
    ):
        Settings.parse({**LEAST, **INBOX, "allowed_groups": ["STAFF"]})
