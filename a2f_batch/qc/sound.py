"""What a line's sound measures: loudness, floor, and the spectra that lip activity is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]

HOP_SECONDS = 0.020
_GATE_LUFS, _GATE_LU = -70.0, -10.0
_BLOCK_HOPS, _STEP_HOPS = 20, 5  # 400 ms every 100 ms
_CHUNK = 48  # windows at a time: their spectra stay in the cache
# Edges of the bands in Hz: about as wide as the ear's, from the voice's first harmonics to its hiss.
BAND_HZ = (80, 300, 500, 800, 1200, 1800, 2700, 4000, 7600)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Energies of a sound in windows of 40 ms every `HOP_SECONDS`, centred there; the windows' energies add up to the sound's.

    Attributes:
        weighted: mean square of each hop after BS.1770's K-weighting, shape (hops,).
        bands: mean square of each hop in each of the bands, shape (hops, bands).
    """

    weighted: Curve
    bands: Curve


def spectrum(samples: npt.NDArray[np.float32], rate: int) -> Spectrum:
    """Return the energies of a sound.

    Args:
        samples: mono, full scale is 1.
        rate: samples per second, a multiple of 50.
    """
    hop = round(HOP_SECONDS * rate)
    count = len(samples) // hop + 1
    padded = np.zeros((count + 1) * hop, dtype=np.float32)
    padded[hop: hop + len(samples)] = samples[: count * hop]
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop]
    shape, weights = _weights(hop, rate)
    energies = np.concatenate([_squares(windows[first: first + _CHUNK] * shape) @ weights for first in range(0, len(windows), _CHUNK)])
    return Spectrum(energies[:, 0], energies[:, 1:])


def _squares(windows: Curve) -> Curve:
    """Return the squares of real and imaginary parts of spectra, side by side: their sum is left to the weights."""
    parts = np.fft.rfft(windows).view(np.float64)
    return np.square(parts, out=parts)


@lru_cache(maxsize=4)
def _weights(hop: int, rate: int) -> tuple[Curve, Curve]:
    """Return the window, shape (2 hop,), and what each square of a spectrum's parts adds to each energy, shape (2 hop + 2, 1 + bands)."""
    shape = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))  # squares of neighbours add up to 1
    hertz = np.fft.rfftfreq(2 * hop, 1 / rate)
    share = np.full(hop + 1, 2.0)
    share[[0, -1]] = 1
    share /= 2 * hop * hop  # Parseval, and the mean over a hop
    bands = [(hertz >= low) & (hertz < high) for low, high in pairwise(BAND_HZ)]
    weights = np.stack([share * k_weighting(hertz), *(share * band for band in bands)], axis=1)
    return shape, np.repeat(weights, 2, axis=0)


def k_weighting(hertz: Curve) -> Curve:
    """Return the gain of power of BS.1770's two filters, a shelf for the head and a high pass.

    Source: Recommendation ITU-R BS.1770-5, tables 1 and 2: coefficients at 48 kHz.
    """
    z = np.exp(-2j * np.pi * np.minimum(hertz, 24000) / 48000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z ** 2) / (1 - 1.69065929318241 * z + 0.73248077421585 * z ** 2)
    high_pass = (1 - 2 * z + z ** 2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z ** 2)
    return np.asarray(np.abs(shelf * high_pass) ** 2, dtype=np.float64)


def loudness(weighted: Curve) -> float | None:
    """Return the integrated loudness in LUFS of a mono sound; None where nothing passes the gate.

    Blocks of 0.4 s every 0.1 s; those under -70 LUFS are left out, then those 10 LU under the loudness of the rest. A sound shorter than
    that is one block.

    Args:
        weighted: see `Spectrum`.
    """
    running = np.concatenate([[0.0], np.cumsum(weighted)])
    if len(weighted) <= _BLOCK_HOPS:
        blocks = np.array([running[-1] / len(weighted)])
    else:
        starts = np.arange(0, len(weighted) - _BLOCK_HOPS, _STEP_HOPS)
        blocks = (running[starts + _BLOCK_HOPS] - running[starts]) / _BLOCK_HOPS
    for gate in (_GATE_LUFS, None):
        if not len(blocks) or (mean := float(blocks.mean())) <= 0:
            return None
        least = gate if gate is not None else _lufs(mean) + _GATE_LU
        blocks = blocks[blocks > 10 ** ((least + 0.691) / 10)]
    return _lufs(float(blocks.mean())) if len(blocks) else None


def quantile(ordered: Curve, share: float) -> float:
    """Return the value that a share of `ordered` (ascending, not empty) stays under; np.percentile takes longer than all else here."""
    return float(ordered[int(share * (len(ordered) - 1))])


def _lufs(mean_square: float) -> float:
    return -0.691 + 10 * float(np.log10(mean_square))
