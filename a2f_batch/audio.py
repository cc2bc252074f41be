"""Voice lines in: any sound file, or an array, to mono float32 at 16 kHz."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch import containers, ffmpeg
from a2f_batch.errors import AudioError
from a2f_batch.rates import Rate, frame_count, parse_fps
from a2f_batch.riff import SoundHeader

SAMPLE_RATE = 16000
MIN_RATE, MAX_RATE = 1000, 768000
MAX_SECONDS = 4 * 3600
SILENT_PEAK = 2.0 ** -15  # one step of 16 bits: dither round zero is silence too

_BLOCK_FRAMES = 1 << 16
_AT_PEAK = 0.9995  # of the peak: the dither of a sound that was clipped and then made quieter stays within
_MAX_CHANNELS = 64
# libsndfile's frame count for a stream that does not state one is the largest int64.
_UNKNOWN_FRAMES = 1 << 62
# Decoders drop up to two frames of 1152 samples at an MP3's ends; a cut file is told by its Xing header's byte count.
_MP3_SLACK_FRAMES = 2 * 1152

Samples: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SourceFacts:
    """Where a waveform came from.

    Args:
        path: the file as it was given, None for an array.
        rate: samples per second of the source.
        channels: number of channels of the source.
        frames: samples per channel of the source, as decoded.
        format: container and coding, such as 'WAV PCM_16'; 'array' for an array.
        peak: largest sample of any channel, before mixing and resampling; 1 is full scale.
        clipped: share of the samples that lie on flat tops: three and more on end, in one channel, at the line's peak.
    """

    path: str | None
    rate: int
    channels: int
    frames: int
    format: str
    peak: float = 0.0
    clipped: float = 0.0

    @property
    def duration(self) -> Fraction:
        """Length in seconds, exactly."""
        return Fraction(self.frames, self.rate)


@dataclass(frozen=True, eq=False)
class Waveform:
    """One voice line, ready for an engine. Immutable; pickles.

    Args:
        samples: shape (n,), float32, mono at `rate`, full scale -1..1 (lossy codecs may go beyond), finite, read-only;
            n = round(source.frames * rate / source.rate).
        source: facts of the file or array; frame counts come from these.
        rate: samples per second of `samples`: 16000.
        warnings: codes of what was odd and accepted: 'streamed-wav' (length not in the header), 'unended-ogg' (no end mark,
            the recording may have stopped early), 'all-silent' (nothing above one 16-bit step).
    """

    samples: Samples
    source: SourceFacts
    rate: int = SAMPLE_RATE
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim != 1:
            raise _error(self.source.path, f"samples have the shape {samples.shape}", "Give mono samples of shape (n,).", "audio-samples")
        if len(samples) and not (np.isfinite(samples.min()) and np.isfinite(samples.max())):
            raise _error(self.source.path, "its samples are too large to resample", "Scale them to -1..1.", "audio-not-finite")
        if samples.flags.writeable:  # somebody may still write to it
            samples = samples.copy()
            samples.setflags(write=False)
        object.__setattr__(self, "samples", samples)

    def __reduce__(self) -> tuple[object, ...]:
        # By way of __post_init__, because arrays come out of a pickle writable.
        return type(self), (self.samples, self.source, self.rate, self.warnings)

    def __repr__(self) -> str:
        return f"Waveform({float(self.duration):.3f} s of {self.source.path or 'an array'})"

    @property
    def duration(self) -> Fraction:
        """Length of the source in seconds, exactly."""
        return self.source.duration

    def frame_count(self, fps: Rate) -> int:
        """Return the number of animation frames: the source's samples / rate * fps, rounded once, ties to even."""
        return frame_count(self.source.frames, self.source.rate, parse_fps(fps))

    @classmethod
    def from_samples(cls, samples: npt.ArrayLike, rate: int, *, channel: str | int = "mix", path: str | None = None) -> Waveform:
        """Return a waveform of samples in memory, with the checks of `load_audio`.

        Args:
            samples: shape (n,) or (n, channels); floats of full scale -1..1, or integers of their type's full scale.
            rate: samples per second.
            channel: as for `load_audio`.
            path: name for reports.

        Raises:
            AudioError: codes 'audio-samples', 'audio-rate', 'audio-empty', 'audio-not-finite', 'audio-channel', 'audio-too-long'.
        """
        array = np.asarray(samples)
        array = array[:, np.newaxis] if array.ndim == 1 else array
        if array.ndim != 2 or not 1 <= array.shape[1] <= _MAX_CHANNELS or array.dtype.kind not in "fiu":
            raise _error(path, f"samples have the shape {np.shape(samples)} and the type {array.dtype}",
                         f"Give real numbers of shape (n,) or (n, channels), at most {_MAX_CHANNELS} channels.", "audio-samples")
        _check_rate(path, rate)
        _check_length(path, len(array), rate)
        line = _Line(path, rate, array.shape[1], channel)
        for block in _array_blocks(array):
            line.add(block)
        return line.finish("array")


