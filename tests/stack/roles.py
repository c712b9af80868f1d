"""The policies of the stack's roles and users, and what they are without one action."""

from __future__ import annotations

import json
from typing import Any

import boto3

from cognito_import import aws as clients
from cognito_import.run.folder import RunFolder

ADMIN = "admin@example.com"


IDLE = {"QueryLanguage": "JSONata", "StartAt": "Idle", "States": {"Idle": {"Type": "Wait", "Seconds": 60, "End": True}}}


def physical(deployed: Any, logical: str) -> str:
    """Return the physical id of a resource of the stack."""
    stack, _, _ = deployed
    cloudformation = boto3.client("cloudformation")
    detail = cloudformation.describe_stack_resource(StackName=stack.name, LogicalResourceId=logical)
    return str(detail["StackResourceDetail"]["PhysicalResourceId"])


def managed(iam: Any, deployed: Any, logical: str) -> dict[str, Any]:
    """Return the document of a managed policy of the stack."""
    arn = physical(deployed, logical)
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: dict[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document


def actions_of(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement, which may be one text."""
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


def without(document: dict[str, Any], sid: str, action: str) -> dict[str, Any]:
    """Return a policy without one action of one statement."""
    kept = []
    for statement in document["Statement"]:
        actions = actions_of(statement)
        if statement["Sid"] == sid:
            assert action in actions
            actions = [other for other in actions if other != action]
        if actions:
            kept.append({**statement, "Action": actions})
    return {**document, "Statement": kept}


class Worker:
    """A user of IAM who has some of the stack's policies."""

    def __init__(self, deployed: Any) -> None:
        self._deployed = deployed
        self._iam: Any = boto3.client("iam")
        self._iam.create_user(UserName="worker")
        self._key = self._iam.create_access_key(UserName="worker")["AccessKey"]

    def with_policy(self, *documents: dict[str, Any]) -> Any:
        """Return a session of the user with these policies."""
        for number, document in enumerate(documents):
            self._iam.put_user_policy(UserName="worker", PolicyName=f"{number}", PolicyDocument=json.dumps(document))
        return boto3.Session(self._key["AccessKeyId"], self._key["SecretAccessKey"])

    def with_policies(self, logical: list[str], lacking: str = "") -> Any:
        """Return a session of the user with managed policies of the stack, perhaps without one action."""
        documents = []
        for name in logical:
            document = managed(self._iam, self._deployed, name)
            for statement in document["Statement"]:
                if lacking and lacking in actions_of(statement):
                    document = without(document, statement["Sid"], lacking)
            documents.append(document)
        return self.with_policy(*documents)

    def leave(self) -> None:
        """Remove the user."""
        for name in self._iam.list_user_policies(UserName="worker")["PolicyNames"]:
            self._iam.delete_user_policy(UserName="worker", PolicyName=name)
        self._iam.delete_access_key(UserName="worker", AccessKeyId=self._key["AccessKeyId"])
        self._iam.delete_user(UserName="worker")


WORKER = ["WorkerPolicy"]


def folder_of(session: Any, machine: Any) -> RunFolder:
    """Return the run folder `policy` as a session sees it."""
    return RunFolder(session.client("s3", config=clients.S3), machine.variable["report_bucket"], "policy")
