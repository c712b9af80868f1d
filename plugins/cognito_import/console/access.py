"""Who may do what on the page: each endpoint asks Airflow's own auth manager, and no other site can change anything.

| for | Airflow's permission on the DAG `cognito_import` |
| --- | --- |
| the page, counts, settings | reading its runs |
| addresses, names of files, lists, starting, the check of AWS | creating a run |
| saying who stops a run | changing a run |

Nights ask for reading the runs of the DAG `cognito_import_nightly`. Answers to deletions, stops and triggers go to Airflow's own
API, so they have Airflow's permissions by themselves.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, HTTPException, Request, status
from sqlalchemy.orm import Session

from cognito_import.airflow import private

DAG: Final = "cognito_import"
NIGHTLY: Final = "cognito_import_nightly"
HEADER: Final = "x-cognito-import"
"""Each change carries it. A form or an image of another site cannot, and a script there has to ask first (CORS preflight)."""

_SAFE: Final = frozenset({"GET", "HEAD"})

signed_in = private.signed_in()
may_read = private.may("GET", DAG)
may_start = private.may("POST", DAG)
may_stop = private.may("PUT", DAG)
may_read_nights = private.may("GET", NIGHTLY)

User = Annotated[Any, signed_in]
Database = Annotated[Session, private.database()]


def same_origin(request: Request) -> None:
    """Refuse a change that does not come from the page itself."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    if request.method not in _SAFE and (HEADER not in request.headers or site != "same-origin"):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "The request does not come from the page; reload it.")


def allowed(user: Any, method: str, entity: str = "RUN", dag: str = DAG) -> bool:
    """Tell whether Airflow lets the user do something to the imports, or to the nights."""
    return private.is_allowed(user, method, entity, dag)


def starter(user: User) -> bool:
    """Tell whether the user may start runs."""
    return allowed(user, "POST")


Starter = Annotated[bool, Depends(starter)]