def load_audio(path: str | os.PathLike[str], *, channel: str | int = "mix", max_seconds: float = MAX_SECONDS) -> Waveform:
    """Return the sound of a file as mono float32 at 16 kHz, resampled by soxr (VHQ).

    libsndfile reads wav (8 to 32 bit, float, ADPCM, RF64), flac, ogg, opus, mp3, aiff, au, caf; ffmpeg the rest (m4a, aac, wma,
    the sound of videos). Files are decoded in blocks: beside the result, no more than a block is held by libsndfile's formats.

    Args:
        path: the file.
        channel: 'mix' (mean of all), 'left', 'right', or a channel's index from 0.
        max_seconds: a longer sound is refused; at most 4 hours.

    Raises:
        AudioError: 'audio-missing', 'audio-not-a-file', 'audio-permission'; 'audio-empty' (no bytes, or no samples),
            'audio-unreadable', 'audio-truncated' (the file ends before its header says, or decoding breaks off), 'audio-not-finite'
            (NaN or infinity), 'audio-rate' (not 1000..768000 Hz), 'audio-channel', 'audio-too-long' (over `max_seconds`),
            'audio-no-track', 'audio-no-ffmpeg', 'audio-no-pydub'.
    """
    name = os.fspath(path)
    header, start = _inspect(name)
    if header.empty:
        raise _empty(name)
    if header.rate is not None:
        _check_rate(name, header.rate)
    if header.missing:
        raise _truncated(name, f"at least {header.missing} bytes that its header declares are missing")
    line, form = _read_file(name, header, start, channel, min(max_seconds, MAX_SECONDS))
    odd = [code for code, met in (("streamed-wav", header.streamed), ("unended-ogg", header.unended)) if met]
    return line.finish(form, odd)


