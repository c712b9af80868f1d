"""What the page needs of the deployment: settings and clients, looked up anew twice a minute at most."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException, status

from cognito_import.airflow.context import Aws, load_settings
from cognito_import.run.folder import RunFolder
from cognito_import.run.manifest import run_name

if TYPE_CHECKING:
    from cognito_import.settings import Settings

_FRESH_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """The settings as they are now, with the clients that belong to them. boto3's clients may be shared by threads."""

    settings: Settings
    aws: Aws
    s3: Any
    cognito: Any

    def shows_addresses(self, *, starter: bool) -> bool:
        """Tell whether somebody who may start runs, or may not, sees addresses and the names of files."""
        return starter or self.settings.console_addresses

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run of the DAG."""
        return RunFolder(self.s3, self.settings.report_bucket, run_name(run_id))


_lock = threading.Lock()
_current: Deployment | None = None
_read = 0.0


def current() -> Deployment:
    """Return the deployment. Raises SettingsError, and whatever Airflow's hook raises for a connection that is wrong."""
    global _current, _read  # noqa: PLW0603 - a process has one
    with _lock:
        if _current is None or time.monotonic() - _read > _FRESH_SECONDS:
            settings = load_settings()
            if _current is None or _current.settings != settings:
                aws = Aws(settings)
                _current = Deployment(settings, aws, aws.s3, aws.cognito)
            _read = time.monotonic()
        return _current


def current_with_addresses(*, starter: bool) -> Deployment:
    """Return the deployment to whoever may see addresses; refuse it to the others."""
    deployed = current()
    if not deployed.shows_addresses(starter=starter):
        message = "Addresses and names of files are shown to those who may start a run (or set 'console_addresses')."
        raise HTTPException(status.HTTP_403_FORBIDDEN, message)
    return deployed
