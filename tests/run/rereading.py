"""A run that is read more than once."""

from dataclasses import replace

import boto3

from cognito_import import aws
from cognito_import.engine.batches import run_batch
from cognito_import.engine.pacing import Pacer
from cognito_import.engine.user_pool import UserPool
from cognito_import.ingest import ingest_request
from cognito_import.preflight import Clients, check
from cognito_import.report.rows import all_outcomes
from cognito_import.run import approval
from cognito_import.run.approval import Approval
from cognito_import.run.folder import RunFolder

AT = "2026-11-22T08:05:59+00:00"


OTHER_POOL = "ap-northeast-1_Another01"


class Run:
    """One run as its tasks see it: each opens the folder for itself, with the settings that hold by then."""

    def __init__(self, resources, settings, **request):
        self.resources, self.settings = resources, settings
        users = [{"useremail": f"user{number}@example.com"} for number in range(1, 4)]
        self.request = {
            "adminemail": resources.admin,
            **({"data": users} if "source" not in request else {}),
            **request,
        }

    def folder(self):
        return RunFolder(self.resources.s3, self.resources.bucket, "run-1")

    def read(self, **change):
        """Do what `read_request` does, with these settings changed for good."""
        self.settings = replace(self.settings, **change)
        return ingest_request(self.request, self.settings, self.resources.s3, self.folder())

    def preflight(self):
        """Do what `preflight` does, and return the manifest that it looked at."""
        folder = self.folder()
        manifest = folder.required_manifest()
        manifest.raise_if_differs(self.settings)
        clients = Clients(boto3.client("cognito-idp", config=aws.COGNITO), self.resources.s3, self.resources.ses, None)
        steady = replace(self.settings, pacing_seconds=1.0)
        check(manifest, steady, clients, None, rows=folder.all_rows(), sleep=lambda _: None)
        return manifest

    def work(self, folder=None):
        """Do what the tasks of `process_users` do."""
        folder = folder or self.folder()
        manifest = folder.required_manifest()
        client = boto3.client("cognito-idp", config=aws.COGNITO)
        for batch in manifest.batches:
            run_batch(folder, batch, UserPool(client, self.settings, Pacer(0), jobtype=manifest.jobtype))

    def approve(self):
        manifest = self.folder().required_manifest()
        approval.write(self.folder(), Approval(approval.APPROVED, AT, 60, "taro", rows=manifest.approved))

    def codes(self):
        folder = self.folder()
        return [outcome.code for outcome in all_outcomes(folder, folder.required_manifest())]


def called(local_aws):
    """Return the users' calls that were made."""
    return [call["operation"] for call in local_aws.calls() if call["operation"].startswith("Admin")]
