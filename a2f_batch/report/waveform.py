"""The outline of a sound, fine enough to find a closure by eye."""

from __future__ import annotations

from pathlib import Path

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
            peaks = [_peaks(np.abs(file.read(int(some[-1] - some[0]), dtype="float32", always_2d=True)).max(axis=1), some - some[0])
                     for some in (edges[i:i + step + 1] for i in range(0, len(edges) - 1, step))]
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError):
        from a2f_batch.audio import load_audio  # ffmpeg may read it, or else there is a message to give

        wave = load_audio(path)
        peaks = [_peaks(np.abs(wave.samples), _edges(len(wave.samples), wave.rate))]
    levels: Outline = np.rint(np.nan_to_num(np.minimum(np.concatenate(peaks), 1.0)) * 255).astype(np.uint8)
    return levels


def _edges(samples: int, rate: int) -> npt.NDArray[np.int64]:
    bins = max(1, min(MAX_BINS, round(samples / rate * BINS_PER_SECOND), samples))
    edges: npt.NDArray[np.int64] = np.linspace(0, samples, bins + 1).astype(np.int64)
    return edges


def _peaks(levels: npt.NDArray[np.float32], edges: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    if len(levels) != edges[-1] or not len(levels):
        raise ValueError("the file is shorter than it says")
    return np.maximum.reduceat(levels, edges[:-1])
