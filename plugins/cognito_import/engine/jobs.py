"""What every job type has in common: how one user is processed, and what is known of a user whom a call may have reached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from cognito_import.engine.calls import RepeatableError, UserFailedError
from cognito_import.errors import CallsStoppedError
from cognito_import.outcomes import SUCCEEDED, Outcome
from cognito_import.run.checkpoints import Unsettled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenacity import RetryCallState

    from cognito_import.engine.calls import Calls
    from cognito_import.engine.pacing import Category
    from cognito_import.request.model import UserRow
    from cognito_import.run.record_files import Members
    from cognito_import.settings import Settings

LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Older than any user pool."""


def _nothing(*_: str | datetime) -> None:
    """Let the worker go on whatever is the case."""


def _nowhere(*_: str) -> bool:
    """Know of no other run."""
    return False


Objection = Callable[[str, str, datetime], tuple[str, str] | None]
"""The code and the reason why a user may not be changed, by its address, its name, and when it was created."""


@dataclass(frozen=True, slots=True)
class ResumeState:
    """What a worker knows when it comes to one user.

    `left` is what earlier workers know of the user if one of them may have reached it, else None; `since` is the
    service's clock before this worker's first call for it. `may_go_on` is called before an attempt is repeated and raises to
    leave the user. `found` is called with the user's name before the user is changed: it stores the name where it
    becomes the `left` of the worker that comes next, and raises to leave the user. `objection` says ahead of that whether
    the user may be changed, and `made_elsewhere` whether another run has created the user of this address and name.
    """

    left: Unsettled | None = None
    since: datetime = LONG_AGO
    may_go_on: Callable[[], None] = _nothing
    found: Callable[[str], None] = _nothing
    objection: Objection = _nothing
    made_elsewhere: Callable[[str, str], bool] = _nowhere


class Reach:
    """A user under way: whether a call has or may have reached it, whether it existed, and its name once that is known."""

    def __init__(self, row: UserRow, resume: ResumeState) -> None:
        """Begin with what earlier workers know."""
        self._row = row
        self.resume = resume
        left = None if resume.left and resume.left.existed else resume.left
        self.since = datetime.fromisoformat(left.since) if left else resume.since
        self.username = left.username if left else ""
        self.uncertain = left is not None
        self.existed = False

    def note(self, state: RetryCallState) -> None:
        """Remember an attempt that may have been executed."""
        error = state.outcome.exception() if state.outcome else None
        self.uncertain = self.uncertain or (isinstance(error, RepeatableError) and not error.not_executed)

    def unsettled(self, stop: CallsStoppedError) -> Unsettled:
        """Return what is known of the user when the calls stop."""
        entry = Unsettled(
            self._row.row, self._row.useremail, self.since.isoformat(), self.username, str(stop), self.existed
        )
        return entry.merged(self.resume.left)

    def succeeded(self, message: str = "-", code: str = "") -> Outcome:
        """Return the outcome of a user who is finished."""
        return Outcome(self._row.row, self._row.useremail, SUCCEEDED, message, code, self.username)


class Forecast(NamedTuple):
    """What a job would do with a user: the outcome with a code of its own, and the calls that the job would make."""

    outcome: Outcome
    calls: tuple[str, ...]

    @classmethod
    def of(cls, row: UserRow, code: str, message: str, calls: Iterable[str], username: str = "") -> Forecast:
        """Return the forecast of a success."""
        return cls(Outcome(row.row, row.useremail, SUCCEEDED, message, code, username), tuple(calls))


class Job(ABC):
    """What a job type does to one user. A subclass stands in `user_pool.JOBS` under the job type's name."""

    categories: ClassVar[tuple[Category, ...]]
    """The quota categories of the calls that every user needs."""

    @classmethod
    def calls_needed(cls, row: UserRow) -> Counter[str]:  # noqa: ARG003 - a subclass asks the row
        """Return how many calls of each quota category one user needs if none has to be repeated."""
        return Counter(cls.categories)

    def __init__(self, calls: Calls, settings: Settings) -> None:
        """Take how calls are made, and what the deployment decides."""
        self.calls = calls
        self.settings = settings
        self.members: Members | None = None

    def process(self, row: UserRow, resume: ResumeState) -> Outcome:
        """Do the job for one user.

        Raises CallsStoppedError for an error that every further user would meet too, and for one of the service that
        lasted for all attempts (`temporary`): that is never the user's outcome.
        """
        self.calls.may_go_on = resume.may_go_on
        reach = Reach(row, resume)
        try:
            return self._process(row, reach)
        except UserFailedError as failure:
            return Outcome.failed(row.row, row.useremail, failure.code, failure.message, reach.username)
        except CallsStoppedError as stop:
            if reach.uncertain:
                stop.pending = reach.unsettled(stop)
            raise

    def foresee(self, row: UserRow, may_go_on: Callable[[], None]) -> Forecast:
        """Say what the job would do with one user, by calls that only read. `may_go_on` is as in :class:`ResumeState`.

        Raises CallsStoppedError as `process` does.
        """
        self.calls.may_go_on = may_go_on
        try:
            return self._foresee(row)
        except UserFailedError as failure:
            return Forecast(Outcome.failed(row.row, row.useremail, failure.code, failure.message), ("AdminGetUser",))

    @abstractmethod
    def _process(self, row: UserRow, reach: Reach) -> Outcome:
        """Make the user's calls, and raise what they raise. `reach` says what is known when that ends them."""

    @classmethod
    def without_call(cls, row: UserRow, user: Mapping[str, Any], objection: Objection) -> Outcome | None:  # noqa: ARG003
        """Return the outcome of a user who is looked up, as AdminGetUser describes it, and needs or may have no other call."""
        return None

    @abstractmethod
    def _foresee(self, row: UserRow) -> Forecast:
        """Say what `_process` would do with a user, by calls that only read. Raise what they raise."""

    @abstractmethod
    def calls_at_most(self, row: UserRow) -> int:
        """Return the calls that one user may need, none repeated, from one time that something is stored to the next."""

    @classmethod
    @abstractmethod
    def first_call(cls, row: UserRow, settings: Settings) -> dict[str, Any]:
        """Return the first call with its arguments, and what follows it, as a child of the state machine gets them."""
