"""The HTTP side: the emulator's application with the control endpoints, and connections that can be cut."""

from __future__ import annotations

import asyncio
import contextvars
import json
import socket
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import hypercorn.asyncio.run
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from ministack import app as emulator

from sandbox.aws.control import PREFIX, Control
from sandbox.aws.responses import DROP_HEADER

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Message = dict[str, Any]

_writer: contextvars.ContextVar[asyncio.StreamWriter] = contextvars.ContextVar("writer")


class _Connection(TCPServer):
    """A connection whose requests can find its writer, to cut it."""

    async def run(self) -> None:
        _writer.set(self.writer)
        await super().run()


class Application:
    """The ASGI application: `/_local/` to the control endpoints, everything else to the emulator."""

    def __init__(self, control: Control, ready: Callable[[], None]) -> None:
        self._control = control
        self._ready = ready

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] == "lifespan":
            await emulator.app(scope, receive, self._telling_when_ready(send))
        elif scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._serve_control(scope, receive, send)
        elif scope["type"] == "http":
            await emulator.app(scope, receive, _cutting_lost_answers(send))
        else:
            await emulator.app(scope, receive, send)

    def _telling_when_ready(self, send: Send) -> Send:
        async def telling(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._ready()

        return telling

    async def _serve_control(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, content = self._control.answer(scope["method"], scope["path"], body)
        payload = json.dumps(content).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(payload)).encode()),
            (b"date", formatdate(usegmt=True).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})


def _cutting_lost_answers(send: Send) -> Send:
    """Return `send` with the connection cut in place of an answer that is to be lost."""

    async def cutting(message: Message) -> None:
        headers = message.get("headers", [])
        if message["type"] == "http.response.start" and DROP_HEADER.encode() in {name for name, _ in headers}:
            _writer.get().transport.abort()
        await send(message)

    return cutting


async def run(listener: socket.socket, control: Control, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve on `listener`, which is the server's from here on, until `stop` is set.

    `ready` is called once requests are answered.
    """
    hypercorn.asyncio.run.TCPServer = _Connection  # type: ignore[attr-defined]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.5
    config.backlog = 512
    config.loglevel = emulator.LOG_LEVEL
    await serve(Application(control, ready), config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
