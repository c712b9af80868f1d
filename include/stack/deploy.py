"""Deploy the stack, show what Airflow needs to know of it, and remove it.

    python -m stack.deploy deploy --set MailFrom=report@example.com --set UserPoolId=ap-northeast-1_AbCdEfGhI
    python -m stack.deploy outputs
    python -m stack.deploy remove [--delete-data]

The usual credentials and settings of AWS's tools say where to; `AWS_ENDPOINT_URL` on this machine means local AWS, and
the package is then built for this machine. A parameter that is not set keeps its value of the last deployment. The
template's own comments describe the parameters. `--set LinkSigner=true` makes the user whose key signs links for 36 hours,
and `--set LinkSignerSerial=2` replaces its key.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any, Literal

import boto3  # noqa: TID253 - a command, never imported by a DAG
from botocore.exceptions import ClientError, WaiterError

from stack import package
from stack.buckets import NAME, Buckets, DeployError
from stack.parameters import TEMPLATE, is_local, local_platform, parameters

NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
POLL: Any = {"Delay": 2, "MaxAttempts": 900}
UNUSABLE = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
"""A stack whose first deployment failed; it can only be deleted."""


class Stack:
    """The stack with one suffix, in the account and Region of the usual credentials."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        self.name = f"{NAME}-{suffix}"
        self._cloudformation = boto3.client("cloudformation")
        self._buckets = Buckets()

    # ---- deploy

    def deploy(self, given: dict[str, str]) -> None:
        """Package, upload, and create the stack or update it. Raises DeployError."""
        known = parameters()
        for name in given:
            if name not in known or name in ("Suffix", "ArtifactsBucket", "PackageKey", "DefinitionKey"):
                message = f"{name!r} is no parameter to set; expected one of {', '.join(known)}."
                raise DeployError(message)
        before = self.describe()
        if before and before["StackStatus"] in UNUSABLE:
            self._delete()
            before = None
        kept = {entry["ParameterKey"]: entry["ParameterValue"] for entry in (before or {}).get("Parameters", ())}
        platform_defaults = local_platform() if is_local() else {}
        values = {**{name: kept[name] for name in kept if name in known}, **platform_defaults, **given}
        values["Suffix"] = self.suffix
        values.update(
            self._upload(values.get("Runtime", known["Runtime"]), values.get("Architecture", known["Architecture"]))
        )
        kind: Literal["CREATE", "UPDATE"] = "UPDATE" if before else "CREATE"
        if self._change(kind, values):
            print(f"{self.name}: {kind.lower()}d.")
        else:
            print(f"{self.name}: nothing to change.")

    def _upload(self, runtime: str, architecture: str) -> dict[str, str]:
        """Build the artifacts, upload what is not there yet, and return the parameters that name them."""
        artifacts = package.build(runtime, architecture)
        bucket = self._buckets.make_artifacts()
        keys = {}
        for parameter, path in (("PackageKey", artifacts.function), ("DefinitionKey", artifacts.definition)):
            keys[parameter] = f"{self.name}/{path.name}"
            self._buckets.upload(path, bucket, keys[parameter])
        return {"ArtifactsBucket": bucket, **keys}

    def _change(self, kind: Literal["CREATE", "UPDATE"], values: dict[str, str]) -> bool:
        """Create and execute a change set; return whether there was anything to change."""
        change: Any = {"StackName": self.name, "ChangeSetName": f"deploy-{time.time_ns()}"}
        self._cloudformation.create_change_set(
            **change,
            ChangeSetType=kind,
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": "application", "Value": NAME}],
        )
        try:
            self._cloudformation.get_waiter("change_set_create_complete").wait(**change, WaiterConfig=POLL)
        except WaiterError as error:
            reason = self._cloudformation.describe_change_set(**change).get("StatusReason", str(error))
            if kind == "UPDATE" and any(text in reason for text in NOTHING_TO_DO):
                self._cloudformation.delete_change_set(**change)
                return False
            message = f"{self.name}: CloudFormation refuses the change: {reason}"
            raise DeployError(message) from error
        started = time.time()
        self._cloudformation.execute_change_set(**change)
        waiter: Any = f"stack_{kind.lower()}_complete"
        try:
            self._cloudformation.get_waiter(waiter).wait(StackName=self.name, WaiterConfig=POLL)
        except WaiterError as error:
            raise DeployError(self._failures(started)) from error
        return True

    def _failures(self, since: float) -> str:
        """Name the resources that failed since the epoch second `since`, the first cause first."""
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [
            f"\n  - {event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"].timestamp() >= since - 60
        ]
        return f"{self.name}: the deployment failed and was rolled back:{''.join(failed)}"

    # ---- look

    def describe(self) -> Any:
        """Return the stack as CloudFormation describes it, or None."""
        try:
            return self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response.get("Error", {}).get("Message", ""):
                return None
            raise

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by name. Raises DeployError if there is no stack."""
        stack = self.describe()
        if stack is None:
            message = f"{self.name} is not deployed here; deploy it first."
            raise DeployError(message)
        return {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", ())}

    def variable(self) -> dict[str, Any]:
        """Return the Airflow Variable `cognito_import`."""
        variable: dict[str, Any] = json.loads(self.outputs()["CognitoImport"])
        return variable

    # ---- remove

    def remove(self, *, delete_data: bool) -> None:
        """Delete the stack; with `delete_data` its runs, reports and packages too, without it only an empty bucket.

        Raises DeployError, before anything is deleted, if the bucket holds anything and that is to be kept.
        """
        if self.describe() is None:
            print(f"{self.name}: not there.")
            return
        bucket = self.outputs()["BucketName"]
        if delete_data:
            self._buckets.empty(bucket)
            self._buckets.empty(self._buckets.artifacts, f"{self.name}/")
        elif not self._buckets.is_empty(bucket):
            message = (
                f"s3://{bucket} holds runs and reports, and a stack is not removed without its bucket. Copy what you "
                "want to keep; then remove with --delete-data."
            )
            raise DeployError(message)
        self._delete()
        print(f"{self.name}: removed.")

    def _delete(self) -> None:
        started = time.time()
        self._cloudformation.delete_stack(StackName=self.name)
        try:
            self._cloudformation.get_waiter("stack_delete_complete").wait(StackName=self.name, WaiterConfig=POLL)
        except WaiterError as error:
            raise DeployError(self._failures(started)) from error


def main() -> None:
    """Do the command line's command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("deploy", "outputs", "remove"))
    parser.add_argument("--suffix", default="main", help="of all names (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the template")
    parser.add_argument("--delete-data", action="store_true", help="remove runs, reports and packages too")
    options = parser.parse_args()
    try:
        stack = Stack(options.suffix)
        if options.command == "remove":
            stack.remove(delete_data=options.delete_data)
            return
        if options.command == "deploy":
            stack.deploy(dict(entry.partition("=")[::2] for entry in options.set))
        print(json.dumps(stack.variable(), indent=2, ensure_ascii=False))
    except DeployError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
