"""Filters along the frames of a clip, at the speed of matrix products."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]

# Frames a product: large against the short kernels of face curves, small enough to waste little on the band's zeros.
_BLOCK = 32
# Frames at a time, a multiple of a block: what is worked on stays in the cache.
_CHUNK = 2048


class Kernel(NamedTuple):
    """y[i] = sum_k taps[k] x[i + k - reach].

    Attributes:
        taps: in the order of the frames, shape (n,).
        reach: how many of them lie before the frame itself.
    """

    taps: npt.NDArray[np.float64]
    reach: int


def gaussian(sigma: float) -> Kernel:
    """Return a Gaussian with a standard deviation of `sigma` frames, cut at 4 sigma, of sum 1."""
    reach = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return Kernel(taps / taps.sum(), reach)


def filtered(values: Values, kernels: Iterable[tuple[npt.NDArray[np.intp], Kernel]]) -> Values:
    """Return a read-only copy of `values`, shape (frames, channels), with kernels applied; the first and the last frame are held.

    A block of frames is one product of a banded matrix, the kernel shifted by a frame a row, with the frames that the block sees.

    Args:
        kernels: (columns, kernel); a column is in one pair at most. Those in none are copied.
    """
    kernels = [(columns, kernel) for columns, kernel in kernels if len(columns)]
    n_frames = len(values)
    out = values.copy()
    if n_frames and kernels:
        before = max(kernel.reach for _, kernel in kernels)
        after = max(len(kernel.taps) - 1 - kernel.reach for _, kernel in kernels)
        banded = [_banded(kernel.taps) for _, kernel in kernels]
        # Channels of one kernel side by side, and back: gathering in the cache costs less than products on scattered columns.
        untouched = np.setdiff1d(np.arange(values.shape[1]), np.concatenate([columns for columns, _ in kernels]))
        back = np.argsort(np.concatenate([*(columns for columns, _ in kernels), untouched]))
        for first in range(0, n_frames, _CHUNK):
            stop = min(first + _CHUNK, n_frames)
            begin, end = first - before, first + -(-(stop - first) // _BLOCK) * _BLOCK + after
            seen = values[max(begin, 0): end]
            if begin < 0 or end > n_frames:
                seen = np.pad(seen, ((max(-begin, 0), max(end - n_frames, 0)), (0, 0)), mode="edge")
            parts = [_convolve(seen[before - kernel.reach:].take(columns, axis=1), band, stop - first)
                     for (columns, kernel), band in zip(kernels, banded, strict=True)]
            parts.append(values[first:stop].take(untouched, axis=1))
            np.concatenate(parts, axis=1).take(back, axis=1, out=out[first:stop], mode="clip")  # 'raise' would go through a buffer
    out.setflags(write=False)
    return out


def _banded(taps: npt.NDArray[np.float64]) -> Values:
    banded = np.zeros((_BLOCK, _BLOCK + len(taps) - 1), dtype=np.float32)
    for row in range(_BLOCK):
        banded[row, row: row + len(taps)] = taps
    return banded


def _convolve(seen: Values, banded: Values, n_frames: int) -> Values:
    """Return the frames i of sum_k taps[k] seen[i + k], shape (n_frames, channels)."""
    n_channels = seen.shape[1]
    blocks = np.lib.stride_tricks.sliding_window_view(seen, (banded.shape[1], n_channels))[:n_frames: _BLOCK, 0]
    return np.asarray(np.matmul(banded, blocks), dtype=np.float32).reshape(-1, n_channels)[:n_frames]
