"""A stream as far as it has come: its sound, where it is cut, and how each piece is to be spoken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.audio import MAX_RATE, MIN_RATE
from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.render import Recipe
from a2f_batch.emotion import Envelope
from a2f_batch.serve.answers import RequestError
from a2f_batch.serve.cuts import Cutter, Piece
from a2f_batch.serve.lines import LineOptions
from a2f_batch.serve.service import Service

CHUNK_FRAMES, MAX_CHUNK_FRAMES = 10, 10_000
MAX_CHANNELS = 8

#: Profiles that dlp3d's clients ask for by the name of an avatar: the default one, unless the project has a profile of that name.
AVATARS = tuple(f"{avatar}-default" for avatar in ("KQ", "Ani", "HT", "FNN", "KL", "NXD"))

# Bytes of a sample -> what it is; dlp3d takes 8 bits as signed, unlike WAV.
_TYPES = {1: "i1", 2: "<i2", 4: "<i4"}
# dlp3d's emotions, whose offset sets are called `<emotion>_1` to `<emotion>_4` -> ours. The number counts sets, not strength.
_OFFSETS = {"happiness": "joy", "sadness": "sadness", "anger": "anger", "fear": "fear", "disgust": "disgust", "surprise": "surprise",
            "shyness": "shyness", "neutral": "neutral"}


@dataclass(frozen=True)
class _Mark:
    """An emotion from a sample of the stream on."""

    sample: int
    emotion: Envelope


class Sent:
    """What a client has sent of its stream, and not yet got back.

    Args:
        start: the stream's first message.
        options: what the protocol has no field for.
        at_silences: whether the stream is cut.

    Attributes:
        rate: samples per second.
        chunk_frames: most frames of a response.

    Raises:
        A2FError: `start` or `options` can't be used.
    """

    def __init__(self, service: Service, start: Any, options: LineOptions, *, at_silences: bool) -> None:
        if not MIN_RATE <= start.sample_rate <= MAX_RATE or start.sample_width not in _TYPES or not 1 <= start.n_channels <= MAX_CHANNELS:
            raise RequestError(
                f"A stream can't have {start.sample_rate} Hz, {start.sample_width} bytes a sample, {start.n_channels} channels.",
                f"Send {MIN_RATE} to {MAX_RATE} Hz, 1, 2 or 4 bytes, 1 to {MAX_CHANNELS} channels.", code="stream-format")
        if not 0 <= start.response_chunk_n_frames <= MAX_CHUNK_FRAMES:
            raise RequestError(f"Responses can't have {start.response_chunk_n_frames} frames.", f"Ask for 1 to {MAX_CHUNK_FRAMES}.",
                               code="stream-format")
        self._service, self._name = service, start.request_id[:200]
        self.chunk_frames: int = start.response_chunk_n_frames or CHUNK_FRAMES
        self.rate: int = start.sample_rate
        self._recipe = service.lines.recipe(replace(options, profile=self._profile(start.profile_name)))
        self._cutter = Cutter(self.rate, self._recipe.fps, at_silences=at_silences)
        self._type = np.dtype(_TYPES[start.sample_width])
        self._channels: int = start.n_channels
        self._pcm = bytearray()  # from sample `_offset` on; its last sample may not be whole yet
        self._offset = 0
        self._marks = [_Mark(0, Envelope())]
        self._done = 0  # samples whose frames are sent

    def _profile(self, name: str) -> str:
        known = self._service.lines.profiles
        return "default" if not name or (name in AVATARS and name not in known) else name

    def add(self, body: Any) -> list[Piece]:
        """Take a body; return the pieces that are complete now.

        Raises:
            RequestError: the stream is too long (codes 'audio-too-long', 'upload-too-large').
        """
        settings = self._service.settings
        self._pcm += body.pcm_bytes
        if len(self._pcm) > settings.max_bytes:
            raise RequestError(f"More than {settings.max_bytes / 2 ** 20:g} MiB of the stream came without a silence.",
                               "Send fewer channels or a lower rate, or start the service with a higher --max-mb.", code="upload-too-large")
        total = self._offset + len(self._pcm) // self._sample_bytes
        if total > settings.max_seconds * self.rate:
            raise RequestError(f"The stream is longer than {settings.max_seconds:g} s, the limit.",
                               "Send the rest as another stream, or start the service with a higher --max-seconds.", code="audio-too-long")
        self._mark(body.offset_name)
        full = np.float64(2 ** (8 * self._type.itemsize - 1))
        return list(self._cutter.add((self._between(self._cutter.total, total).mean(axis=1) / full).astype(np.float32)))

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
        samples = self._between(piece.begin, piece.end)
        return np.pad(samples, ((0, piece.end - piece.begin - len(samples)), (0, 0)))

    def recipe_of(self, piece: Piece) -> Recipe:
        """Return how to speak the piece: with the emotion at its middle, and a seed of its own."""
        middle = (piece.begin + piece.end) // 2
        emotion = [mark.emotion for mark in self._marks if mark.sample <= middle][-1]
        return replace(self._recipe, emotion=emotion, seed=(self._recipe.seed + piece.first) % (MAX_SEED + 1))

    def forget(self) -> None:
        """Drop the sound whose frames are sent."""
        if self._done > self._offset:
            del self._pcm[:(self._done - self._offset) * self._sample_bytes]
            self._offset = self._done

    @property
    def _sample_bytes(self) -> int:
        """Bytes of a sample of all channels."""
        return self._type.itemsize * self._channels

    def _between(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Return samples `begin` to `end` - 1, as far as they are whole, shape (samples, channels)."""
        size = self._sample_bytes
        content = bytes(self._pcm[(begin - self._offset) * size:(end - self._offset) * size])
        return np.frombuffer(content[:len(content) // size * size], self._type).reshape(-1, self._channels)
