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
# Addresses without a slash ahead are right where Airflow is served under a path. "Cognito" is as much as the side bar shows.
VIEWS: Final = [
    {"name": "Cognito", "href": f"{PREFIX.strip('/')}/", "destination": "nav", "url_route": "cognito-import"},
    # Airflow puts the tab on the runs of all DAGs; the page tells those apart that are no imports.
    {
        "name": "Cognito",
        "href": f"{PREFIX.strip('/')}/#/tab/{{RUN_ID}}/{{DAG_ID}}",
        "destination": "dag_run",
        "url_route": "cognito-import-run",
    },
]
