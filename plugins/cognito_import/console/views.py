"""What the page shows of runs, read from their folders: counts, outcomes and reports, never an address unasked.

Whatever is read is kept for a moment and shared, so that S3 is asked as often for twenty viewers as for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cognito_import.addresses import hidden
from cognito_import.console.paging import MAX_PAGE
from cognito_import.console.shared import Shared
from cognito_import.engine import breaker
from cognito_import.outcomes import FAILED, Outcome
from cognito_import.report.delivery import Delivery, Reported
from cognito_import.report.reasons import Reasons, lines
from cognito_import.report.results import kind_of, summarise
from cognito_import.report.rows import all_outcomes
from cognito_import.report.timeline import timeline
from cognito_import.run import approval, pace, stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognito_import.report.results import Summary
    from cognito_import.report.timeline import Timeline
    from cognito_import.run.checkpoints import Work
    from cognito_import.run.folder import RunFolder
    from cognito_import.run.stopping import Stopping

WAITING: Final = "waiting"
"""The kind of a user whose turn has not come yet, in a run that has not ended."""
FRESH_SECONDS: Final = 2.0
SETTLED_SECONDS: Final = 600.0

_ENTRIES: Final = 200
_LARGE_ENTRIES: Final = 3
"""How many runs' outcomes are kept: of 300,000 users they take some 150 MB."""


_small = Shared(_ENTRIES)
_large = Shared(_LARGE_ENTRIES)


class _Read(NamedTuple):
    """Every user's outcome, with its kind, and the work of the workers."""

    outcomes: list[tuple[str, Outcome]]
    work: list[Work]


