"""Endpoints of a list on its way to a run: upload and check, correct, hand over. Who may start runs may use them."""

from __future__ import annotations

import tempfile
import threading
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request, status
from pydantic import BaseModel, Field

from cognito_import.console import deployment, estimate
from cognito_import.console.access import User, may_start
from cognito_import.console.deployment import Deployment
from cognito_import.console.drafts import MAX_UPLOAD_BYTES, Checked, Drafts, check, corrected, read
from cognito_import.errors import SourceError
from cognito_import.pool_fit import pool_is_case_sensitive
from cognito_import.report.reasons import lines
from cognito_import.request.fields import Given
from cognito_import.settings import JobType, Locale

router = APIRouter(prefix="/drafts", dependencies=[may_start])
_at_once = threading.Semaphore(2)
"""Reading a large list takes seconds of a processor, which the API server needs for Airflow."""


async def _upload(request: Request) -> IO[bytes]:
    if request.headers.get("content-type") != "application/octet-stream":
        raise HTTPException(status.HTTP_415_UNSUPPORTED_MEDIA_TYPE, "Expected application/octet-stream.")
    file, size = tempfile.TemporaryFile(), 0  # noqa: SIM115 - it has no name, and is gone with its last reference
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_UPLOAD_BYTES:
            file.close()
            message = (
                f"The file has more than {MAX_UPLOAD_BYTES:,} bytes. Put it into S3 and trigger the DAG, with `source`."
            )
            raise HTTPException(413, message)
        file.write(chunk)
    file.seek(0)
    return file


class Edit(BaseModel):
    """Corrections of a draft: the new cells by row and column, or null for a row that is left out."""

    edits: dict[str, dict[str, Annotated[str, Field(max_length=2048)]] | None] = Field(max_length=10_000)


@router.post("")
def upload(  # noqa: PLR0913, PLR0917 - the query of an endpoint
    user: User,
    file: Annotated[IO[bytes], Depends(_upload)],
    kind: Literal["csv", "json", "jsonl", "xlsx", "text"],
    jobtype: JobType = "import",
    lang: Locale = "en",
    name: Annotated[str, Field(max_length=200)] = "",
) -> dict[str, Any]:
    """Read a list, check it, and keep it as a draft."""
    deployed = deployment.current()
    try:
        with _at_once, file:
            users = read(file, kind, name or "list", delete=jobtype == "delete")
            return _answer(deployed, user, users, jobtype, lang)
    except SourceError as error:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "\n".join(lines(str(error), lang))) from error


@router.post("/{token}")
def correct(token: str, edit: Edit, user: User, jobtype: JobType = "import", lang: Locale = "en") -> dict[str, Any]:
    """Make a draft of another with corrections, and check it."""
    deployed = deployment.current()
    with _at_once:
        return _answer(deployed, user, corrected(_load(deployed, user, token), edit.edits), jobtype, lang)


@router.post("/{token}/source")
def publish(token: str, user: User, jobtype: JobType = "import") -> dict[str, Any]:
    """Store the users who passed, and return the `source` that a run reads."""
    deployed = deployment.current()
    with _at_once:
        checked = _check(deployed, _load(deployed, user, token), jobtype)
        if not checked.good:
            raise HTTPException(status.HTTP_400_BAD_REQUEST, "No row of the list passes the check; correct it first.")
        return {"source": _drafts(deployed, user).publish(checked), "users": len(checked.good)}


def _answer(deployed: Deployment, user: Any, users: list[Given], jobtype: JobType, lang: Locale) -> dict[str, Any]:
    checked = _check(deployed, users, jobtype)
    token = _drafts(deployed, user).store(users)
    return {**checked.as_json(token, lang), "estimate": estimate.estimate(deployed, checked, jobtype)}


def _check(deployed: Deployment, users: list[Given], jobtype: JobType) -> Checked:
    pool = deployed.settings.user_pool_id
    return check(
        users, deployed.settings, jobtype, case_sensitive=lambda: pool_is_case_sensitive(deployed.cognito, pool)
    )


def _load(deployed: Deployment, user: Any, token: str) -> list[Given]:
    users = _drafts(deployed, user).load(token)
    if users is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The list is gone; upload it again.")
    return users


def _drafts(deployed: Deployment, user: Any) -> Drafts:
    return Drafts(deployed.s3, deployed.settings.report_bucket, str(user.get_id()))
