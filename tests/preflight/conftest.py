"""What the tests of preflight share."""
# ruff: noqa: RUF001 - Japanese is written with full-width brackets

import json
import re

import boto3
import pytest

from cognito_import import aws
from cognito_import.errors import PreflightError
from cognito_import.ingest import ingest_request
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
    """Create another user pool with the group BASIC, and return its id."""
    made = []

    def pool(**options):
        pool_id = resources.cognito.create_user_pool(PoolName="other", **options)["UserPool"]["Id"]
        made.append(pool_id)
        resources.cognito.create_group(UserPoolId=pool_id, GroupName="BASIC")
        return pool_id

    yield pool
    for pool_id in made:
        resources.cognito.delete_user_pool(UserPoolId=pool_id)
