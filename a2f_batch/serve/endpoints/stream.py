"""The WebSocket /api/v1/streaming_audio2face/ws: sound in as it is spoken, frames out at every silence; dlp3d audio2face's protocol.

A stream is cut where `cuts.Cutter` says. Each piece is rendered as a sound file of its samples would be, with the seed counted up by its
first frame: engine, profile and seeds never see more than the piece, so nothing that comes later can change what was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from a2f_batch.audio import MAX_RATE, MIN_RATE
from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.render import Recipe
from a2f_batch.emotion import Envelope
from a2f_batch.errors import A2FError
from a2f_batch.serve import messages
from a2f_batch.serve.answers import RequestError, answer
from a2f_batch.serve.cuts import Cutter, Piece
from a2f_batch.serve.lines import LineOptions
from a2f_batch.serve.rendering import Spoken, speak_samples
from a2f_batch.serve.service import Service

PATH = "/api/v1/streaming_audio2face/ws"
CHUNK_FRAMES, MAX_CHUNK_FRAMES = 10, 10_000
MAX_CHANNELS = 8

#: Profiles that dlp3d's clients ask for by the name of an avatar: the default one, unless the project has a profile of that name.
AVATARS = tuple(f"{avatar}-default" for avatar in ("KQ", "Ani", "HT", "FNN", "KL", "NXD"))

# Bytes of a sample -> what it is; dlp3d takes 8 bits as signed, unlike WAV.
_TYPES = {1: "i1", 2: "<i2", 4: "<i4"}
# dlp3d's emotions, whose offset sets are called `<emotion>_1` to `<emotion>_4` -> ours. The number counts sets, not strength.
_OFFSETS = {"happiness": "joy", "sadness": "sadness", "anger": "anger", "fear": "fear", "disgust": "disgust", "surprise": "surprise",
            "shyness": "shyness", "neutral": "neutral"}
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
        name = start.request_id
        sent = _Sent(service, start, options, at_silences=at_silences)
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
    finally:
        service.tell("stream", f"stream {name!r} {frames} frames{f' [{code}]' if code else ''}", name=name, frames=frames, code=code,
                     seconds=round(time.perf_counter() - begun, 4))


async def _pieces(service: Service, socket: WebSocket, sent: _Sent) -> AsyncIterator[Spoken]:
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


@dataclass(frozen=True)
class _Mark:
    """An emotion from a sample of the stream on."""

    sample: int
    emotion: Envelope


class _Sent:
    """What a client has sent of its stream, and not yet got back."""

    def __init__(self, service: Service, start: Any, options: LineOptions, *, at_silences: bool) -> None:
        if not MIN_RATE <= start.sample_rate <= MAX_RATE or start.sample_width not in _TYPES or not 1 <= start.n_channels <= MAX_CHANNELS:
            raise RequestError(f"A stream can't have {start.sample_rate} Hz, {start.sample_width} bytes a sample, {start.n_channels} "
                               "channels.",
                               f"Send {MIN_RATE} to {MAX_RATE} Hz, 1, 2 or 4 bytes, 1 to {MAX_CHANNELS} channels.", code="stream-format")
        if not 0 <= start.response_chunk_n_frames <= MAX_CHUNK_FRAMES:
            raise RequestError(f"Responses can't have {start.response_chunk_n_frames} frames.", f"Ask for 1 to {MAX_CHUNK_FRAMES}.",
                               code="stream-format")
        self._service, self._name = service, start.request_id
        self.chunk_frames: int = start.response_chunk_n_frames or CHUNK_FRAMES
        self.rate: int = start.sample_rate
        self._recipe = service.lines.recipe(replace(options, profile=self._profile(start.profile_name)))
        self._cutter = Cutter(self.rate, self._recipe.fps, at_silences=at_silences)
        self._pcm = np.zeros((0, start.n_channels), dtype=_TYPES[start.sample_width])  # from sample `_offset` on
        self._offset = 0
        self._rest = b""  # of a sample that is not whole yet
        self._marks = [_Mark(0, Envelope())]
        self._done = 0  # samples whose frames are sent

    def _profile(self, name: str) -> str:
        known = self._service.lines.profiles
        return "default" if not name or (name in AVATARS and name not in known) else name

    def add(self, body: Any) -> list[Piece]:
        """Take a body; return the pieces that are complete now."""
        content = self._rest + body.pcm_bytes
        size = self._pcm.itemsize * self._pcm.shape[1]
        whole = len(content) // size * size
        self._rest = content[whole:]
        pcm = np.frombuffer(content[:whole], self._pcm.dtype).reshape(-1, self._pcm.shape[1])
        if self._cutter.total + len(pcm) > self._service.settings.max_seconds * self.rate:
            raise RequestError(f"The stream is longer than {self._service.settings.max_seconds:g} s, the limit.",
                               "Send the rest as another stream, or start the service with a higher --max-seconds.", code="audio-too-long")
        self._mark(body.offset_name)
        self._pcm = np.concatenate([self._pcm, pcm])
        full = np.float64(2 ** (8 * self._pcm.itemsize - 1))
        return list(self._cutter.add((pcm.mean(axis=1) / full).astype(np.float32)))

    def finish(self) -> list[Piece]:
        """Return the last piece, if there is one."""
        last = self._cutter.finish()
        return [last] if last else []

    def _mark(self, offset_name: str) -> None:
        word = offset_name.rpartition("_")[0] or offset_name
        if offset_name and word not in _OFFSETS:
            self._service.warn(f"stream {self._name!r}: there is no emotion {offset_name[:60]!r}; neutral is used", "emotion-unknown")
        emotion = Envelope.parse(_OFFSETS.get(word, "neutral"))
        if emotion != self._marks[-1].emotion:
            self._marks.append(_Mark(self._cutter.total, emotion))

    def samples(self, piece: Piece) -> npt.NDArray[Any]:
        """Return the piece's sound, shape (samples, channels)."""
        self._done = piece.end
        samples = self._pcm[piece.begin - self._offset:piece.end - self._offset]
        return np.pad(samples, ((0, piece.end - piece.begin - len(samples)), (0, 0)))

    def recipe_of(self, piece: Piece) -> Recipe:
        """Return how to speak the piece: with the emotion at its middle, and a seed of its own."""
        middle = (piece.begin + piece.end) // 2
        emotion = [mark.emotion for mark in self._marks if mark.sample <= middle][-1]
        return replace(self._recipe, emotion=emotion, seed=(self._recipe.seed + piece.first) % (MAX_SEED + 1))

    def forget(self) -> None:
        """Drop the sound whose frames are sent."""
        self._pcm = self._pcm[max(self._done - self._offset, 0):]
        self._offset = max(self._done, self._offset)


def _close_code(code: str) -> int:
    return _TOO_BIG if code == "audio-too-long" else _INTERNAL if code in _OURS else _POLICY


def _reason(text: str) -> str:
    """Return as much of `text` as a close frame may carry: 123 bytes."""
    return text.encode()[:123].decode(errors="ignore")
