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


def denial(role_arn: str, action: str, resource_arn: str, session: str) -> str:
    """Return AWS's message if the role may not do `action` ("s3:GetObject") on the resource, or ""."""
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
    """Return whether Step Functions may assume the role at all."""
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


def cognito_call(operation: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """Return the IAM action of a call to Cognito and the ARN of the resource that it names."""
    headers = {"x-amz-target": f"AWSCognitoIdentityProviderService.{operation}"}
    body = json.dumps(arguments).encode()
    arn = extract_resource_arn("cognito-idp", "POST", "/", headers, body, {}, get_region(), get_account_id())
    return f"cognito-idp:{operation}", str(arn)


def function_arn(name: str) -> str:
    """Return the ARN of a Lambda function given by name or ARN."""
    return name if name.startswith("arn:") else f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
