"""Who may talk to the service: clients that call it by its own name, and web pages only of origins that were allowed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from a2f_batch.serve.answers import RequestError, answer
from a2f_batch.serve.settings import Settings


class Guard:
    """Refuses requests with another's name in 'Host' (DNS rebinding) or of a web page that is not allowed ('Origin').

    A browser sends forms, and opens WebSockets, to any address that a page names, without asking: the address alone protects nobody.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = {"localhost", settings.host.lower(), *settings.hosts}
        self._origins = set(settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request, or refuse it."""
        error = self._fault(Headers(scope=scope)) if scope["type"] in ("http", "websocket") else None
        if error is None:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["code"] = error.code
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await socket.receive()
            await socket.send_denial_response(answer(error))
        else:
            await answer(error)(scope, receive, send)

    def _fault(self, headers: Headers) -> RequestError | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            return RequestError(f"This service is not called {host!r}.",
                                "Call it by the address it was started with, or start it with --allow-host NAME.", code="host-unknown")
        if origin is None or origin in self._origins or urlsplit(origin).netloc == host:
            return None
        return RequestError(f"Web pages of {origin!r} may not use this service.",
                            "Start it with --allow-origin ORIGIN to allow them.", code="origin-unknown")

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts or "*" in self._hosts:
            return True
        try:  # a number is nobody's name, and can't be made to point elsewhere
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
