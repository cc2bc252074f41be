"""One line of the log for every request, and a body that nobody read taken off the wire before its connection is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Of a refused upload so much is read and thrown away: a client that still sends would else lose the answer with its connection.
_DRAIN_BYTES, _DRAIN_SECONDS, _STILL_SECONDS = 64 * 1024 * 1024, 5.0, 1.0

#: Told of every request when it is over: kind of event, text for people, facts.
Tell = Callable[..., None]


class Access:
    """Tells of every HTTP request and every stream: method, target, status, seconds, code of the error if there was one."""

    def __init__(self, app: ASGIApp, tell: Tell) -> None:
        self._app, self._tell = app, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts: dict[str, Any] = {"status": 499}  # as nginx says: the client went away before there was an answer
        begun = time.perf_counter()
        body = _Body(receive)
        expects = any(name == b"expect" for name, _ in scope["headers"])  # then the client waits with its body

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
                if not body.is_over:
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            elif not message.get("more_body") and not body.is_over and not expects:
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            await self._app(scope, body.receive, watched)
        finally:
            target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            code = scope.get("state", {}).get("code")
            text = f"{scope['method']} {target} {facts['status']}{f' [{code}]' if code else ''}"
            self._tell("request", text, method=scope["method"], target=target, code=code, seconds=round(time.perf_counter() - begun, 4),
                       **facts)


class _Body:
    """A request's body as it is received."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self.is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self.is_over = self.is_over or message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read on to the end, within bounds."""
        limit = self._bytes + _DRAIN_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self.is_over and self._bytes < limit:
                    await asyncio.wait_for(self.receive(), _STILL_SECONDS)
