"""Connections on which no request comes, or half of one: given up after some seconds, for each holds a socket of this process."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from a2f_batch.serve.answers import RequestError, answer


def protocol(seconds: float) -> type[H11Protocol]:
    """Return uvicorn's HTTP protocol with an end to waiting for headers, which uvicorn itself has only between two requests.

    Args:
        seconds: from the opening of a connection, or the first byte of a later request, until its headers have to be there.
    """
    return type("Prompt", (_Prompt,), {"seconds": seconds})


class _Prompt(H11Protocol):
    seconds: float
    _due: asyncio.TimerHandle | None = None
    _begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._due = self.loop.call_later(self.seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._begun = self.conn.their_state is h11.IDLE  # some bytes of a request, and not yet its headers
        if not self._begun:
            self._stop()
        elif self._due is None:
            self._due = self.loop.call_later(self.seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give_up(self) -> None:
        self._due = None
        if self._begun and not self.transport.is_closing():
            late = answer(RequestError(f"The request's headers did not come in {self.seconds:g} s.", "Send them whole.",
                                       code="headers-timeout"))
            head = h11.Response(status_code=late.status_code, headers=[*late.raw_headers, (b"connection", b"close")])
            for event in (head, h11.Data(bytes(late.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
