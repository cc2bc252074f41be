"""Whether a mouth does what its sound asks for, and when: the curves that the sound asks for, correlated with the clip's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from a2f_batch.qc.expected import CURVES, SHARES
from a2f_batch.qc.sound import HOP_SECONDS

Curve = npt.NDArray[np.float64]

#: How much of the rest before the first and after the last speech is compared.
AROUND_SECONDS = 0.2
#: Shifts that are tried, to either side.
REACH_SECONDS = 0.4
#: Up to here a shift is a matter of taste; beyond, it must be better than none by `DOUBT_SECONDS` / length.
NEAR_SECONDS = 0.1
DOUBT_SECONDS = 0.09
#: What the best of all shifts may win by chance: this / length.
CHANCE_SECONDS = 0.12
#: Independent moments in a second of speech: about one a sound.
MOMENTS_A_SECOND = 10.0
_LEAST_DEVIATION = 0.003
_LEAST_HOPS = 15  # 0.3 s: less tells nothing


class Sync(NamedTuple):
    """How a mouth goes with what its sound asks for; None where one of the two does not move, or is too short.

    Attributes:
        correlation: at the best shift.
        lag: that shift in seconds, over 0 where the mouth is late.
        in_step: correlation without a shift.
        likeness: the most that the true correlation may plausibly be, for a short line tells little.
    """

    correlation: float | None = None
    lag: float | None = None
    in_step: float | None = None
    likeness: float | None = None


def compare(asked: Curve, shown: Mapping[str, Curve], times: Curve, stretches: Curve) -> Sync:
    """Return how a clip's curves go with those that the sound asks for.

    From the first speech to the last, for each shift within `REACH_SECONDS` and each curve: the sum of products where the two overlap, over
    the root of both curves' own sums of squares, means taken off; then the mean over the curves by `SHARES`. The best shift is the highest
    of these, where a shift of more than `NEAR_SECONDS` counts `DOUBT_SECONDS` / seconds less; from there uphill to the next top, refined
    by a parabola.

    Args:
        asked: see `expected.expected`.
        shown: see `expected.shown`.
        times: of the clip's frames, seconds.
        stretches: of speech, seconds, shape (n, 2).
    """
    if not len(stretches) or len(times) < 2:
        return Sync()
    seconds = float((stretches[:, 1] - stretches[:, 0]).sum())
    # Any mouth rests before and after: that says nothing of whose it is.
    first = max(int((stretches[0, 0] - AROUND_SECONDS) / HOP_SECONDS), 0)
    asked = asked[first: int((stretches[-1, 1] + AROUND_SECONDS) / HOP_SECONDS) + 1]
    hops = len(asked)
    if hops < _LEAST_HOPS:
        return Sync()
    at = (first + np.arange(hops)) * HOP_SECONDS
    seen = np.stack([np.interp(at, times, shown[name]) if name in shown else np.zeros(hops) for name in CURVES], axis=1)
    shares = np.array([SHARES[name] for name in CURVES]) * (seen.std(axis=0) > _LEAST_DEVIATION)
    if not shares.any():
        return Sync()
    reach = min(round(REACH_SECONDS / HOP_SECONDS), hops // 2)
    found = correlations(asked, seen, shares / shares.sum(), reach)
    shifts = np.arange(-reach, reach + 1)
    doubt = np.where(np.abs(shifts) * HOP_SECONDS > NEAR_SECONDS, DOUBT_SECONDS / seconds, 0.0)
    best = _top(found, int(np.argmax(found - doubt)))
    lag = (best - reach + _vertex(found, best)) * HOP_SECONDS
    # A line out of step is not unlike its sound for that; what a search over shifts finds by chance is taken off.
    alike = max(float(found[reach]), float(found[best]) - CHANCE_SECONDS / seconds)
    likeness = math.tanh(math.atanh(min(max(alike, -0.99), 0.99)) + 1 / math.sqrt(MOMENTS_A_SECOND * seconds))
    return Sync(float(found[best]), lag, float(found[reach]), likeness)


def correlations(asked: Curve, seen: Curve, shares: Curve, reach: int) -> Curve:
    """Return the mean correlation of asked[i] with seen[i + shift], for shifts -reach..reach, shape (2 reach + 1,).

    Args:
        asked, seen: shape (hops, curves).
        shares: of the curves in the mean; a curve of no share may stand still.
    """
    asked, seen = asked - asked.mean(axis=0), seen - seen.mean(axis=0)
    norms = np.sqrt((asked * asked).sum(axis=0) * (seen * seen).sum(axis=0))
    asked = asked * np.divide(shares, norms, out=np.zeros(len(shares)), where=(norms > 1e-12) & (shares > 0))
    flat, width = np.ascontiguousarray(seen).ravel(), seen.shape[1]
    padded = np.concatenate([np.zeros(reach * width), flat, np.zeros(reach * width)])
    one = np.ascontiguousarray(asked).ravel()
    return np.array([one @ padded[shift * width: shift * width + len(one)] for shift in range(2 * reach + 1)])


def _top(values: Curve, at: int) -> int:
    """Return the local maximum uphill from `at`; an end is one."""
    while 0 < at < len(values) - 1 and max(values[at - 1], values[at + 1]) > values[at]:
        at += 1 if values[at + 1] > values[at - 1] else -1
    return at


def _vertex(values: Curve, at: int) -> float:
    """Return where the parabola through a maximum and its neighbours has its top, in steps from it."""
    if not 0 < at < len(values) - 1:
        return 0.0
    left, middle, right = values[at - 1: at + 2]
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
