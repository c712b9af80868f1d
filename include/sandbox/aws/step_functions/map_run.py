"""A Map Run: the children of one distributed Map state.

Follows "Using Map state in Distributed mode" and "Setting failure thresholds for Distributed Map states".
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any, ClassVar

from ministack.core.responses import now_iso

from sandbox.aws.faults import ChildFault, FaultPlan
from sandbox.aws.step_functions.items import field
from sandbox.aws.step_functions.payloads import text_of
from sandbox.aws.step_functions.runs import Ended, Run, context_of, in_own_context

JSON = dict[str, Any]
MAX_THREADS = 64
"""A MaxConcurrency of 0 means 10,000 children on AWS; here it means this many."""
POLL_SECONDS = 0.2


class MapRun:
    """The children of one distributed Map state. Their executions are listed and described nowhere."""

    faults: ClassVar[FaultPlan] = FaultPlan()
    """What children meet on demand."""

    def __init__(self, state: JSON, data: Any, context: JSON, execution: JSON, inputs: list[Any]) -> None:
        machine_arn = execution["stateMachineArn"].replace(":stateMachine:", ":{}:")
        label = state.get("Label") or str(uuid.uuid4())
        self.arn = f"{machine_arn.format('mapRun')}/{label}:{uuid.uuid4()}"
        self.parent: Run = execution["_run"]
        self.processor = state["ItemProcessor"]
        self._child_arn = f"{machine_arn.format('express')}/{label}:"
        child_machine_arn = f"{machine_arn.format('stateMachine')}/{label}"
        self.children: list[JSON] = [
            {
                "status": "PENDING",
                "input": text_of(given),
                "output": None,
                "stopDate": None,
                "stateMachineArn": child_machine_arn,
                "events": [],
            }
            for given in inputs
        ]
        self._runs: list[Run] = []
        self._changed = threading.Condition()
        self.status = "RUNNING"
        self.redrives = 0
        self._most_at_once = int(field(state, "MaxConcurrency", data, context)) or MAX_THREADS
        self._tolerated_percentage = float(field(state, "ToleratedFailurePercentage", data, context))

    def prepare_redrive(self, parent: Run) -> None:
        """Make the children that did not succeed pending again."""
        self.parent = parent
        self.status = "RUNNING"
        self.redrives += 1
        for child in self.children:
            if child["status"] != "SUCCEEDED":
                child.update(status="PENDING", output=None, redriveCount=self.redrives)
                child.pop("error", None)
                child.pop("cause", None)

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
                if waiting and len(running) < self._most_at_once:
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
        self.status = status
        for run in list(self._runs):
            run.end(Ended("ABORTED"))

    def _run_child(self, child: JSON) -> None:
        name = str(uuid.uuid4())
        arn = f"{self._child_arn}{name}:{uuid.uuid4()}"
        child.update(
            executionArn=arn,
            name=name,
            status="RUNNING",
            startDate=now_iso(),
            stopDate=None,
            events=[],
        )
        faults = self.faults.take_child()
        twin = self._start_twin(child, faults["double"]) if "double" in faults else None
        self._interpret(child, faults.get("kill"))
        if twin:
            twin.join()
        with self._changed:
            self._changed.notify_all()

    def _interpret(self, child: JSON, fault: ChildFault | None = None) -> None:
        """Run the states of a child."""
        run = Run(child, self.parent.machine, self.parent.interpret, express=True)
        run.set_fault(fault)
        self.parent.children.append(run)
        self._runs.append(run)
        # A child sees none of its parent's variables.
        context = context_of(child, self.parent.machine)

        def work() -> Any:
            run.record("ExecutionStarted", input=child["input"], roleArn=self.parent.machine["roleArn"])
            given = json.loads(child["input"])
            return run.interpret(self.processor["States"], self.processor["StartAt"], given, child, context)

        run.carry_out(work)
        self.parent.children.remove(run)
        self._runs.remove(run)

    def _start_twin(self, child: JSON, fault: ChildFault) -> threading.Thread:
        """Run the same child once more in another thread and ignore its result."""
        twin = {**child, "events": []}

        def later() -> None:
            if fault.seconds >= 0:
                time.sleep(fault.seconds)
            while fault.seconds < 0 and child["status"] == "RUNNING":
                time.sleep(POLL_SECONDS)
            if self.status == "RUNNING":
                self._interpret(twin)

        thread = threading.Thread(target=in_own_context(later), daemon=True)
        thread.start()
        return thread

    def _failed_too_often(self) -> bool:
        failed = sum(child["status"] in ("FAILED", "TIMED_OUT") for child in self.children)
        return failed * 100 > self._tolerated_percentage * len(self.children)

    def results(self) -> list[Any]:
        """Return the outputs of the children in the order of their items, and for one that failed what it was."""
        names = {
            "executionArn": "ExecutionArn",
            "input": "Input",
            "status": "Status",
            "error": "Error",
            "cause": "Cause",
        }
        return [
            json.loads(child["output"])
            if child["status"] == "SUCCEEDED"
            else {shown: child[name] for name, shown in names.items() if child.get(name)}
            for child in self.children
        ]
