"""The control endpoints under `/_local/`; `launcher.py` lists them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ministack.services import cloudwatch

from sandbox.aws import cognito_rules
from sandbox.aws.call_log import CallLog
from sandbox.aws.faults import ChildFault, Fault, FaultPlan
from sandbox.aws.quotas import Quotas
from sandbox.aws.step_functions.payloads import FIGURES, LIMITS, Limits

PREFIX = "/_local/"


class Control:
    """Answers the control endpoints from the parts that they steer."""

    def __init__(self, quotas: Quotas, log: CallLog, plan: FaultPlan) -> None:
        self.quotas = quotas
        self.log = log
        self.plan = plan

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status and the JSON content for one control request."""
        try:
            content = json.loads(body or b"{}")
            endpoint = getattr(self, f"_{method.lower()}_{path.removeprefix(PREFIX)}", None)
            if endpoint is None:
                return 404, {"message": f"No control endpoint {method} {path}"}
            return 200, endpoint(**content) or {}
        except (TypeError, ValueError) as error:
            return 400, {"message": str(error)}

    def _get_stats(self) -> dict[str, Any]:
        figures = self.log.figures()
        for name, tally in figures["categories"].items():
            tally["quota"] = self.quotas.limits[name]
        return {**figures, "live": self.quotas.traffic(), "step_functions": asdict(FIGURES)}

    def _get_calls(self) -> dict[str, Any]:
        return {"calls": self.log.calls}

    def _post_reset(self) -> None:
        self.log.clear()
        self.quotas.clear()
        cloudwatch._metrics.clear()  # noqa: SLF001 - its own reset forgets everything else, too
        cognito_rules.mails_sent.clear()
        FIGURES.clear()

    def _post_faults(self, **fault: Any) -> None:
        self.plan.add(Fault(**fault))

    def _post_children(self, **fault: Any) -> None:
        self.plan.child_faults.append(ChildFault(**fault))

    def _delete_faults(self) -> None:
        self.plan.clear()

    def _post_traffic(self, phases: list[tuple[float, float]]) -> None:
        self.quotas.set_traffic(phases)

    def _post_quotas(self, **quotas: Any) -> None:
        self.quotas.enforce(**quotas)

    def _post_limits(self, **limits: float) -> None:
        for name, value in (limits or asdict(Limits())).items():
            if not hasattr(LIMITS, name):
                message = f"{name}: one of {', '.join(asdict(LIMITS))} is wanted"
                raise ValueError(message)
            setattr(LIMITS, name, value)

    def _post_outage(self, service: str, seconds: float, **details: Any) -> None:
        self.plan.set_outage(service, seconds, **details)
