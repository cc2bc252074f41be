"""The WebSocket /api/v1/streaming_audio2face/ws: sound in as it is spoken, frames out at every silence; dlp3d audio2face's protocol.

A stream is cut where `cuts.Cutter` says. Each piece is rendered as a sound file of its samples would be, with the seed counted up by its
first frame: engine, profile and seeds never see more than the piece, so nothing that comes later can change what was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.render import SpokenLine
from a2f_batch.errors import A2FError
from a2f_batch.serve import messages
from a2f_batch.serve.answers import RequestError, answer
from a2f_batch.serve.lines import LineOptions
from a2f_batch.serve.rendering import speak_samples
from a2f_batch.serve.sent import Sent
from a2f_batch.serve.service import Service

PATH = "/api/v1/streaming_audio2face/ws"
_POLICY, _TOO_BIG, _INTERNAL = 1008, 1009, 1011  # RFC 6455, section 7.4.1
_OURS = ("worker-lost", "engine-failed", "engine-output", "render-timeout")  # codes of what is not the client's fault


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.websocket(PATH)
    async def stream(socket: WebSocket, fps: Annotated[str, Query(max_length=32)] = "30",
                     seed: Annotated[int, Query(ge=0, le=MAX_SEED)] = 0,
                     cuts: Literal["silence", "none"] = "silence", dtype: Literal["float16", "float32"] = "float16") -> None:
        """What the protocol has no field for is in the query; a client that knows nothing of it gets what dlp3d's service gives."""
        try:
            with service.workers.admitted():
                await _serve(service, socket, LineOptions(fps=fps, seed=seed), at_silences=cuts == "silence", dtype=dtype)
        except A2FError as error:  # no place
            await socket.send_denial_response(answer(error))

    return routes


async def _serve(service: Service, socket: WebSocket, options: LineOptions, *, at_silences: bool, dtype: str) -> None:
    await socket.accept()
    name, code = "", None
    frames, begun = 0, time.perf_counter()
    try:
        start = await _received(service, socket, messages.START)
        name = start.request_id[:200]
        sent = Sent(service, start, options, at_silences=at_silences)
        async for spoken in _pieces(service, socket, sent):
            values = spoken.clip.values.astype(np.dtype(dtype).newbyteorder("<"))
            if not frames:
                await socket.send_bytes(messages.response(messages.RESPONSE_START, blendshape_names=spoken.clip.names, dtype=dtype))
            frames += len(values)
            for first in range(0, len(values), sent.chunk_frames):
                chunk = values[first:first + sent.chunk_frames]
                await socket.send_bytes(messages.response(messages.RESPONSE_BODY, data=chunk.tobytes()))
        if not frames:
            raise RequestError("The stream has no sound, or less than half a frame of it.", "Send some before the end.", code="too-short")
        await socket.send_bytes(messages.response(messages.RESPONSE_END))
        await socket.close()
    except WebSocketDisconnect:
        code = "disconnected"
    except A2FError as error:
        code = error.code
        await socket.close(_close_code(code), _reason(f"{code}: {error.problem} {error.remedy}"))
    except Exception:
        code = "internal"
        raise
    finally:
        service.tell("stream", f"stream {name!r} {frames} frames{f' [{code}]' if code else ''}", name=name, frames=frames, code=code,
                     seconds=round(time.perf_counter() - begun, 4))


async def _pieces(service: Service, socket: WebSocket, sent: Sent) -> AsyncIterator[SpokenLine]:
    """Yield what becomes of the stream, piece by piece."""
    while True:
        body = await _received(service, socket, messages.BODY, messages.END)
        for piece in sent.add(body) if body.class_name == messages.BODY else sent.finish():
            yield await service.workers.run(speak_samples, sent.samples(piece), sent.rate, sent.recipe_of(piece), service.settings.engine)
        sent.forget()
        if body.class_name == messages.END:
            return


async def _received(service: Service, socket: WebSocket, *expected: str) -> Any:
    """Return the next request, one of `expected`."""
    from google.protobuf.message import DecodeError

    try:
        async with asyncio.timeout(service.settings.upload_seconds):
            message = await socket.receive()
    except TimeoutError:
        raise RequestError(f"Nothing came for {service.settings.upload_seconds:g} s.", "Send the sound as it comes, then the end.",
                           code="upload-timeout") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    try:
        request = messages.read_request(message.get("bytes") or b"")
    except DecodeError:
        request = messages.read_request(b"")
    if request.class_name not in expected:
        raise RequestError(f"Expected {' or '.join(expected)}, received {request.class_name[:60]!r}.",
                           "Send messages of stream.proto: start, bodies, end.", code="stream-message")
    return request


def _close_code(code: str) -> int:
    return _TOO_BIG if code in ("audio-too-long", "upload-too-large") else _INTERNAL if code in _OURS else _POLICY


def _reason(text: str) -> str:
    """Return as much of `text` as a close frame may carry: 123 bytes."""
    return text.encode()[:123].decode(errors="ignore")
