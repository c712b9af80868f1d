"""What the tests of one user's calls share."""

from cognito_import.request.model import UserRow

ROW = UserRow(1, "new@example.com", {"given_name": "花子", "custom:department": "営業部"}, ("BASIC",))


def is_enabled(resources):
    """Return whether the new user may sign in."""
    return resources.cognito.admin_get_user(UserPoolId=resources.user_pool_id, Username="new@example.com")["Enabled"]


def names(calls):
    """Return the operations of a call log."""
    return [call["operation"] for call in calls]
