"""An MP4 with sound: H.264 and AAC by PyAV, frame i shown exactly at i / fps of the sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.preview.extra import need
from a2f_batch.preview.sound import Sound

# The first that the installed PyAV has: its own wheels have x264; builds without GPL parts have the other.
_ENCODERS: dict[str, dict[str, str]] = {"libx264": {"crf": "20", "preset": "veryfast", "bf": "0"}, "libopenh264": {"b": "3M"}}
_AAC_SAMPLES = 1024


def write_film(path: Path, frames: Iterable[npt.NDArray[np.uint8]], fps: Fraction, size: tuple[int, int], sound: Sound | None) -> None:
    """Write a film.

    Every second starts with a key frame and no frame waits for a later one, so that players step and scrub exactly. One thread encodes: the
    same frames and sound give the same bytes, on any number of cores.

    Args:
        frames: sRGB, shape (height, width, 3) each; they may be the same array, overwritten.
        size: width and height, even.
        sound: None = a silent film.

    Raises:
        ExportError: PyAV is missing (code 'preview-missing') or has no encoder (code 'preview-encoder'); the file can't be written.
    """
    av: Any = need("av", "av (PyAV)", "A review video")
    encoder = next((name for name in _ENCODERS if name in av.codecs_available), None)
    if encoder is None:
        raise ExportError(f"The installed PyAV has no encoder for H.264 ({', '.join(_ENCODERS)}).",
                          "Install the one of PyPI: pip install --force-reinstall av", code="preview-encoder")
    # `replacing` keeps the file open and brings it to its place; FFmpeg writes it by name, for it goes back to put the index in front.
    with replacing(path) as file, av.open(file.name, "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as film:
        picture = film.add_stream(encoder, rate=fps, options=_ENCODERS[encoder])
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        picture.time_base = picture.codec_context.time_base = 1 / fps
        picture.codec_context.gop_size = max(round(fps), 1)
        picture.codec_context.thread_count = 1
        picture.codec_context.flags |= av.codec.context.Flags.bitexact.value
        for name, value in (("color_primaries", 1), ("color_trc", 13), ("colorspace", 1), ("color_range", 1)):  # BT.709, sRGB's curve
            setattr(picture.codec_context, name, value)
        track = _Track(av, film, sound) if sound else None
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation="FAST_BILINEAR")
            frame.pts, frame.time_base = i, 1 / fps
            film.mux(picture.encode(frame))
            if track:
                track.write_until((i + 1) / fps)
        film.mux(picture.encode(None))
        if track:
            track.close()


class _Track:
    """The sound, written along with the picture: a player need not look for it at the end."""

    def __init__(self, av: Any, film: Any, sound: Sound) -> None:
        self._av, self._film, self._sound = av, film, sound
        self._stream = film.add_stream("aac", rate=sound.rate)
        self._layout = "mono" if sound.samples.shape[1] == 1 else "stereo"
        self._stream.codec_context.layout = self._layout
        self._stream.codec_context.bit_rate = 96_000 * sound.samples.shape[1]
        self._stream.codec_context.flags |= av.codec.context.Flags.bitexact.value
        self._at = 0
        self._blocks = self._cut()

    def write_until(self, seconds: Fraction) -> None:
        """Write the blocks that begin before `seconds`."""
        while self._next_begins() < seconds and (block := next(self._blocks, None)) is not None:
            self._film.mux(self._stream.encode(block))

    def close(self) -> None:
        """Write the rest."""
        for block in self._blocks:
            self._film.mux(self._stream.encode(block))
        self._film.mux(self._stream.encode(None))

    def _next_begins(self) -> Fraction:
        return Fraction(self._at, self._sound.rate)

    def _cut(self) -> Iterator[Any]:
        while self._at < len(self._sound.samples):
            begin, self._at = self._at, self._at + _AAC_SAMPLES
            planes = np.ascontiguousarray(self._sound.samples[begin:self._at].T)
            block = self._av.AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
            block.sample_rate, block.pts, block.time_base = self._sound.rate, begin, Fraction(1, self._sound.rate)
            yield block
