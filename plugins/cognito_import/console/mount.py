"""What the plugin names: the page as an ASGI app that is imported with its first request.

Tasks import the plugin, too, and FastAPI with Airflow's permissions would take them seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

PREFIX: Final = "/cognito-import"


async def console(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Serve one request."""
    from cognito_import.console.app import app

    await app(scope, receive, send)


APP: Final = {"app": console, "url_prefix": PREFIX, "name": "Cognito import"}
VIEW: Final = {
    "name": "Cognito",  # as much as the bar at the side shows
    # Without a slash ahead, so that it is right where Airflow is served under a path.
    "href": f"{PREFIX.strip('/')}/",
    "destination": "nav",
    "url_route": "cognito-import",
}
