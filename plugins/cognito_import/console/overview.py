"""Endpoints of the deployment: who is asking, the settings that are in force, and what preflight finds now."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter

from cognito_import.airflow.context import POOL
from cognito_import.airflow.private import pool_slots
from cognito_import.console import deployment
from cognito_import.console.access import DAG, Database, Starter, User, allowed, may_start
from cognito_import.errors import NotReadyError, PreflightError
from cognito_import.preflight import Clients, check
from cognito_import.report.reasons import translated
from cognito_import.request.model import KEYS
from cognito_import.run.manifest import Manifest
from cognito_import.settings import ENGINES, JOB_TYPES, Locale, Settings

if TYPE_CHECKING:
    from cognito_import.console.deployment import Deployment

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
    return {"name": name, "value": repr(value) if name == "inbox_rules" else value}


@router.post("/preflight", dependencies=[may_start])
def preflight(database: Database, lang: Locale = "en") -> dict[str, list[str]]:
    """Look at all that an import with the default groups would need, and touch nothing."""
    deployed = deployment.current()
    slots = pool_slots(database, POOL)
    database.commit()
    settings, aws = deployed.settings, deployed.aws
    clients = Clients(deployed.cognito, deployed.s3, aws.ses, aws.step_functions, aws.sesv2, aws.cloudwatch)
    found: dict[str, list[str]] = {"problems": [], "warnings": [], "unseen": []}
    try:
        expire = aws.signer.credentials_expire_at()
        found["warnings"] = check(_imagined(deployed), settings, clients, expire, pool_slots=slots)
    except PreflightError as error:
        found["problems"] = error.problems
    except NotReadyError as error:
        found["unseen"] = str(error).splitlines()
    return {name: [translated(one, lang) for one in sentences] for name, sentences in found.items()}


def _imagined(deployed: Deployment) -> Manifest:
    """Return the manifest of an import without users, whose report would go to the sender."""
    settings = deployed.settings
    return Manifest(
        jobtype="import",
        engine=settings.engine,
        adminemail=settings.mail_from,
        users=0,
        rejected_rows=0,
        began=datetime.now(UTC).isoformat(),
        groups=[] if settings.create_groups else list(settings.default_groups),
        batches=[],
        digest="",
        rows="",
        rows_etag="",
        rejected="",
        cells="",
        columns=[],
        user_pool_id=settings.user_pool_id,
        invite=settings.invite,
        approve=False,
        begun=False,
    )
