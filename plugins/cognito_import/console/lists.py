"""Endpoints of a list on its way to a run: upload and check, correct, foresee, hand over. Who may start runs may use them."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request, status
from pydantic import BaseModel, Field

from cognito_import import pool_fit
from cognito_import.airflow.context import POOL
from cognito_import.airflow.private import pool_slots
from cognito_import.console import deployment, pool
from cognito_import.console.access import Database, User, may_start
from cognito_import.console.checked import Checked, check, corrected, grouped
from cognito_import.console.deployment import Deployment
from cognito_import.console.drafts import MAX_UPLOAD_BYTES, ROOT, Draft, Drafts
from cognito_import.console.estimate import estimate
from cognito_import.console.readiness import imagined, look
from cognito_import.console.reading import Reading, as_stored, read
from cognito_import.engine.user_pool import JOBS
from cognito_import.errors import RequestError, SourceError
from cognito_import.findings import Findings
from cognito_import.invitations import days_needed
from cognito_import.report.reasons import lines, translated
from cognito_import.request.fields import MAX_FIELD_LENGTH
from cognito_import.request.model import ImportRequest
from cognito_import.request.sources import MAX_COLUMNS
from cognito_import.run.manifest import new_run_name
from cognito_import.settings import GroupName, JobType, Locale

MAX_EDITED_ROWS = 10_000

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


Cell = Annotated[str, Field(max_length=2048)]
Row = Annotated[dict[Annotated[str, Field(max_length=MAX_FIELD_LENGTH)], Cell], Field(max_length=MAX_COLUMNS)]


class Decisions(BaseModel):
    """What a person says of a list; what is left out stays as it was.

    `edits` are new cells by row and column, null for a row that is left out, beside those of before. `columns` and `groups` are
    as in :class:`~cognito_import.console.drafts.Draft`.
    """

    edits: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Row | None] = Field({}, max_length=MAX_EDITED_ROWS)
    columns: dict[int, Annotated[str, Field(max_length=64)] | None] | None = Field(None, max_length=MAX_COLUMNS)
    groups: tuple[GroupName, ...] | None = Field(None, max_length=100)


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
    name = name or "list"
    with _at_once, file:
        try:
            content, kept_as = as_stored(file, kind, name)
        except SourceError as error:
            raise _told(error, lang) from error
        reading = _read(deployed, content, Draft("", kept_as, name, jobtype), lang)
        token = _drafts(deployed, user).keep(content)
        return _answer(deployed, user, Draft(token, kept_as, name, jobtype), reading, lang)


@router.post("/{token}")
def decide(
    token: str, decisions: Decisions, user: User, jobtype: JobType = "import", lang: Locale = "en"
) -> dict[str, Any]:
    """Make a draft of another with what a person says of it, and check it."""
    deployed = deployment.current()
    with _at_once:
        before = _load(deployed, user, token)
        edits = {**before.edits}
        for row, cells in decisions.edits.items():
            edits[row] = None if cells is None else {**(edits.get(row) or {}), **cells}
        if len(edits) > MAX_EDITED_ROWS:
            message = f"More than {MAX_EDITED_ROWS:,} rows are corrected; correct the file, and upload it again."
            raise HTTPException(status.HTTP_400_BAD_REQUEST, message)
        draft = Draft(
            before.upload,
            before.kind,
            before.name,
            jobtype,
            before.columns if decisions.columns is None else decisions.columns,
            edits,
            decisions.groups if "groups" in decisions.model_fields_set else before.groups,
        )
        return _answer(deployed, user, draft, _reread(deployed, user, draft, lang), lang)


@router.post("/{token}/ready")
def ready(token: str, request: dict[str, Any], user: User, database: Database, lang: Locale = "en") -> dict[str, Any]:
    """Return what a run of the draft with this request takes, and what preflight finds for it; touch nothing.

    The request may lack its `adminemail` as yet.
    """
    deployed, slots = deployment.current(), pool_slots(database, POOL)
    database.commit()
    settings, draft = deployed.settings, _load(deployed, user, token)
    domain = [*settings.allowed_admin_domains, "example.com"][0]
    given = {
        "adminemail": f"somebody@{domain}",
        **request,
        "source": f"s3://{settings.report_bucket}/{ROOT}{token}.csv",
    }
    users = draft.users or 0
    try:
        asked = ImportRequest.parse(given, settings)
    except RequestError as error:
        found = {"problems": lines(str(error), lang), "warnings": [], "unseen": []}
        return {**found, **estimate(deployed, draft.jobtype, users, draft.calls)}
    manifest = imagined(asked, settings, users, draft.joined)
    found = look(deployed, manifest, slots, lang, recipient="adminemail" in request)
    if asked.invite and asked.jobtype == "import" and (described := pool.described(deployed)):
        found["warnings"] += [translated(one, lang) for one in days_needed(described, users)]
    for name in ("problems", "warnings"):
        found[name] += [translated(one, lang) for one in getattr(draft, name)]
    return {**found, **estimate(deployed, draft.jobtype, users, draft.calls, dry_run=asked.dry_run)}


@router.post("/{token}/source")
def publish(token: str, user: User, jobtype: JobType = "import", lang: Locale = "en") -> dict[str, Any]:
    """Store the users who passed; return the `source` that a run reads, and a name for the run."""
    deployed = deployment.current()
    with _at_once:
        draft = replace(_load(deployed, user, token), jobtype=jobtype)
        reading = _reread(deployed, user, draft, lang)
        checked = None if reading.question else _check(deployed, draft, reading)
        if checked is None or not checked.good:
            raise HTTPException(status.HTTP_400_BAD_REQUEST, "No row of the list passes the check; correct it first.")
        source = _drafts(deployed, user).publish(checked)
        return {"source": source, "users": len(checked.good), "run": new_run_name(datetime.now(UTC))}


def _answer(deployed: Deployment, user: Any, draft: Draft, reading: Reading, lang: Locale) -> dict[str, Any]:
    """Check a draft, store it with what the check found, and return what the page shows."""
    columns = [column.as_json() for column in reading.columns]
    about = {"name": draft.name, "read_as": columns, "own_groups": draft.groups}
    if reading.question:
        question = "\n".join(lines(reading.question, lang))
        return {**about, "token": _drafts(deployed, user).store(draft), "question": question}
    checked = _check(deployed, draft, reading)
    rows = [row for _, row in checked.good]
    calls: Counter[str] = Counter()
    for row in rows:
        calls.update(JOBS[draft.jobtype].calls_needed(row))
    findings = Findings()
    if rows and draft.jobtype == "import" and (described := pool.described(deployed)):
        pool_fit.check_attributes(described, rows, findings)
    draft = replace(
        draft,
        users=len(rows),
        calls=dict(calls),
        joined=dict(checked.groups()),
        problems=tuple(findings.problems),
        warnings=tuple(findings.warnings),
    )
    return {**about, **checked.as_json(_drafts(deployed, user).store(draft), lang), "question": ""}


def _check(deployed: Deployment, draft: Draft, reading: Reading) -> Checked:
    users = corrected(reading.users, draft.edits)
    if draft.jobtype == "import":
        users = list(grouped(users, draft.groups))
    settings = deployed.settings

    def case_sensitive() -> bool:
        return pool_fit.pool_is_case_sensitive(deployed.cognito, settings.user_pool_id)

    return check(users, settings, draft.jobtype, case_sensitive=case_sensitive)


def _read(deployed: Deployment, content: bytes, draft: Draft, lang: Locale) -> Reading:
    try:
        return read(
            content,
            draft.kind,
            draft.name,
            delete=draft.jobtype != "import",
            columns=draft.columns,
            attributes=pool.attributes(deployed),
        )
    except SourceError as error:
        raise _told(error, lang) from error


def _reread(deployed: Deployment, user: Any, draft: Draft, lang: Locale) -> Reading:
    content = _drafts(deployed, user).upload(draft)
    if content is None:
        raise _gone()
    return _read(deployed, content, draft, lang)


def _load(deployed: Deployment, user: Any, token: str) -> Draft:
    draft = _drafts(deployed, user).load(token)
    if draft is None:
        raise _gone()
    return draft


def _gone() -> HTTPException:
    return HTTPException(status.HTTP_404_NOT_FOUND, "The list is gone; upload it again.")


def _told(error: SourceError, lang: Locale) -> HTTPException:
    return HTTPException(status.HTTP_400_BAD_REQUEST, "\n".join(lines(str(error), lang)))


def _drafts(deployed: Deployment, user: Any) -> Drafts:
    return Drafts(deployed.s3, deployed.settings.report_bucket, str(user.get_id()))
