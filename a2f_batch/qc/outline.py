"""The outline of a sound, fine enough to find a closure by eye: kept with a line's figures, so that no report decodes its sound again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BINS_PER_SECOND = 200
MAX_BINS = 6000

Edges = npt.NDArray[np.int64]
Levels = npt.NDArray[np.float32]


def outline(samples: npt.NDArray[np.float32], rate: int) -> bytes:
    """Return the largest level of each stretch of a sound, 255 at full scale: `BINS_PER_SECOND`, but at most `MAX_BINS` in all.

    Args:
        samples: mono, shape (n,).
    """
    return in_bytes(levels(samples[:, np.newaxis], edges(len(samples), rate))) if len(samples) else b""


def edges(samples: int, rate: int) -> Edges:
    """Return where the stretches of a sound begin and end, shape (stretches + 1,)."""
    bins = max(1, min(MAX_BINS, round(samples / rate * BINS_PER_SECOND), samples))
    # As np.linspace has it, which takes longer than to find the levels.
    found: Edges = np.arange(bins + 1) * samples // bins
    return found


def levels(samples: npt.NDArray[Any], stretches: Edges) -> Levels:
    """Return the largest level in each stretch of samples of shape (samples, channels), float or 16-bit; 1 at full scale.

    Raises:
        ValueError: there are fewer samples than the stretches cover, or none.
    """
    if len(samples) != stretches[-1] or not len(samples):
        raise ValueError("the file is shorter than it says")
    flat, starts = samples.reshape(-1), stretches[:-1] * samples.shape[1]
    high, low = np.maximum.reduceat(flat, starts).astype(np.float32), np.minimum.reduceat(flat, starts).astype(np.float32)
    largest: Levels = np.maximum(high, -low)
    return largest / np.float32(32_768) if samples.dtype == np.int16 else np.nan_to_num(largest)


def in_bytes(found: Levels) -> bytes:
    """Return levels as bytes; what is over full scale is cut off."""
    return bytes(np.rint(np.minimum(found, 1.0) * 255).astype(np.uint8))
