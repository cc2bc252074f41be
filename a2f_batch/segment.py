"""Cutting a long line into pieces at its silences, which are found by energy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import AudioError

Samples = npt.NDArray[np.float32]


class Piece(NamedTuple):
    """Samples ``start`` to ``stop`` (exclusive) of a line; the first ``overlap`` of them are the end of the piece before.

    ``overlap`` is 0 at a cut in a silence; otherwise cross-fade over these samples.
    """

    start: int
    stop: int
    overlap: int = 0


def silences(samples: Samples, rate: int, *, window_seconds: float = 0.010, hop_seconds: float = 0.005, threshold: float = 1e4,
             min_interval_seconds: float = 0.5) -> list[tuple[int, int]]:
    """Return the silent intervals as (start, stop) in samples, in order, apart from each other.

    An interval is a run of windows whose energy, the mean of the squared samples, is below the threshold.

    Args:
        samples: shape (n,), full scale -1..1.
        rate: samples per second.
        threshold: in squared 16-bit units: 1e4 is an RMS of 100 of 32768 (-50 dB).
        min_interval_seconds: shorter intervals are left out.

    Source: the defaults are those of the dlp3d audio2face service's split (window 10 ms, hop 5 ms, 1e4, 0.5 s).
    """
    window, hop = max(1, round(window_seconds * rate)), max(1, round(hop_seconds * rate))
    if not len(samples):
        return []
    # Energies of cells that both window and hop are whole numbers of, so that sums of windows are differences of one running sum.
    cell = math.gcd(window, hop)
    whole = len(samples) // cell * cell
    cells = samples[:whole].reshape(-1, cell)
    energy = np.einsum("ij,ij->i", cells, cells, dtype=np.float64)
    rest = samples[whole:].astype(np.float64)
    energy = np.append(energy, rest @ rest) if len(rest) else energy
    running = np.concatenate(([0.0], np.cumsum(energy)))
    # The last window ends with the line, and may be shorter than the others.
    starts = np.arange(0, max(len(samples) - window, 0) + hop, hop)
    stops = np.minimum(starts + window, len(samples))
    starts, stops = starts[starts < stops], stops[starts < stops]
    sums = running[-(-stops // cell)] - running[starts // cell]
    quiet = sums * 32768.0 ** 2 < threshold * (stops - starts)
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False))
    intervals = zip(starts[edges[::2]], stops[edges[1::2] - 1], strict=True)
    least = min_interval_seconds * rate
    return [(int(start), int(stop)) for start, stop in intervals if stop - start >= least]


def split(samples: Samples, rate: int, *, max_seconds: float = 25.0, overlap_seconds: float = 5.0,
          min_interval_seconds: float = 0.5, **energy: Any) -> list[Piece]:
    """Return pieces of at most `max_seconds` that cover the line without a gap, each as long as possible.

    A line up to `max_seconds` is one piece. A longer one is cut in the middle of the last silence that the limit allows (a silence
    that goes on past the limit, at the limit). A silence is usable if its cut lies at least `overlap_seconds` behind the piece's
    start; nearer, a cut gains nothing. Where there is none, the next piece starts `overlap_seconds` before the limit and overlaps.

    Args:
        samples: shape (n,), full scale -1..1.
        rate: samples per second.
        min_interval_seconds, energy: as for `silences`; a cut keeps half of the interval clear on both sides.

    Raises:
        AudioError: max_seconds or overlap_seconds leave no step forward (code 'segment-options').
    """
    limit, overlap = round(max_seconds * rate), round(overlap_seconds * rate)
    if not 0 <= overlap < limit:
        raise AudioError(f"A line can't be split into pieces of {max_seconds} s that overlap by {overlap_seconds} s.",
                         "Give a positive length and an overlap below it.", code="segment-options")
    if len(samples) <= limit:
        return [Piece(0, len(samples))]
    found = silences(samples, rate, min_interval_seconds=min_interval_seconds, **energy)
    intervals = np.array(found, dtype=np.int64).reshape(-1, 2)
    middles = intervals.sum(axis=1) // 2
    clear = int(min_interval_seconds * rate) // 2
    firsts, lasts = intervals[:, 0] + clear, intervals[:, 1] - clear
    pieces: list[Piece] = []
    start = shared = 0
    while len(samples) - start > limit:
        end, soonest = start + limit, start + max(overlap, 1)
        cuts = np.minimum(np.where(middles >= soonest, middles, lasts), end)
        usable = cuts[(cuts >= soonest) & (cuts >= firsts)]
        stop = int(usable.max()) if len(usable) else end
        pieces.append(Piece(start, stop, shared))
        shared = 0 if len(usable) else overlap
        start = stop - shared
    return [*pieces, Piece(start, len(samples), shared)]
