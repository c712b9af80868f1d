"""Tasks and events of emulated state machines."""

from __future__ import annotations

from typing import Any

COGNITO = "arn:aws:states:::aws-sdk:cognitoidentityprovider"


def create_user(pool: str, **more: Any) -> dict[str, Any]:
    """Return a Task that creates the user its input names."""
    return {
        "Type": "Task",
        "Resource": f"{COGNITO}:adminCreateUser",
        "Arguments": {
            "UserPoolId": pool,
            "Username": "{% $states.input.useremail %}",
            "MessageAction": "SUPPRESS",
        },
        **more,
    }


def kinds(machine: Any, execution: str) -> list[str]:
    """Return the types of an execution's events."""
    return [event["type"] for event in machine.events(execution)]
