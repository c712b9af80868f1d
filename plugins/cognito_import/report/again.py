"""How a report's CSV is the source of the next request: its failed rows are run again, a dry run's all for real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognito_import.outcomes import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.outcomes import Outcome
    from cognito_import.run.manifest import Manifest


def request_undo(manifest: Manifest, outcomes: Iterable[Outcome], run: str, adminemail: str) -> str:
    """Return the request that undoes an import, as JSON in one line, or nothing if there is nothing to undo."""
    undoable = manifest.jobtype == "import" and not manifest.dry_run and any(outcome.created for outcome in outcomes)
    return json.dumps({"undo": run, "adminemail": adminemail}) if undoable else ""


def request_again(manifest: Manifest, outcomes: Iterable[Outcome], location: str, adminemail: str) -> str:
    """Return the request that runs the failed rows of the CSV at `location` again, or of a dry run all, as JSON in one line.

    It completes users who exist if the run did, or if it created some without their groups.
    """
    if manifest.undo and manifest.dry_run:
        return json.dumps({"undo": manifest.undo, "adminemail": adminemail})
    if manifest.undo:
        return ""  # who is left has changed since, and is no longer the import's
    request: dict[str, object] = {"source": location, "adminemail": adminemail}
    if manifest.jobtype != "import":
        request = {"jobtype": manifest.jobtype, **request}
    elif manifest.existing_users == "complete" or (
        not manifest.dry_run and any(outcome.username and outcome.status != SUCCEEDED for outcome in outcomes)
    ):
        request["existing_users"] = "complete"
    if manifest.jobtype == "import":
        request |= {"create_groups": True} if manifest.create_groups else {}
        request |= {"invite": manifest.invite} if manifest.invite_named else {}
        request |= {"resend_invitation": True} if manifest.resend_invitation else {}
    return json.dumps(request, ensure_ascii=False)
