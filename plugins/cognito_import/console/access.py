"""Who may do what on the page: each endpoint asks Airflow's own auth manager, and no other site can change anything.

| for | Airflow's permission on the DAG `cognito_import` |
| --- | --- |
| the page, counts, settings | reading its runs |
| addresses, lists, starting, the check of AWS | creating a run |

Answers to deletions, stops and triggers go to Airflow's own API, so they have Airflow's permissions by themselves.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, HTTPException, Request, status

DAG: Final = "cognito_import"
HEADER: Final = "x-cognito-import"
"""Each change carries it. A form or an image of another site cannot, and a script there has to ask first (CORS preflight)."""

_SAFE: Final = frozenset({"GET", "HEAD"})

signed_in = Depends(get_user)
may_read = Depends(requires_access_dag("GET", DagAccessEntity.RUN, DAG))
may_start = Depends(requires_access_dag("POST", DagAccessEntity.RUN, DAG))


def same_origin(request: Request) -> None:
    """Refuse a change that does not come from the page itself."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    if request.method not in _SAFE and (HEADER not in request.headers or site != "same-origin"):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "The request does not come from the page; reload it.")


def allowed(user: Any, method: Any, entity: DagAccessEntity = DagAccessEntity.RUN) -> bool:
    """Tell whether Airflow lets the user do something to the imports."""
    return bool(
        get_auth_manager().is_authorized_dag(method=method, access_entity=entity, details=DagDetails(id=DAG), user=user)
    )


def starter(user: GetUserDep) -> bool:
    """Tell whether the user may start runs."""
    return allowed(user, "POST")


Starter = Annotated[bool, Depends(starter)]
User = GetUserDep

__all__ = [
    "DAG",
    "HEADER",
    "Starter",
    "User",
    "allowed",
    "may_read",
    "may_start",
    "same_origin",
    "signed_in",
    "starter",
]