def _inspect(name: str) -> tuple[SoundHeader, bytes]:
    """Return what the file's header declares, and its first 16 bytes."""
    try:
        mode = os.stat(name).st_mode
        if not stat.S_ISREG(mode):  # opening a named pipe would wait for ever
            raise _error(name, "is a folder" if stat.S_ISDIR(mode) else "is not a regular file", "Name a sound file.", "audio-not-a-file")
        with open(name, "rb") as file:
            start = file.read(16)
            header = containers.read_header(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero character in the name
        raise _error(name, "does not exist", "Put the file there, or correct the path.", "audio-missing") from None
    except PermissionError:
        raise _error(name, "may not be read by this user", "Change its permissions, or copy it.", "audio-permission") from None
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    if not start:
        raise _error(name, "is empty (0 bytes)", "Copy or export it again.", "audio-empty")
    if os.path.splitext(name)[1].lower() in (".raw", ".pcm"):
        raise _unreadable(name, "headerless sound does not say its rate and coding")
    return header, start


def _read_file(name: str, header: SoundHeader, start: bytes, channel: str | int, max_seconds: float) -> tuple[_Line, str]:
    import soundfile

    class ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
        """One pass from start to end: soundfile seeks after each read, which fails at the end of FLAC without a stated length."""

        def seekable(self) -> bool:
            return False

    # A path where possible: libsndfile then reads the file itself, without calling back into Python.
    source: str | bytes = os.fsencode(name) if os.name == "posix" else name
    with open(name, "rb") as plain:
        whole = containers.mended(plain, header)
    try:
        file = ForwardFile(whole or source)
    except soundfile.LibsndfileError as error:
        if containers.needs_ffmpeg(start, os.path.splitext(name)[1]):
            return _read_by_ffmpeg(name, channel, max_seconds)
        raise _unreadable(name, _reason(error)) from None
    with file:
        if file.format == "RAW":  # libsndfile takes any bytes for sound behind suffixes such as .vox and .gsm
            raise _unreadable(name, "headerless sound does not say its rate and coding")
        _check_rate(name, file.samplerate)
        expected = _expected_frames(file, header)
        _check_length(name, expected or 0, file.samplerate, max_seconds)
        line = _Line(name, file.samplerate, file.channels, channel, max_seconds)
        try:
            for block in _file_blocks(file, expected):
                line.add(block)
        except soundfile.LibsndfileError as error:
            raise _broken_off(line, expected, _reason(error)) from None
        slack = _MP3_SLACK_FRAMES if file.format == "MP3" else 0
        if expected is not None and line.frames < expected - slack:
            raise _broken_off(line, expected, "no more sound in the file")
        return line, f"{file.format} {file.subtype}"


def _expected_frames(file: Any, header: SoundHeader) -> int | None:
    """Return the samples per channel that the file declares, None if it doesn't."""
    if header.endless or file.frames > _UNKNOWN_FRAMES:
        return None
    declared = int(file.frames)
    # ADPCM fills its last block; the 'fact' chunk knows where the sound ends. libsndfile writes a wrong one for stereo IMA.
    if header.frames and 0 <= declared - header.frames < header.block_frames:
        return header.frames
    return declared


def _file_blocks(file: Any, expected: int | None) -> Iterator[Samples]:
    buffer = np.empty((_BLOCK_FRAMES, file.channels), dtype=np.float32)
    left = expected
    while len(block := file.read(out=buffer if left is None else buffer[:left])):
        left = left if left is None else left - len(block)
        yield block


def _read_by_ffmpeg(name: str, channel: str | int, max_seconds: float) -> tuple[_Line, str]:
    samples, rate, codec = ffmpeg.decode(name, max_seconds=max_seconds)
    _check_rate(name, rate)
    line = _Line(name, rate, samples.shape[1], channel, max_seconds)
    for block in _array_blocks(samples):
        line.add(block)
    return line, f"ffmpeg {codec}"


def _array_blocks(array: npt.NDArray[Any]) -> Iterator[Samples]:
    """Yield blocks of shape (frames, channels) as float32 of full scale -1..1."""
    zero, full = np.float32(0), np.float32(1)
    if array.dtype.kind in "iu":
        full = np.float32((int(np.iinfo(array.dtype).max) + 1) // (1 if array.dtype.kind == "i" else 2))
        zero = full if array.dtype.kind == "u" else zero
    for at in range(0, len(array), _BLOCK_FRAMES):
        with np.errstate(over="ignore"):  # a double too large for float32 becomes infinity, and is refused as that
            block = array[at:at + _BLOCK_FRAMES].astype(np.float32)
        yield block if array.dtype.kind == "f" else (block - zero) / full


class _Line:
    """Mixes and resamples blocks of one source, and watches what passes."""

    def __init__(self, path: str | None, rate: int, channels: int, channel: str | int, max_seconds: float = MAX_SECONDS) -> None:
        self.path, self.rate, self.channels = path, rate, channels
        self._max_seconds = max_seconds
        self.frames = 0
        self._channel = _channel_index(path, channels, channel)
        self._parts: list[Samples] = []
        self._low = self._high = 0.0
        self._tops: list[tuple[float, int]] = []  # of each block: peak, samples on flat tops there
        self._resampler: Any = None
        if rate != SAMPLE_RATE:
            import soxr
            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ")

    def add(self, block: Samples) -> None:
        """Take the next samples, shape (frames, channels)."""
        mono = _mono(block, self._channel)
        low, high = float(mono.min()), float(mono.max())
        if not (np.isfinite(low) and np.isfinite(high)):  # min and max hand on NaN
            at = (self.frames + int(np.flatnonzero(~np.isfinite(mono))[0])) / self.rate
            raise _error(self.path, f"holds a sample that is not a finite number (NaN or infinity), the first at {at:.3f} s",
                         "Find out what wrote it; export the sound again.", "audio-not-finite")
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._tops.append(_flat_tops(mono[:, np.newaxis] if block.shape[1] == 1 else block))
        self.frames += len(block)
        _check_length(self.path, self.frames, self.rate, self._max_seconds)
        self._parts.append(mono if self._resampler is None else self._resampler.resample_chunk(mono))

    def finish(self, form: str, odd: list[str] | None = None) -> Waveform:
        """Return the whole line."""
        if not self.frames:
            raise _empty(self.path)
        if self._resampler is not None:
            self._parts.append(self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        samples = np.concatenate(self._parts)
        length = round(Fraction(self.frames * SAMPLE_RATE, self.rate))
        if len(samples) != length:  # the resampler's own rounding, at most a sample or two
            samples = np.pad(samples[:length], (0, max(0, length - len(samples))))
        samples.setflags(write=False)
        silent = max(self._high, -self._low) <= SILENT_PEAK
        warnings = (*(odd or ()), *(("all-silent",) if silent else ()))
        peak = max(top for top, _ in self._tops)
        clipped = sum(count for top, count in self._tops if top >= _AT_PEAK * peak) / (self.frames * self.channels)
        return Waveform(samples, SourceFacts(self.path, self.rate, self.channels, self.frames, form, peak, clipped), warnings=warnings)


def _flat_tops(block: Samples) -> tuple[float, int]:
    """Return the peak of all channels, and how many samples lie, three and more on end, at it."""
    size = np.abs(block)
    peak = float(size.max())
    at = size >= np.float32(_AT_PEAK * peak)
    if peak == 0 or np.count_nonzero(at) < 3:
        return peak, 0
    count = 0
    for channel, value in zip(at.T, block.T, strict=True):
        where = np.flatnonzero(channel)
        # Neighbours of one sign; a square wave's edge parts two tops.
        starts = np.flatnonzero(np.concatenate([[True], (np.diff(where) > 1) | (np.diff(np.signbit(value[where]).astype(np.int8)) != 0)]))
        lengths = np.diff(np.append(starts, len(where)))
        count += int(lengths[lengths >= 3].sum())
    return peak, count


def _mono(block: Samples, channel: int | None) -> Samples:
    """Return one channel, or the mean of all. Always an array of its own, because the reader fills `block` again."""
    mono = block[:, channel or 0].copy()
    if channel is None and block.shape[1] > 1:
        with np.errstate(over="ignore", invalid="ignore"):  # infinity minus infinity is refused by the caller
            for other in range(1, block.shape[1]):
                mono += block[:, other]
            mono /= block.shape[1]
    return mono


def _channel_index(path: str | None, channels: int, channel: str | int) -> int | None:
    """Return the index that a channel policy means, None for the mix."""
    if channel == "mix":
        return None
    index = {"left": 0, "right": 1}.get(str(channel), int(channel) if str(channel).isdecimal() else -1)
    if not 0 <= index < channels:
        names = "'mix', 'left', 'right'" if channels > 1 else "'mix', 'left'"
        raise _error(path, f"has {channels} channel{'s' * (channels > 1)}; channel {channel!r} is not one of them",
                     f"Ask for {names} or an index from 0 to {channels - 1}.", "audio-channel")
    return index


def _check_rate(path: str | None, rate: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE or rate != int(rate):
        raise _error(path, f"its sample rate is {rate} Hz", f"Give a whole rate from {MIN_RATE} to {MAX_RATE} Hz; export the sound again.",
                     "audio-rate")


def _check_length(path: str | None, frames: int, rate: int, max_seconds: float = MAX_SECONDS) -> None:
    if frames > max_seconds * rate:
        limit = f"{MAX_SECONDS // 3600} hours" if max_seconds == MAX_SECONDS else f"{max_seconds:g} s"
        raise _error(path, f"is longer than {limit}, the limit for one line", "Cut it into lines.", "audio-too-long")


def _broken_off(line: _Line, expected: int | None, reason: str) -> AudioError:
    of = "" if expected is None else f" of {expected / line.rate:.2f} s"
    return _truncated(line.path, f"decoding breaks off after {line.frames / line.rate:.2f} s{of} ({reason})")


def _reason(error: Any) -> str:
    return str(error.error_string).removeprefix("Error : ").rstrip(".")


def _truncated(path: str | None, why: str) -> AudioError:
    return _error(path, f"is cut short or damaged: {why}", "Copy or export it again.", "audio-truncated")


def _empty(path: str | None) -> AudioError:
    return _error(path, "has no samples", "Export it again, or take the line out.", "audio-empty")


def _unreadable(path: str, why: str) -> AudioError:
    return _error(path, f"can't be read as sound: {why}", "Check that it is a sound file and plays elsewhere; export it again.",
                  "audio-unreadable")


def _error(path: str | None, problem: str, remedy: str, code: str) -> AudioError:
    return AudioError(f"Audio file '{path}': {problem}." if path is not None else f"Audio samples: {problem}.", remedy, code=code)
