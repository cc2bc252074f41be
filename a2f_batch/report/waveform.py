"""The outline of a sound, fine enough to find a closure by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BINS_PER_SECOND = 200
MAX_BINS = 6000

_BLOCK_SAMPLES = 1 << 18

Outline = npt.NDArray[np.uint8]


def outline(path: Path) -> Outline:
    """Return the largest level of each stretch of a sound file, 255 at full scale: `BINS_PER_SECOND`, but at most `MAX_BINS` in all.

    Raises:
        AudioError: it can't be read.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:  # nothing is resampled, and of a long file no more than a block is held
            edges = _edges(file.frames, file.samplerate)
            step = max(1, _BLOCK_SAMPLES // max(1, int(np.diff(edges).max())))
            # Whole numbers of no more bits than a picture needs, where the file has such: of float files they would be cut off.
            kind = "int16" if file.subtype.startswith("PCM_") else "float32"
            peaks = [_peaks(file.read(int(some[-1] - some[0]), dtype=kind, always_2d=True), some - some[0])
                     for some in (edges[i:i + step + 1] for i in range(0, len(edges) - 1, step))]
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError):
        from a2f_batch.audio import load_audio  # ffmpeg may read it, or else there is a message to give

        wave = load_audio(path)
        peaks = [_peaks(wave.samples[:, np.newaxis], _edges(len(wave.samples), wave.rate))]
    levels: Outline = np.rint(np.minimum(np.concatenate(peaks), 1.0) * 255).astype(np.uint8)
    return levels


def _edges(samples: int, rate: int) -> npt.NDArray[np.int64]:
    bins = max(1, min(MAX_BINS, round(samples / rate * BINS_PER_SECOND), samples))
    edges: npt.NDArray[np.int64] = np.linspace(0, samples, bins + 1).astype(np.int64)
    return edges


def _peaks(samples: npt.NDArray[Any], edges: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the largest level in each stretch of samples of shape (samples, channels), 1 at full scale."""
    if len(samples) != edges[-1] or not len(samples):
        raise ValueError("the file is shorter than it says")
    flat, starts = samples.reshape(-1), edges[:-1] * samples.shape[1]
    high, low = np.maximum.reduceat(flat, starts).astype(np.float32), np.minimum.reduceat(flat, starts).astype(np.float32)
    largest: npt.NDArray[np.float32] = np.maximum(high, -low)
    return largest / np.float32(32_768) if samples.dtype == np.int16 else np.nan_to_num(largest)
