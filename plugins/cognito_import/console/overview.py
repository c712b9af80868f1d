"""Endpoints of the deployment: who is asking, the settings that are in force, and what preflight finds now."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Final

from fastapi import APIRouter

from cognito_import.airflow.context import POOL
from cognito_import.airflow.private import pool_slots
from cognito_import.console import deployment
from cognito_import.console.access import DAG, NIGHTLY, Database, Starter, User, allowed, may_start
from cognito_import.console.readiness import Found, imagined, look
from cognito_import.request.model import KEYS, ImportRequest
from cognito_import.settings import ENGINES, JOB_TYPES, Locale, Settings

_SECRET: Final = frozenset({"temporary_password"})
_ADDRESSES: Final = frozenset({"mail_from", "approvers", "inbox_rules"})

router = APIRouter()


@router.get("/session")
def session(user: User, starter: Starter) -> dict[str, Any]:
    """Return who is asking, what they may do, and what a run does unless its request says otherwise."""
    deployed = deployment.current()
    settings = deployed.settings
    engines = [engine for engine in ENGINES if engine != "step_functions" or settings.state_machine_arn]
    return {
        "user": user.get_name(),
        "dag": DAG,
        "nightly": NIGHTLY,
        "may_start": starter,
        "may_stop": allowed(user, "PUT"),
        "may_answer": allowed(user, "PUT", "HITL_DETAIL"),
        "addresses": deployed.shows_addresses(starter=starter),
        "jobtypes": JOB_TYPES,
        "engines": engines,
        "options": [key for key in KEYS if key not in ("data", "lines", "source")],
        "defaults": {name: getattr(settings, name) for name in KEYS if hasattr(settings, name)},
        "groups": settings.default_groups,
        "approved": [jobtype for jobtype in JOB_TYPES if settings.asks_before(jobtype)],
        "time_zone": settings.time_zone,
        "user_pool_id": settings.user_pool_id,
    }


@router.get("/settings")
def settings_in_force(starter: Starter) -> list[dict[str, Any]]:
    """Return each setting with its value, without secrets, and without addresses for whoever may not see them."""
    deployed = deployment.current()
    addresses = deployed.shows_addresses(starter=starter)
    return [_shown(deployed.settings, one.name, addresses) for one in fields(Settings)]


def _shown(settings: Settings, name: str, addresses: bool) -> dict[str, Any]:  # noqa: FBT001
    value = getattr(settings, name)
    if name in _SECRET or (name in _ADDRESSES and not addresses):
        return {"name": name, "hidden": True, "value": bool(value)}
    if name == "inbox_rules":
        value = {
            prefix: {key: one for key, one in asdict(rule).items() if one is not None} for prefix, rule in value.items()
        }
    return {"name": name, "value": value}


@router.post("/preflight", dependencies=[may_start])
def preflight(database: Database, lang: Locale = "en") -> Found:
    """Look at all that an import with the default groups would need, and touch nothing."""
    deployed, slots = deployment.current(), pool_slots(database, POOL)
    database.commit()
    settings = deployed.settings
    request = ImportRequest(
        settings.mail_from, **{name: getattr(settings, name) for name in KEYS if name in Settings.__slots__}
    )
    return look(deployed, imagined(request, settings, 0, settings.default_groups), slots, lang)
