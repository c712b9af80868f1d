"""What is stored of a run as a whole: the rounds of the state machine, approval, breaker, report and rejection."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from cognito_import.records import Record
from cognito_import.run.s3_folder import S3Folder

R = TypeVar("R", bound=Record)


class RecordFiles(S3Folder):
    """The records of a run. Every method raises RunFolderError where S3 fails."""

    # ---- rounds of the state machine

    def begin_round(self, batches: list[int]) -> int:
        """Store which batches the next round works on, by their numbers, and return the round's number."""
        number = 1 + max((int(key.split("/")[1].split(".")[0]) for key in self._keys("rounds/")), default=0)
        self._put(f"rounds/{number:03d}.json", json.dumps(batches).encode())
        return number

    def round_key(self, number: int) -> str:
        """The S3 key of a round's batches."""
        return f"{self.prefix}rounds/{number:03d}.json"

    def stop_round(self, number: int, reason: str, *, temporary: bool) -> None:
        """Have no further batch of the round begin."""
        self._put(f"rounds/{number:03d}.stop", json.dumps({"reason": reason, "temporary": temporary}).encode())

    def stopped_round(self, number: int) -> tuple[str, bool] | None:
        """Why the round makes no further call, and whether the reason may pass by itself; None if it goes on."""
        found = self._get(f"rounds/{number:03d}.stop")
        if found is None:
            return None
        stop = json.loads(found)
        return stop["reason"], stop["temporary"]

    # ---- approval and report

    def read_breaker(self, model: type[R]) -> R | None:
        """What stopped the run until somebody has it go on, a record of the `model`, or None."""
        return self._read("breaker.json", model)

    def write_breaker(self, breaker: Record, **condition: str) -> bool:
        """Store what stopped the run; False, and nothing is changed, if S3's `condition` is not met."""
        return self._put_if("breaker.json", breaker.to_json(), **condition)

    def read_approval(self, model: type[R]) -> R | None:
        """The approval, a record of the `model`, or None."""
        return self._read("approval.json", model)

    def write_approval(self, approval: Record) -> None:
        """Store the approval in place of an earlier one."""
        self._put("approval.json", approval.to_json())

    def _read(self, name: str, model: type[R]) -> R | None:
        found = self._get(name)
        return None if found is None else model.from_json(found, self._name(name))

    def read_report(self) -> dict[str, Any] | None:
        """What was last reported, or None."""
        found = self._get("report.json")
        return None if found is None else json.loads(found)

    def write_report(self, report: dict[str, Any]) -> None:
        """Remember what was reported."""
        self._put("report.json", json.dumps(report).encode())

    def read_claim(self) -> tuple[bytes, str] | None:
        """Who is mailing a report, as it was stored, and its ETag; or None."""
        return self._version("mailing")

    def write_claim(self, claim: bytes, **condition: str) -> bool:
        """Store who is mailing; False, and nothing is changed, if S3's `condition` is not met."""
        return self._put_if("mailing", claim, **condition)

    def read_rejection(self) -> dict[str, str] | None:
        """Why the run was refused (`reason`), and SES's id of the mail that told so (`message_id`, or empty); or None."""
        found = self._get("rejection.json")
        rejection: dict[str, str] | None = None if found is None else json.loads(found)
        return rejection if rejection and rejection["reason"] else None

    def refused(self) -> dict[str, str] | None:
        """The refusal, as `read_rejection` gives it, of a run that has called for nobody; None for any other run."""
        return None if any(self._keys("outcomes/")) else self.read_rejection()

    def refuse(self, reason: str) -> None:
        """Remember why the run was refused. Nobody is told the same reason twice."""
        before = self.read_rejection()
        if before is None or before["reason"] != reason:
            self.write_rejection(reason)

    def write_rejection(self, reason: str, message_id: str = "") -> None:
        """Remember why the run was refused before any user was touched, and what mail has told so."""
        self._put("rejection.json", json.dumps({"reason": reason, "message_id": message_id}).encode())

    def withdraw_rejection(self) -> None:
        """Forget why the run was refused: it no longer is."""
        if self.read_rejection():
            self.write_rejection("")
