"""The page's server: a FastAPI app that Airflow mounts.

::

    access      who may do what, and that no other site can
    lists       uploads: check, correct, foresee, hand over as a `source`
    pool        groups and attributes to choose from
    run_list    runs, and those that wait for an answer
    runs        one run: outcomes, CSV, mail, and who stops it
    inbox       what waits in the inbox, what was filed, and the nights
    overview    settings, and what preflight finds now
    quotas      Cognito's quotas and their use
    static/     the page: plain HTML, CSS and JavaScript modules, nothing is built and nothing is fetched from elsewhere

What Airflow's own API does with Airflow's own permissions, the page asks of it: triggering, stopping, answering.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse

from cognito_import.addresses import hidden
from cognito_import.console import inbox, lists, overview, pool, quotas, run_list, runs
from cognito_import.console.access import may_read, same_origin, signed_in
from cognito_import.errors import CognitoImportError, RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_STATIC: Final = Path(__file__).with_name("static")
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES: Final = {str(path.relative_to(_STATIC)): path for path in sorted(_STATIC.rglob("*")) if path.suffix in _TYPES}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

log = logging.getLogger(__name__)

app = FastAPI(
    title="Cognito import", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(same_origin)]
)
for router in (
    lists.router,
    pool.router,
    run_list.router,
    runs.router,
    inbox.router,
    overview.router,
    quotas.router,
):
    app.include_router(router, prefix="/api", dependencies=[may_read])


@app.middleware("http")
async def secure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Forbid the browser whatever the page does not need."""
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(CognitoImportError)
def told(_: Request, error: CognitoImportError) -> JSONResponse:
    """Say what is wrong, without an address: the page knows which list it is about."""
    if error.temporary:
        code = status.HTTP_503_SERVICE_UNAVAILABLE
    else:
        code = status.HTTP_400_BAD_REQUEST if isinstance(error, RequestError) else status.HTTP_409_CONFLICT
    log.info("The page was told: %s", hidden(str(error)))
    return JSONResponse({"detail": hidden(str(error))}, code)


@app.exception_handler(RequestValidationError)
def misshaped(_: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong with the shape of a request, and nothing of what it holds."""
    found = "; ".join(f"{'.'.join(map(str, one['loc'][:2]))}: {one['msg']}" for one in error.errors())
    return JSONResponse({"detail": found[:1000]}, 422)


@app.get("/", dependencies=[signed_in])
def page() -> FileResponse:
    """Give the page itself."""
    return static("index.html")


@app.get("/static/{name:path}", dependencies=[signed_in])
def static(name: str) -> FileResponse:
    """Give a file of the page."""
    path = _FILES.get(name)
    if path is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such file.")
    return FileResponse(path, media_type=_TYPES[path.suffix])
