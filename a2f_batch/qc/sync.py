"""Whether a mouth does what its sound asks for, and when: an opening expected from the sound, correlated with the clip's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from a2f_batch.qc.sound import HOP_SECONDS

Curve = npt.NDArray[np.float64]

#: Shifts that are tried, to either side.
REACH_SECONDS = 0.5
_RANGE_DB = 35.0
_LEAST_HOPS = 15  # 0.3 s: less tells nothing


class Sync(NamedTuple):
    """How a mouth's opening goes with what the sound asks for.

    Attributes:
        correlation: at the best shift; None where one of the two does not move.
        lag: that shift in seconds, over 0 where the mouth is late.
        in_step: correlation without a shift.
    """

    correlation: float | None
    lag: float | None
    in_step: float | None


def expected_opening(bands: Curve) -> Curve:
    """Return how far the sound asks the mouth to open, 0 to 1, at every hop, shape (hops,).

    Args:
        bands: see `sound.Spectrum`.
    """
    level = 10 * np.log10(bands[:, 1:6].sum(axis=1) + 1e-10)
    loud = np.clip((level - np.percentile(level, 95)) / _RANGE_DB + 1, 0, 1.2)
    return np.asarray(np.convolve(loud, np.ones(5) / 5, mode="same"), dtype=np.float64)


def compare(expected: Curve, opening: Curve, times: Curve) -> Sync:
    """Return how an opening goes with the expected one.

    For each shift within `REACH_SECONDS`, Pearson's correlation over what overlaps; the best one, refined by a parabola.

    Args:
        expected: every `HOP_SECONDS` from 0 s.
        opening, times: of the clip's frames.
    """
    hops = len(expected)
    if hops < _LEAST_HOPS or len(opening) < 2:
        return Sync(None, None, None)
    seen = np.interp(np.arange(hops) * HOP_SECONDS, times, opening)
    if np.ptp(seen) < 1e-4 or np.ptp(expected) < 1e-4:
        return Sync(None, None, None)
    reach = min(round(REACH_SECONDS / HOP_SECONDS), hops // 2)
    found = correlations(expected, seen, reach)
    best = int(np.argmax(found))
    return Sync(float(found[best]), (best - reach + _vertex(found, best)) * HOP_SECONDS, float(found[reach]))


def correlations(one: Curve, other: Curve, reach: int) -> Curve:
    """Return Pearson's correlation of one[i] with other[i + shift] over what overlaps, for shifts -reach..reach."""
    one, other = one - one.mean(), other - other.mean()
    sums = [np.concatenate([[0.0], np.cumsum(curve)]) for curve in (one, other, one * one, other * other)]
    n = len(one)
    shifts = np.arange(-reach, reach + 1)
    first, stop = np.maximum(-shifts, 0), n - np.maximum(shifts, 0)
    count = stop - first
    (a, aa), (b, bb) = ([sums[i][stop + by] - sums[i][first + by] for i in pair] for pair, by in (((0, 2), 0), ((1, 3), shifts)))
    product = np.array([one[i:j] @ other[i + k: j + k] for i, j, k in zip(first, stop, shifts, strict=True)])
    spread = np.sqrt(np.maximum(aa - a * a / count, 0) * np.maximum(bb - b * b / count, 0))
    return np.asarray(np.divide(product - a * b / count, spread, out=np.zeros(len(shifts)), where=spread > 1e-9), dtype=np.float64)


def _vertex(values: Curve, at: int) -> float:
    """Return where the parabola through a maximum and its neighbours has its top, in steps from it."""
    if not 0 < at < len(values) - 1:
        return 0.0
    left, middle, right = values[at - 1: at + 2]
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
