"""The step before a run's first call: whether its users may be called for, and that it stays as it was read from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognito_import.run import approval

if TYPE_CHECKING:
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.manifest import Manifest
    from cognito_import.settings import Settings


def seal(folder: RunFolder, settings: Settings, read: Manifest) -> Manifest:
    """Return the run's manifest, which no reading of the request replaces any more: its users may be called for.

    `read` is the manifest by which the calls that follow were planned. Raises SettingsError if a setting that decides
    outcomes has changed since, NotApprovedError, and RunFolderError, also if the request was read anew since.
    """
    folder.required_manifest().raise_if_differs(settings)
    approval.require(folder)
    sealed = folder.seal(read)
    folder.withdraw_rejection()  # what was wrong at an earlier attempt is no longer
    return sealed