class _Counted(NamedTuple):
    """What workers have stored of a run: how many users came to what, how fast, and who stopped it, if anybody did."""

    summary: Summary
    speed: Timeline | None
    stopped: Stopping | None


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as the page shows it.

    `state` is Airflow's, `ended` when it ended, or empty, and `settled` says that nothing is expected to change any more: the
    report of a run that somebody stopped goes out after its end.
    """

    folder: RunFolder
    state: str
    ended: str = ""
    settled: bool = False

    @property
    def _key(self) -> tuple[str, str, str, str]:
        return self.folder.bucket, self.folder.run, self.state, self.ended

    @property
    def _seconds(self) -> float:
        return SETTLED_SECONDS if self.settled else FRESH_SECONDS

    def summary(self) -> dict[str, Any]:
        """Return what the run is and its counts, without an address."""
        found: dict[str, Any] = _small.get(self._key, self._seconds, self._summary)
        return found

    def _summary(self) -> dict[str, Any]:
        manifest = self.folder.manifest()
        if manifest is None:
            return {"name": self.folder.run, "read": False}
        what = ("jobtype", "engine", "users", "asked_by", "began", "existing_users", "invite", "approve", "dry_run")
        told = {"name": self.folder.run, "read": True, **{name: getattr(manifest, name) for name in what}}
        delivery = self.delivery() if self.ended else None
        if delivery is not None:
            counts = {**delivery.counts, WAITING: 0}
            return {**told, "counts": counts, "report": _report(delivery)}
        counted = self._counted().summary
        counts = {**counted.as_dict(), "total": manifest.users, WAITING: manifest.users - counted.total}
        return {**told, "counts": counts, "report": None}

    def _counted(self) -> _Counted:
        """Count what is stored, of a run that has ended also those who were left."""

        def count() -> _Counted:
            if self.ended:  # its users are asked for, too, so all is read at once
                read = self._read()
                summary, work = summarise(outcome for _, outcome in read.outcomes), read.work
            else:
                progress = self.folder.progress()
                summary, work = summarise(progress.outcomes.values()), progress.work
            return _Counted(summary, timeline(work), stopping.read(self.folder, work))

        found: _Counted = _small.get((*self._key, "counted"), self._seconds, count)
        return found

    def details(self, locale: str, *, addresses: bool) -> dict[str, Any]:
        """Return the summary and the rest of what the page shows of a run: why, how fast, and who answered or stopped it."""
        found: dict[str, Any] = _small.get(
            (*self._key, "details", locale), self._seconds, lambda: self._details(locale)
        )
        rejection = found["rejection"]
        return {**found, "rejection": rejection if addresses else [hidden(line) for line in rejection]}

    def _details(self, locale: str) -> dict[str, Any]:
        summary = self.summary()
        found: dict[str, Any] = {**summary, "rejection": [], "failures": []}
        found |= dict.fromkeys(("pace", "approval", "speed", "stopped"))
        if rejection := self.folder.read_rejection():
            found["rejection"] = lines(rejection.reason, locale)
        if not summary["read"]:
            return found
        if (limit := pace.read(self.folder)) is not None:
            found["pace"] = {"limit": limit.limit, "quota": limit.quotas[limit.scarcest]}
        if (asked := approval.read(self.folder)) is not None:
            found["approval"] = {"answer": asked.answer, "by": asked.by, "at": asked.at}
        if question := breaker.unanswered(self.folder):
            found["rejection"] = [*found["rejection"], *lines(question.reason, locale)]
        counted = self._counted()
        found["speed"] = counted.speed and counted.speed.as_dict()
        if (stopped := counted.stopped) is not None:
            found["stopped"] = {"by": stopped.by, "at": stopped.at}
        reasons = Reasons(locale, self.folder.run)
        found["failures"] = [
            {"code": one.code, "message": hidden(reasons.message(one.code, one.message)), "users": one.users}
            for one in counted.summary.reasons
        ]
        return found

    def outcomes(self, locale: str, query: str, kinds: Sequence[str], offset: int, limit: int) -> dict[str, Any]:
        """Return a page of outcomes, in the request's order, those of `kinds` (all, if empty) in which `query` stands."""
        wanted, sought = frozenset(kinds), query.strip().lower()
        found = [
            (kind, outcome)
            for kind, outcome in self._read().outcomes
            if (not wanted or kind in wanted)
            and (
                not sought
                or any(sought in text.lower() for text in (outcome.useremail, outcome.code, outcome.username))
            )
        ]
        reasons = Reasons(locale, self.folder.run)
        page = found[offset : offset + min(limit, MAX_PAGE)]
        return {
            "total": len(found),
            "rows": [
                {
                    "row": outcome.row,
                    "useremail": outcome.useremail,
                    "kind": kind,
                    "code": outcome.code,
                    "message": "" if kind in (WAITING, "succeeded") else reasons.told(outcome).message,
                    "username": outcome.username,
                }
                for kind, outcome in page
            ],
        }

    def all_outcomes(self) -> list[Outcome]:
        """Return every user's outcome."""
        return [outcome for _, outcome in self._read().outcomes]

    def _read(self) -> _Read:
        found: _Read = _large.get(self._key, self._seconds, self._read_all)
        return found

    def _read_all(self) -> _Read:
        manifest = self.folder.manifest()
        if manifest is None:
            return _Read([], [])
        denial = approval.denied(self.folder) if self.ended else None
        rejection = self.folder.read_rejection()
        blocked = denial.reason("UTC") if denial else rejection.reason if rejection else None
        progress = self.folder.progress()
        outcomes = [
            (kind_of(outcome), outcome)
            if self.ended or outcome.row in progress.outcomes
            else (WAITING, Outcome(outcome.row, outcome.useremail, FAILED, "", ""))
            for outcome in all_outcomes(self.folder, manifest, blocked, progress)
        ]
        return _Read(outcomes, progress.work)

    def report_key(self) -> str | None:
        """Return the key of the report's CSV, or None while there is none."""
        delivery = self.delivery()
        return delivery.csv_key if delivery else None

    def delivery(self) -> Delivery | None:
        """Return the report that last went out, or None while there is none."""
        reported = self.folder.read_report(Reported)
        return reported.delivery if reported else None


def _report(delivery: Delivery) -> dict[str, Any]:
    return {"mailed": delivery.mailed, "expires_at": delivery.link_expires_at, "unfinished": delivery.unfinished}
