"""What every call passes on its way to an emulated service: outages and faults; for Cognito also its quotas.

The middleware runs before the emulator's service handlers, where the calls over HTTP and those that a
state machine makes both come through.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from ministack.services import cognito, s3, ses, ses_v2, stepfunctions

from sandbox.aws import cloudformation_rules, cognito_rules, lambda_rules, s3_rules, ses_rules, step_functions
from sandbox.aws.call_log import CallLog
from sandbox.aws.faults import FaultPlan
from sandbox.aws.quotas import Quotas
from sandbox.aws.responses import Response, error_code, error_response

Handler = Callable[..., Awaitable[Response]]

COGNITO_TARGET = "AWSCognitoIdentityProviderService."


def _target(headers: dict[str, str]) -> str:
    return headers.get("x-amz-target", "").rpartition(".")[2]


def s3_operation(method: str, path: str, query: dict[str, list[str]]) -> str:
    """Return the S3 operation of a path-style request, for those that the product uses ("" for others)."""
    _, _, key = path.strip("/").partition("/")
    if not key:
        if method == "GET" and "list-type" in query:
            return "ListObjectsV2"
        if method == "POST" and "delete" in query:
            return "DeleteObjects"
        return "HeadBucket" if method == "HEAD" else ""
    return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, "")


def _ses_operation(body: bytes) -> str:
    for pair in body.decode("utf-8", "replace").split("&"):
        if pair.startswith("Action="):
            return pair.removeprefix("Action=")
    return ""


def guard(module: ModuleType, service: str, plan: FaultPlan) -> None:
    """Put the outages and faults of `service` in front of the emulator's `module`."""
    handler: Handler = module.handle_request

    async def guarded(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
        **more: Any,  # of a bucket named by the host: the path as it was signed
    ) -> Response:
        if module is ses and path.startswith("/v2/"):
            # The emulator passes it on to ses_v2, which has a guard of its own.
            return await handler(method, path, headers, body, query)
        if service == "s3":
            operation = s3_operation(method, path, query)
        elif service == "ses":
            operation = _ses_operation(body)
        else:
            operation = _target(headers)

        async def effect() -> Response:
            own = step_functions.serve(operation, json.loads(body or b"{}")) if service == "states" else None
            return own or await handler(method, path, headers, body, query, **more)

        return await plan.serve(service, operation, "", effect)

    module.handle_request = guarded  # type: ignore[attr-defined]


class CognitoMiddleware:
    """Cognito as an account meets it: logged, within its quotas, `latency` seconds away."""

    def __init__(self, quotas: Quotas, log: CallLog, plan: FaultPlan, latency: float) -> None:
        self.quotas = quotas
        self.log = log
        self.plan = plan
        self.latency = latency
        self._handler: Handler = cognito.handle_request
        # The emulator's handlers run in threads and race on a pool's users; one at a time does not.
        self._state = asyncio.Lock()

    async def handle(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Response:
        """Serve one request in place of the emulator's handler."""
        if not headers.get("x-amz-target", "").startswith(COGNITO_TARGET):
            return await self._handler(method, path, headers, body, query)
        operation = _target(headers)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            request = {}
        ended = self.log.arrived(operation, request)
        answer: Response | None = None
        try:
            admitted = self.quotas.admit(operation)
            await asyncio.sleep(self.latency)
            if not admitted:
                answer = error_response("cognito-idp", "TooManyRequestsException", "Rate exceeded")
            else:
                answer = await self.plan.serve(
                    "cognito-idp",
                    operation,
                    request.get("Username", ""),
                    lambda: self._take_effect(operation, request, (method, path, headers, body, query)),
                )
        finally:
            ended(error_code(answer) if answer else "aborted")
        return answer

    async def _take_effect(self, operation: str, request: dict[str, Any], call: tuple[Any, ...]) -> Response:
        refusal = cognito_rules.form_of(operation, request)
        if refusal:
            return refusal
        if operation == "GetProvisionedLimit":
            return cognito_rules.get_provisioned_limit(request, self.quotas.limits)
        async with self._state:
            return cognito_rules.reword(operation, await self._handler(*call))


def install(quotas: Quotas, log: CallLog, plan: FaultPlan, latency: float) -> None:
    """Install the middleware in the emulator."""
    cloudformation_rules.install()
    cognito_rules.install()
    lambda_rules.install()
    s3_rules.install()
    ses_rules.install()
    step_functions.install(plan)
    cognito.handle_request = CognitoMiddleware(quotas, log, plan, latency).handle
    guard(s3, "s3", plan)
    guard(ses, "ses", plan)
    guard(ses_v2, "ses", plan)
    guard(stepfunctions, "states", plan)
