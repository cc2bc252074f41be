"""Where in a line somebody speaks: an energy detector with an adaptive floor and hysteresis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Energy below this counts as digital silence; keeps the logarithm finite.
_FLOOR_DBFS = -100.0


@dataclass(frozen=True)
class SpeechDetector:
    """Parameters of the detector.

    A window is speech when its level passes an opening threshold, and stays speech until it falls under a closing one. The opening
    threshold lies `above_floor_db` over the line's own noise floor (10th percentile of its levels), but never nearer than
    `below_speech_db` to its speech level (95th percentile), so that a line without any pause is not gated by its own quiet vowels,
    and never under `absolute_dbfs`. A line that is both steady (spread under `steady_db`) and faint (under `faint_dbfs`) is room
    tone: nobody speaks in it.

    Attributes:
        window_seconds: length and hop of the windows.
        above_floor_db, below_speech_db, absolute_dbfs, hysteresis_db, steady_db, faint_dbfs: as above, in decibels.
        bridge_seconds: a gap shorter than this between two stretches of speech is speech: the hold of a stop consonant.
        least_seconds: a stretch shorter than this on its own is a click, not speech.
    """

    window_seconds: float = 0.010
    above_floor_db: float = 12.0
    below_speech_db: float = 25.0
    absolute_dbfs: float = -60.0
    hysteresis_db: float = 6.0
    steady_db: float = 9.0
    faint_dbfs: float = -42.0
    bridge_seconds: float = 0.2
    least_seconds: float = 0.03

    def stretches(self, samples: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
        """Return the stretches of speech as (start, stop) seconds, shape (n, 2), in order.

        Args:
            samples: mono, full scale is 1.
            rate: samples per second.
        """
        hop = max(1, round(self.window_seconds * rate))
        level = levels_dbfs(samples, hop)
        audible = level[level > _FLOOR_DBFS]  # digital silence is no noise floor
        if audible.size == 0:
            return np.zeros((0, 2))
        floor, speech = np.percentile(audible, [10, 95])
        if speech < self.absolute_dbfs or (speech - floor < self.steady_db and speech < self.faint_dbfs):
            return np.zeros((0, 2))
        opening = max(min(floor + self.above_floor_db, speech - self.below_speech_db), self.absolute_dbfs)
        spoken = _runs(level > opening - self.hysteresis_db)
        # A stretch over the closing threshold is speech only if it passes the opening one somewhere.
        loud = np.concatenate([[0], np.cumsum(level > opening)])
        spoken = spoken[loud[spoken[:, 1]] > loud[spoken[:, 0]]]
        spoken = _bridge(spoken, round(self.bridge_seconds * rate / hop))
        spoken = spoken[spoken[:, 1] - spoken[:, 0] >= self.least_seconds * rate / hop]
        return np.asarray(spoken * (hop / rate), dtype=np.float64)


def levels_dbfs(samples: npt.NDArray[np.float32], hop: int) -> npt.NDArray[np.float64]:
    """Return the RMS level of each window of `hop` samples in dB of full scale, shape (ceil(n / hop),), at least -100."""
    padded = np.zeros(-(-len(samples) // hop) * hop, dtype=np.float32)
    padded[: len(samples)] = samples
    windows = padded.reshape(-1, hop)
    power = np.einsum("ij,ij->i", windows, windows, dtype=np.float64) / hop
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DBFS / 10))), dtype=np.float64)


def _runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the runs of True in `mask` as (start, stop), shape (n, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).astype(np.int64)


def _bridge(runs: npt.NDArray[np.int64], gap: int) -> npt.NDArray[np.int64]:
    """Join runs that are less than `gap` apart."""
    if len(runs) < 2:
        return runs
    apart = runs[1:, 0] - runs[:-1, 1] >= gap
    return np.stack([runs[np.concatenate([[True], apart]), 0], runs[np.concatenate([apart, [True]]), 1]], axis=1)
