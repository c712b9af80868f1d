"""Every error that the package raises on purpose.

::

    CognitoImportError
    ├── RequestError        the request cannot be run; no user was touched
    │   └── SourceError     its `source` cannot be read as users
    │       └── ColumnsError    a table's columns do not say where the addresses are, or say it twice
    ├── SettingsError       a setting is missing or wrong
    ├── PreflightError      AWS is not ready for this run; lists everything that is wrong; no user was touched
    ├── NotReadyError       AWS could not be asked whether it is ready, or for the source: an outage; it is tried again
    ├── InboxError          the nightly run's inbox cannot be read or a file not archived; it is tried again
    ├── RunFolderError      the run's working files are missing or do not fit together
    ├── NotApprovedError    nobody has approved the run; no user was touched
    ├── CallsStoppedError   an error that every further user would meet too ended a batch
    ├── LeaseLostError      another worker has taken the batch over; this one makes no further call
    ├── ExecutionError      the state machine's execution could not be started or ended badly
    ├── ReportError         the report could not be stored, signed or mailed; a retry touches no user
    └── IncompleteRunError  users were not attempted or the report did not go out: the run is no success

What one user meets is no exception but an :class:`~cognito_import.outcomes.Outcome`.
"""

from __future__ import annotations

from typing import Any, Final

READ_ANEW: Final = (
    "Fix it, then clear 'read_request' with Downstream; what is wrong in the conf itself needs a new run."
)
"""What to do about a run that failed before anybody was called for: its request is then read with what holds by then."""


class CognitoImportError(Exception):
    """The root of the tree: catch it to catch all that this package raises on purpose.

    `temporary` says that the same step may succeed a while later, with nothing changed. `then` is what to do in Airflow
    about an error of this class, where its message leaves that open.
    """

    temporary: bool = False
    then: str = ""


class RequestError(CognitoImportError):
    """The request cannot be run. Raised before any user is touched."""

    then = READ_ANEW


class SourceError(RequestError):
    """The object that `source` names cannot be read as users."""


class ColumnsError(SourceError):
    """The columns of a table are not clear: none has the addresses, or two have the same field."""


class SettingsError(CognitoImportError):
    """A setting is missing or wrong."""


class PreflightError(CognitoImportError):
    """AWS is not ready for this run.

    `problems` holds one sentence for each thing that is wrong, with what to do about it.
    """

    then = READ_ANEW

    def __init__(self, problems: list[str]) -> None:
        """Make one message of all `problems`, which are sentences."""
        self.problems = problems
        found = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"Preflight found {found}; no user was touched:{lines}")


class NotReadyError(CognitoImportError):
    """AWS could not be asked whether it is ready for this run, or for its source. No user was touched."""

    temporary = True


class InboxError(CognitoImportError):
    """The nightly run's inbox cannot be read, or a file of it not archived."""


class RunFolderError(CognitoImportError):
    """The run's working files are missing or do not fit together."""


class NotApprovedError(CognitoImportError):
    """Nobody has approved the run. No user was touched."""


class CallsStoppedError(CognitoImportError):
    """An error that every further user would meet too ended the calls of a batch.

    `code` and `reason` are the service's. `temporary` says that the same batch may go on by itself a while later.
    `pending` is what is known of the user who was under way, an :class:`~cognito_import.run.checkpoints.Unsettled`, or None if
    surely nothing was done to it.
    """

    def __init__(self, code: str, reason: str, *, temporary: bool = False) -> None:
        """Take the error code and the service's message."""
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.temporary = temporary
        self.pending: Any = None  # its class is made of this module's


class LeaseLostError(CognitoImportError):
    """Another worker has taken the batch over, so this one makes no further call."""


class ExecutionError(CognitoImportError):
    """The state machine's execution could not be started or ended badly."""


class ReportError(CognitoImportError):
    """The report could not be stored, signed or mailed. A retry touches no user."""


class IncompleteRunError(CognitoImportError):
    """Users were not attempted, or the report did not go out."""
