"""What is stored of a run as a whole: the rounds of the state machine, pace, approval, breaker, report and rejection."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, TypeVar

from pydantic.dataclasses import dataclass

from cognito_import.records import STRICT, Record, Text
from cognito_import.run.s3_folder import S3Folder

if TYPE_CHECKING:
    from collections.abc import Iterable

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True, config=STRICT)
class Stop(Record):
    """Why a round of the state machine makes no further call, and whether the reason may pass by itself."""

    reason: Text
    temporary: bool


@dataclass(frozen=True, slots=True, config=STRICT)
class Rejection(Record):
    """Why a run was rejected before any user was touched, and SES's id of the mail that said so.

    Either is empty: the reason of a run that is no longer rejected, the id of a mail that has not gone out.
    """

    reason: Text
    message_id: str = ""


@dataclass(frozen=True, slots=True, config=STRICT)
class Members(Record):
    """The usernames of each group that a dry run's users join."""

    groups: dict[str, frozenset[str]]

    def of(self, username: str, groups: Iterable[str]) -> set[str]:
        """Return those of `groups` that the user is in."""
        return {group for group in groups if username in self.groups[group]}


class RecordFiles(S3Folder):
    """The records of a run. Every method raises RunFolderError where S3 fails."""

    # ---- rounds of the state machine

    def begin_round(self, batches: list[int]) -> int:
        """Store which batches the next round works on, by their numbers, and return the round's number."""
        number = 1 + max((int(key.split("/")[1].split(".")[0]) for key in self._keys("rounds/")), default=0)
        self._put(f"rounds/{number:03d}.json", json.dumps(batches).encode())
        return number

    def round_key(self, number: int) -> str:
        """Return the S3 key of a round's batches."""
        return f"{self.prefix}rounds/{number:03d}.json"

    def stop_round(self, number: int, reason: str, *, temporary: bool) -> None:
        """Have no further batch of the round begin."""
        self._put(f"rounds/{number:03d}.stop", Stop(reason, temporary).to_json())

    def stopped_round(self, number: int) -> Stop | None:
        """Return why the round makes no further call; None if it goes on."""
        return self._read(f"rounds/{number:03d}.stop", Stop)

    def grant_slots(self) -> None:
        """Store that a sensor of Airflow holds the pool's slots for the run's execution."""
        self._put("slots", b"")

    def slots_granted_ago(self) -> float:
        """Return how many seconds ago the slots were last granted, by S3's own clock; infinity if never."""
        found = self._stored("slots")
        return math.inf if found is None else found[2]

    # ---- groups, pace, daily limit, approval and report

    def read_pace(self, model: type[R]) -> R | None:
        """Return how fast the run may go, a record of the `model`, or None before preflight."""
        return self._read("pace.json", model)

    def write_pace(self, pace: Record) -> None:
        """Store how fast the run may go."""
        self._put("pace.json", pace.to_json())

    def read_members(self) -> Members | None:
        """Return who was in the run's groups, or None if they were not listed."""
        return self._read("members.json", Members)

    def write_members(self, members: Members) -> None:
        """Store who is in the run's groups."""
        self._put("members.json", members.to_json())

    def read_share(self, model: type[R]) -> tuple[R | None, str | None]:
        """Return what the run has of a day's invitations, a record of the `model`, and its version; None without one."""
        found = self._version("share.json")
        return (model.from_json(found[0], self._name("share.json")), found[1]) if found else (None, None)

    def write_share(self, share: Record, version: str | None) -> bool:
        """Store what the run has in place of the `version` that was read; False if somebody else has done so since."""
        condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        return self._put_if("share.json", share.to_json(), **condition)

    def read_breaker(self, model: type[R]) -> R | None:
        """Return what stopped the run until somebody has it go on, a record of the `model`, or None."""
        return self._read("breaker.json", model)

    def write_breaker(self, breaker: Record, **condition: str) -> bool:
        """Store what stopped the run; False, and nothing is changed, if S3's `condition` is not met."""
        return self._put_if("breaker.json", breaker.to_json(), **condition)

    def read_approval(self, model: type[R]) -> R | None:
        """Return the approval, a record of the `model`, or None."""
        return self._read("approval.json", model)

    def write_approval(self, approval: Record) -> None:
        """Store the approval in place of an earlier one."""
        self._put("approval.json", approval.to_json())

    def read_stopping(self, model: type[R]) -> R | None:
        """Return who stopped the run, a record of the `model`, or None."""
        return self._read("stopping.json", model)

    def write_stopping(self, stopping: Record) -> None:
        """Store who stopped the run."""
        self._put("stopping.json", stopping.to_json())

    def _read(self, name: str, model: type[R]) -> R | None:
        found = self._get(name)
        return None if found is None else model.from_json(found, self._name(name))

    def read_report(self, model: type[R]) -> R | None:
        """Return what was last reported, a record of the `model`, or None."""
        return self._read("report.json", model)

    def write_report(self, report: Record) -> None:
        """Store what was reported."""
        self._put("report.json", report.to_json())

    def read_mail(self, model: type[R]) -> R | None:
        """Return the mail that last went out with a report, a record of the `model`, or None."""
        return self._read("mail.json", model)

    def write_mail(self, mail: Record) -> None:
        """Store the mail that went out with a report."""
        self._put("mail.json", mail.to_json())

    def is_reported(self) -> bool:
        """Return whether the run was ever reported."""
        return self._get("report.json") is not None

    def read_mail_claim(self, model: type[R]) -> tuple[R | None, str] | None:
        """Return who is mailing a report, a record of the `model` or None for nobody, and its version.

        None if nobody ever was.
        """
        found = self._version("mailing")
        if found is None:
            return None
        return (model.from_json(found[0], self._name("mailing")) if found[0] else None), found[1]

    def write_mail_claim(self, claim: Record | None, **condition: str) -> bool:
        """Store who is mailing, None for nobody; False, and nothing is changed, if S3's `condition` is not met."""
        return self._put_if("mailing", claim.to_json() if claim else b"", **condition)

    def read_rejection(self) -> Rejection | None:
        """Return why the run is rejected, or None."""
        rejection = self._read("rejection.json", Rejection)
        return rejection if rejection and rejection.reason else None

    def rejected(self) -> Rejection | None:
        """Return why a run that has called for nobody is rejected; None for any other run."""
        return None if any(self._keys("outcomes/")) else self.read_rejection()

    def reject(self, reason: str) -> None:
        """Store why the run is rejected. Nobody is mailed the same reason twice."""
        before = self.read_rejection()
        if before is None or before.reason != reason:
            self.write_rejection(reason)

    def write_rejection(self, reason: str, message_id: str = "") -> None:
        """Store why the run is rejected, and which mail said so, in place of an earlier rejection."""
        self._put("rejection.json", Rejection(reason, message_id).to_json())

    def withdraw_rejection(self) -> None:
        """Forget why the run was rejected: it no longer is."""
        if self.read_rejection():
            self.write_rejection("")
