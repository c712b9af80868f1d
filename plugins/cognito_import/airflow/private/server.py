"""Whom the API server lets in, and its database, as dependencies of FastAPI."""

from __future__ import annotations

from typing import Any, get_args


def signed_in() -> Any:
    """Return the FastAPI dependency on somebody who is signed in: the user, or 401."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends

    return Depends(get_user)


def may(method: Any, dag_id: str) -> Any:
    """Return the FastAPI dependency on somebody who may do that to the DAG's runs; others get 401 or 403."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends

    return Depends(requires_access_dag(method, DagAccessEntity.RUN, dag_id))


def is_allowed(user: Any, method: Any, entity: str, dag_id: str) -> bool:
    """Return whether the user may do that to the DAG's runs (`RUN`), questions (`HITL_DETAIL`) and so on."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    details = DagDetails(id=dag_id)
    return bool(
        get_auth_manager().is_authorized_dag(
            method=method, access_entity=DagAccessEntity[entity], details=details, user=user
        )
    )


def database() -> Any:
    """Return the FastAPI dependency on a session of the database."""
    from airflow.api_fastapi.common.db.common import SessionDep

    return get_args(SessionDep)[1]
