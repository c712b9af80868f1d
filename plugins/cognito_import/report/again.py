"""How the failed rows of a report are run again: the report's CSV is the source of the next request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognito_import.outcomes import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cognito_import.outcomes import Outcome
    from cognito_import.run.manifest import Manifest


def request_again(manifest: Manifest, outcomes: Iterable[Outcome], location: str, adminemail: str) -> str:
    """Return the request that runs the failed rows of the CSV at `location` again, as JSON in one line.

    It completes users who exist if the run did, or if it created some without their groups.
    """
    request = {"source": location, "adminemail": adminemail}
    if manifest.jobtype != "import":
        request = {"jobtype": manifest.jobtype, **request}
    elif manifest.existing_users == "complete" or any(
        outcome.username and outcome.status != SUCCEEDED for outcome in outcomes
    ):
        request["existing_users"] = "complete"
    return json.dumps(request, ensure_ascii=False)
