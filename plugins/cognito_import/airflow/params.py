"""The keys of a request as the fields of Airflow's trigger form."""

from __future__ import annotations

from typing import Final

from airflow.sdk import Param

_DEFAULT: Final = {"null": "the deployment's default"}
"""How the form shows a choice that nobody has made."""


def request_params() -> dict[str, Param]:
    """Return the form's fields by the request's key, in the form's order."""
    return {
        "adminemail": Param(
            type="string",  # without a default: the form marks the field as required, and Airflow refuses a conf without it
            format="email",
            title="Administrator",
            description="The address that gets the report.",
        ),
        "lines": Param(
            None,
            type=["null", "string"],
            format="multiline",
            title="Users",
            description="One address in each line, or cells copied out of a spreadsheet. A header row says what the columns are "
            "(email, given_name, groups …); without one the column of addresses is used. Airflow keeps them in its list of "
            "runs and its audit log; Source keeps them out.",
        ),
        "source": Param(
            None,
            type=["null", "string"],
            title="Source",
            description="Instead of Users: the s3://bucket/key of a .csv, .json or .jsonl file, or of an earlier report's CSV.",
        ),
        "jobtype": Param(
            "import",
            type="string",
            enum=["import", "delete", "disable", "enable"],
            title="Job",
            description="import creates the users; delete deletes them, once somebody has approved it. disable keeps "
            "them from signing in until enable lets them again.",
        ),
        "undo": Param(
            None,
            type=["null", "string"],
            title="Undo",
            description="Instead of Users and Source: the name of a finished import, as its mail gives it. Deletes the users "
            "whom that run created, once somebody has approved it.",
        ),
        "existing_users": Param(
            None,
            type=["null", "string"],
            enum=[None, "fail", "complete"],
            values_display={
                **_DEFAULT,
                "fail": "are failures, and left as they are",
                "complete": "get the groups and attributes of the list",
            },
            title="Users who exist",
            description="Of an import: what becomes of users who are in the user pool already.",
        ),
        "dry_run": Param(
            None,
            type=["null", "boolean"],
            title="Dry run",
            description="Nothing is changed: the report says what would become of each user.",
        ),
        "invite": Param(
            None,
            type=["null", "boolean"],
            title="Invitations",
            description="Of an import: Cognito mails each new user an invitation. Untouched, the deployment's default.",
            section="More",
        ),
        "resend_invitation": Param(
            None,
            type=["null", "boolean"],
            title="Invite again",
            description="Of an import with invitations: users who exist and have not signed in yet get a new one. Untouched, "
            "the deployment's default.",
            section="More",
        ),
        "create_groups": Param(
            None,
            type=["null", "boolean"],
            title="Create groups",
            description="Of an import: groups that the user pool lacks are created. Untouched, the deployment's default.",
            section="More",
        ),
        "engine": Param(
            None,
            type=["null", "string"],
            enum=[None, "mapped", "step_functions"],
            values_display={**_DEFAULT, "mapped": "tasks of Airflow", "step_functions": "AWS Step Functions"},
            title="Engine",
            description="Where the calls to Cognito are made.",
            section="More",
        ),
        "data": Param(
            None,
            type=["null", "array"],
            items={"type": ["object", "string"]},
            title="Users as JSON",
            description='An array of objects such as {"useremail": "user01@example.com"}, with attributes and groups if you '
            "like, or of plain addresses.",
            section="More",
        ),
    }
