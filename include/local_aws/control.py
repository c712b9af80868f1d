"""The control endpoints under `/_local/`; `launcher.py` lists them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from local_aws import cognito_rules
from local_aws.call_log import CallLog
from local_aws.faults import Fault, FaultPlan
from local_aws.quotas import Quotas
from local_aws.step_functions.runs import FIGURES, LIMITS, Limits

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
        return {**figures, "step_functions": asdict(FIGURES)}

    def _get_calls(self) -> dict[str, Any]:
        return {"calls": self.log.calls}

    def _post_reset(self) -> None:
        self.log.clear()
        self.quotas.clear()
        cognito_rules.mails_sent.clear()
        FIGURES.clear()

    def _post_faults(self, **fault: Any) -> None:  # noqa: ANN401 `Fault` checks them
        self.plan.faults.append(Fault(**fault))

    def _delete_faults(self) -> None:
        self.plan.clear()

    def _post_traffic(self, share: float) -> None:
        if not 0 <= share <= 1:
            message = f"share: a number from 0 to 1 is wanted, not {share}"
            raise ValueError(message)
        self.quotas.outside_share = share

    def _post_limits(self, **limits: float) -> None:
        for name, value in (limits or asdict(Limits())).items():
            if not hasattr(LIMITS, name):
                message = f"{name}: one of {', '.join(asdict(LIMITS))} is wanted"
                raise ValueError(message)
            setattr(LIMITS, name, value)

    def _post_outage(self, service: str, seconds: float) -> None:
        self.plan.set_outage(service, seconds)
