"""A Map Run: the children of one distributed Map state.

Follows "Using Map state in Distributed mode" and "Setting failure thresholds for Distributed Map states".
"""

# The emulator offers no public names for any of this, and JSON may hold anything.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

from local_aws.step_functions.items import field
from local_aws.step_functions.runs import Ended, Run, check_size, context_of, in_own_context, text_of

JSON = dict[str, Any]
MOST_THREADS = 64
"""A MaxConcurrency of 0 means 10,000 children on AWS; here it means this many."""
POLL_SECONDS = 0.2


class MapRun:
    """The children of one distributed Map state, as DescribeMapRun and ListExecutions show them."""

    def __init__(  # noqa: PLR0913, PLR0917 what its Map state has at hand
        self, state: JSON, processor: JSON, data: Any, context: JSON, execution: JSON, batches: list[tuple[Any, int]]
    ) -> None:
        machine_arn = execution["stateMachineArn"].replace(":stateMachine:", ":{}:")
        label = state.get("Label") or str(uuid.uuid4())
        self.arn = f"{machine_arn.format('mapRun')}/{label}:{uuid.uuid4()}"
        self.parent: Run = execution["_run"]
        self.processor = processor
        self.language = context["QueryLanguage"]
        self.express = processor["ProcessorConfig"].get("ExecutionType", "STANDARD") == "EXPRESS"
        self._child_arn = f"{machine_arn.format('express' if self.express else 'execution')}/{label}:"
        child_machine_arn = f"{machine_arn.format('stateMachine')}/{label}"
        self.children: list[JSON] = [
            {
                "status": "PENDING",
                "input": text_of(given),
                "mapRunArn": self.arn,
                "output": None,
                "stopDate": None,
                "stateMachineArn": child_machine_arn,
                "events": [],
                "_items": count,
            }
            for given, count in batches
        ]
        self._ended: list[JSON] = []
        self._failed_items = 0
        self._total_items = sum(count for _, count in batches)
        self._changed = threading.Condition()
        self.view = {
            "mapRunArn": self.arn,
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": now_iso(),
            "redriveCount": 0,
            "maxConcurrency": int(field(state, "MaxConcurrency", data, context, 0)),
            "toleratedFailureCount": int(field(state, "ToleratedFailureCount", data, context, 0)),
            "toleratedFailurePercentage": float(field(state, "ToleratedFailurePercentage", data, context, 0)),
            "_stateMachineArn": child_machine_arn,
            "_map_run": self,
        }
        self._thresholds = {
            name
            for name in ("ToleratedFailureCount", "ToleratedFailurePercentage")
            if name in state or f"{name}Path" in state
        }
        sfn._map_runs[self.arn] = self.view

    def prepare_redrive(self, parent: Run) -> None:
        """Make the children that did not succeed pending again."""
        self.parent = parent
        self.view.update(status="RUNNING", redriveCount=self.view["redriveCount"] + 1, redriveDate=now_iso())
        self.view.pop("stopDate", None)
        for child in self.children:
            if child["status"] != "SUCCEEDED":
                child.update(status="PENDING", output=None, redriveCount=self.view["redriveCount"])
                child.pop("error", None)
                child.pop("cause", None)
        self._ended = [child for child in self._ended if child["status"] == "SUCCEEDED"]
        self._failed_items = 0

    def carry_out(self) -> None:
        """Run the pending children, at most MaxConcurrency at once, until all ended or too many failed."""
        waiting = [child for child in self.children if child["status"] == "PENDING"]
        running: list[threading.Thread] = []
        try:
            while waiting or running:
                self.parent.check()
                running = [thread for thread in running if thread.is_alive()]
                if self._failed_too_often():
                    self._stop("FAILED")
                    return
                if waiting and len(running) < (self.view["maxConcurrency"] or MOST_THREADS):
                    thread = threading.Thread(target=in_own_context(self._run_child, waiting.pop(0)), daemon=True)
                    thread.start()
                    running.append(thread)
                    continue
                with self._changed:
                    self._changed.wait(POLL_SECONDS)
            self._stop("FAILED" if self._failed_too_often() else "SUCCEEDED")
        except Ended:
            self._stop("ABORTED")
            raise

    def _stop(self, status: str) -> None:
        self.view.update(status=status, stopDate=now_iso())
        for child in self.children:
            if child["status"] == "RUNNING":
                child["_run"].end(Ended("ABORTED"))

    def _run_child(self, child: JSON) -> None:
        name = str(uuid.uuid4())
        arn = f"{self._child_arn}{name}:{uuid.uuid4()}" if self.express else f"{self._child_arn}{name}"
        child.update(
            executionArn=arn,
            name=name,
            status="RUNNING",
            startDate=now_iso(),
            stopDate=None,
            inputDetails={"included": True},
            outputDetails={"included": True},
            events=[],
        )
        sfn._executions[arn] = child
        run = Run(child, self.parent.machine, self.parent.walk, express=self.express)
        self.parent.children.append(run)
        # A child sees none of its parent's variables.
        context = context_of(child, self.parent.machine, self.language)

        def work() -> Any:
            run.record("ExecutionStarted", input=child["input"], roleArn=self.parent.machine["roleArn"])
            given = json.loads(child["input"])
            check_size(given, name)
            return run.walk(self.processor["States"], self.processor["StartAt"], given, child, context)

        run.carry_out(work)
        self.parent.children.remove(run)
        with self._changed:
            self._ended.append(child)
            if child["status"] in ("FAILED", "TIMED_OUT"):
                self._failed_items += child["_items"]
            self._changed.notify_all()

    def _failed_too_often(self) -> bool:
        failed = self._failed_items
        if not self._thresholds:
            return failed > 0
        return ("ToleratedFailureCount" in self._thresholds and failed > self.view["toleratedFailureCount"]) or (
            "ToleratedFailurePercentage" in self._thresholds
            and failed * 100 > self.view["toleratedFailurePercentage"] * self._total_items
        )

    def ended_first_to_last(self) -> list[JSON]:
        """Return all children, those that ended first at the front and those that never started at the back."""
        ended = list(self._ended)
        known = {id(child) for child in ended}
        return ended + [child for child in self.children if id(child) not in known]

    def counts(self, weigh: bool) -> JSON:  # noqa: FBT001
        """Return how many children (or items, if `weigh`) are in each status."""
        names = {
            "PENDING": "pending",
            "RUNNING": "running",
            "SUCCEEDED": "succeeded",
            "FAILED": "failed",
            "TIMED_OUT": "timedOut",
            "ABORTED": "aborted",
        }
        figures = dict.fromkeys(
            [*names.values(), "total", "resultsWritten", "failuresNotRedrivable", "pendingRedrive"], 0
        )
        for child in self.children:
            weight = child["_items"] if weigh else 1
            figures[names[child["status"]]] += weight
            figures["total"] += weight
        if self.view["status"] != "RUNNING":
            figures["resultsWritten"] = figures["succeeded"]
        return figures
