"""A service on its address, until a signal ends it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from a2f_batch.errors import BatchError
from a2f_batch.serve.app import make_app
from a2f_batch.serve.headers import protocol
from a2f_batch.serve.service import Service
from a2f_batch.serve.settings import Settings

_HEADER_SECONDS = 10.0  # a request's headers may take so long, or as long as an upload if that is shorter
_LINGER_SECONDS = 10  # what is rendered when a signal comes may take so long
_MAX_MESSAGE = 4 * 1024 * 1024  # bytes of a stream's message: 20 s of 48 kHz stereo


def listen(settings: Settings) -> socket.socket:
    """Return the socket that the service listens on.

    Raises:
        BatchError: the address can't be used (code 'address').
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM,
                                                                flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":  # elsewhere it would let others take the address while we have it
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise BatchError(f"Can't listen on {settings.host} port {settings.port}: {error.strerror or error}.",
                         "Choose another --port, or stop what has this one.", code="address") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the URL under which the service is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(service: Service, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; then let what is begun come to its end, and return. A second signal ends it at once.

    Args:
        ready: called when clients may come.
    """
    headers = protocol(min(_HEADER_SECONDS, service.settings.upload_seconds))
    config = uvicorn.Config(make_app(service), http=headers, log_config=None, access_log=False, server_header=False, lifespan="off",
                            ws="websockets-sansio", ws_max_size=_MAX_MESSAGE, timeout_graceful_shutdown=_LINGER_SECONDS)
    ready()  # the socket listens already
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends by returning: uvicorn's own would raise the signal once more when all is over."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
