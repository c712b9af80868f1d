"""The state machine's role: what it may call, by its own policies and those of the resource.

Follows "How AWS Step Functions works with IAM" and "IAM policies for using Distributed Map states".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: SLF001

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_evaluator as iam
from ministack.core.iam_actions import extract_resource_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam as iam_service

SERVICE_PRINCIPAL = "states.amazonaws.com"


def denial(role_arn: str, action: str, resource_arn: str, session: str, keys: dict[str, str] | None = None) -> str:
    """Return AWS's message if the role may not do `action` ("s3:PutObject") on the resource, or "".

    `keys` are the condition keys of the request, such as `s3:prefix`.
    """
    account, role = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    service = action.partition(":")[0]
    policies = iam._gather_role_policies(role, account)
    limits = iam._permissions_boundary(iam_service._roles, role, account)
    asked = iam.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context=dict(keys or {}),
    )
    result = iam.evaluate(asked, policies, *limits)
    own_policy = iam._resource_policy(service, resource_arn)
    if own_policy is not None:
        required = service in iam._POLICY_REQUIRED
        result = iam.combine_resource_policy(result, asked, *own_policy, required=required, limits=limits)
    if result.decision == "Allow":
        return ""
    reason = (
        "with an explicit deny in an identity-based policy"
        if result.decision == "Deny"
        else f"because no identity-based policy allows the {action} action"
    )
    return f"User: {asked.principal_arn} is not authorized to perform: {action} on resource: {resource_arn} {reason}"


def trusted(role_arn: str) -> bool:
    """Tell whether Step Functions may assume the role at all."""
    role = iam_service._roles.get_scoped(role_arn.split(":")[4], None, role_arn.rpartition("/")[2]) or {}
    trust = role.get("AssumeRolePolicyDocument") or {}
    document = json.loads(trust) if isinstance(trust, str) else trust
    statements = document.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        named = [services] if isinstance(services, str) else services
        if statement.get("Effect") == "Allow" and any(
            name == SERVICE_PRINCIPAL or (name.startswith("states.") and name.endswith(".amazonaws.com"))
            for name in named
        ):
            return True
    return False


_IAM_SERVICE = {
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "eventbridge": "events",
    "sfn": "states",
    "sesv2": "ses",
}
_S3_ACTION = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject", "CopyObject": "PutObject"}


def sdk_call(service: str, operation: str, arguments: dict[str, Any], target_prefix: str) -> tuple[str, str]:
    """Return the IAM action of an SDK call ("s3", "PutObject") and the ARN of the resource it names."""
    iam_service_name = _IAM_SERVICE.get(service, service)
    if service == "s3":
        action = f"s3:{_S3_ACTION.get(operation, operation)}"
        bucket, key = arguments.get("Bucket", "*"), arguments.get("Key")
        return action, f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    if service == "lambda":
        action = "lambda:InvokeFunction" if operation == "Invoke" else f"lambda:{operation}"
        return action, function_arn(str(arguments.get("FunctionName", "*")))
    if service == "sfn":
        return f"states:{operation}", str(arguments.get("StateMachineArn") or arguments.get("ExecutionArn") or "*")
    headers = {"x-amz-target": f"{target_prefix}.{operation}"}
    arn = extract_resource_arn(
        iam_service_name,
        "POST",
        "/",
        headers,
        json.dumps(arguments, default=str).encode(),
        {},
        get_region(),
        get_account_id(),
    )
    return f"{iam_service_name}:{operation}", str(arn)


def function_arn(name: str) -> str:
    """Return the ARN of a Lambda function given by name or ARN."""
    if name.startswith("arn:"):
        return name
    return f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
