"""What tests of the report share."""

from __future__ import annotations

import pytest

from cognito_import.ingest import ingest_request
from cognito_import.run.folder import RunFolder


@pytest.fixture
def folder(resources, settings, monkeypatch):
    """A run of 40 users in one batch each, of whom user 5 was refused."""
    monkeypatch.setattr("cognito_import.engine.plan.FEW", 40)
    folder = RunFolder(resources.s3, resources.bucket, "run-1")
    users = [{"useremail": f"user{number:02}@example.com"} for number in range(1, 41)]
    users[4] = {"useremail": "nobody"}
    ingest_request({"data": users, "adminemail": resources.admin}, settings, resources.s3, folder)
    return folder
