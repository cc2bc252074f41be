"""A line's sound for people: at its own rate, where engines hear 16 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.audio import load_audio

# What AAC has; any other rate is brought to the last one.
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_USUAL = 48000


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound; its first sample is at 0 s.

    Attributes:
        samples: shape (n, channels), 1 or 2 channels, float32, full scale -1..1.
        rate: samples per second, one that AAC has.
    """

    samples: npt.NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    def peaks(self, count: int) -> npt.NDArray[np.float32]:
        """Return the lowest and the highest sample of each of `count` equal parts, shape (count, 2)."""
        mono = self.samples.mean(axis=1)
        edges = np.linspace(0, len(mono), count + 1).astype(np.int64)
        found = np.zeros((count, 2), np.float32)
        for i, (begin, end) in enumerate(pairwise(edges)):
            some = mono[begin:max(end, begin + 1)]
            if len(some):
                found[i] = some.min(), some.max()
        return found


def read_sound(path: Path) -> Sound:
    """Read a sound file: two channels stay two, more are mixed to one.

    Raises:
        AudioError: it can't be read; see `load_audio`.
    """
    import soundfile
    import soxr

    wave = load_audio(path)  # every check, and the message of every fault
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError:  # it came by ffmpeg
        samples, rate = wave.samples[:, None], wave.rate
    if samples.shape[1] > 2:
        samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
    if rate not in _RATES:
        samples, rate = soxr.resample(samples, rate, _USUAL), _USUAL
    return Sound(np.ascontiguousarray(samples, np.float32), int(rate))
