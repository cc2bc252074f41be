"""The melody of a line: contours of loudness and pitch, and the accents where both rise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]

# Energy below this counts as digital silence; keeps the logarithm finite.
FLOOR_DBFS = -100.0
#: Time between two values of a contour.
HOP_SECONDS = 0.010

# Frames analysed at a time: their spectra stay in the cache.
_FRAMES = 512


@dataclass(frozen=True)
class PitchTracker:
    """YIN on frames of the sound at half its rate.

    For a lag l, d(l) = sum_j (x[j] - x[j+l])^2 over a window, divided by the mean of d(1..l); the pitch is the first dip under
    `threshold`, refined by a parabola; a frame without such a dip is unvoiced. Correlations are computed by FFT. A median over five
    frames takes single octave slips out, and a voiced stretch of under three frames is none.

    Source: de Cheveigne and Kawahara, "YIN, a fundamental frequency estimator for speech and music", JASA 111, 2002, steps 1 to 5.

    Attributes:
        least_hz, most_hz: range of the pitch: a low man's to a child's.
        window_seconds: length of the window.
        threshold: the dip's depth, as a share; 0.1 to 0.2 in the paper.
    """

    least_hz: float = 65.0
    most_hz: float = 500.0
    window_seconds: float = 0.025
    threshold: float = 0.2

    def contour(self, samples: npt.NDArray[np.float32], rate: int) -> Curve:
        """Return the pitch in Hz, NaN where unvoiced, every 2 `HOP_SECONDS`, shape (ceil(seconds / 2 / HOP_SECONDS),).

        Args:
            samples: mono.
            rate: samples per second, at least 4 times `most_hz`.
        """
        half = np.add(samples[: len(samples) // 2 * 2: 2], samples[1::2], dtype=np.float32)  # a gentle low pass, and half the work
        rate, hop = rate // 2, round(2 * HOP_SECONDS * rate / 2)
        window, lags = round(self.window_seconds * rate), int(rate / self.least_hz) + 2
        count = -(-len(half) // hop)
        # The frame's own time is the middle of what it sees.
        before = (window + lags) // 2
        padded = np.pad(half, (before, window + lags + hop))
        seen = np.lib.stride_tricks.sliding_window_view(padded, window + lags)[::hop][:count]
        found = [self._frames(seen[first: first + _FRAMES], window, rate) for first in range(0, count, _FRAMES)]
        return _steady(np.concatenate(found)) if found else np.zeros(0)

    def _frames(self, frames: npt.NDArray[np.float32], window: int, rate: int) -> Curve:
        lags = frames.shape[1] - window
        size = -(-frames.shape[1] // 64) * 64  # no wrap-around reaches the lags; a size that FFTs like
        spectrum = np.fft.rfft(frames, size)
        start = np.fft.rfft(frames[:, :window], size)
        product = np.fft.irfft(spectrum * start.conj(), size)[:, :lags]
        running = np.cumsum(np.square(frames, dtype=np.float64), axis=1)
        energy = running[:, window - 1: window - 1 + lags].copy()
        energy[:, 1:] -= running[:, : lags - 1]
        difference = np.maximum(energy[:, :1] + energy - 2 * product, 0)
        mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, lags)
        share = np.ones_like(difference)
        np.divide(difference[:, 1:], mean, out=share[:, 1:], where=mean > 1e-12)
        least = max(int(rate / self.most_hz), 2)
        inner = share[:, least: lags - 1]
        dip = (inner < self.threshold) & (inner <= share[:, least + 1: lags]) & (inner < share[:, least - 1: lags - 2])
        lag = dip.argmax(axis=1) + least
        rows = np.arange(len(frames))
        left, middle, right = (share[rows, lag + k] for k in (-1, 0, 1))
        bend = left - 2 * middle + right
        offset = np.divide(left - right, 2 * bend, out=np.zeros(len(frames)), where=bend > 1e-12)
        return np.where(dip.any(axis=1), rate / (lag + np.clip(offset, -0.5, 0.5)), np.nan)


def levels_dbfs(samples: npt.NDArray[np.float32], hop: int) -> Curve:
    """Return the RMS level of each window of `hop` samples in dB of full scale, shape (ceil(n / hop),), at least -100."""
    padded = np.zeros(-(-len(samples) // hop) * hop, dtype=np.float32)
    padded[: len(samples)] = samples
    windows = padded.reshape(-1, hop)
    power = np.einsum("ij,ij->i", windows, windows, dtype=np.float64) / hop
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FLOOR_DBFS / 10))), dtype=np.float64)


def melody(pitch: Curve, stretches: npt.NDArray[np.float64], count: int) -> Curve:
    """Return the pitch in semitones over the line's median every `HOP_SECONDS`, carried over unvoiced sounds, shape (count,).

    Args:
        pitch: as `PitchTracker.contour` returns it.
        stretches: of speech, seconds, shape (n, 2); what is voiced outside of them is not the speaker.
    """
    times = np.arange(len(pitch)) * 2 * HOP_SECONDS
    voiced = np.isfinite(pitch) & inside(times, stretches)
    if not voiced.any():
        return np.zeros(count)
    semitones = 12 * np.log2(pitch[voiced] / np.median(pitch[voiced]))
    return np.interp(np.arange(count) * HOP_SECONDS, times[voiced], semitones)


def accents(level: Curve, tune: Curve, stretches: npt.NDArray[np.float64], *, apart_seconds: float = 0.35,
            least_rise: float = 0.25) -> npt.NDArray[np.float64]:
    """Return the accents as (seconds, strength), shape (n, 2), in order; strength is 0 to 1.

    An accent is a peak of loudness and pitch together: both are smoothed over a syllable, and their rise over their own mean of the
    surrounding second and a half is measured, 6 dB and 4 semitones counting as much. The strongest peaks are taken first, and none
    within `apart_seconds` of a stronger one.

    Args:
        level: dB of full scale every `HOP_SECONDS`.
        tune: semitones every `HOP_SECONDS`, same shape.
        stretches: of speech, seconds, shape (n, 2).
        least_rise: peaks that rise less are no accents.

    Source: prominence in speech is carried by loudness and F0 movement together (Terken, JASA 89, 1991; Kochanski et al., JASA 118,
    2005, find loudness the stronger). The weights are ours.
    """
    spoken = inside(np.arange(len(level)) * HOP_SECONDS, stretches)
    if not spoken.any():
        return np.zeros((0, 2))
    loud = np.where(spoken, level, np.percentile(level[spoken], 10))
    rise = sum((_mean(curve, 0.12) - _mean(curve, 1.5)) / unit for curve, unit in ((loud, 6.0), (np.where(spoken, tune, 0.0), 4.0)))
    rise = np.where(spoken, rise, 0.0)
    peaks = np.flatnonzero((rise[1:-1] > rise[:-2]) & (rise[1:-1] >= rise[2:]) & (rise[1:-1] > least_rise)) + 1
    apart = round(apart_seconds / HOP_SECONDS)
    kept: list[int] = []
    free = np.ones(len(level), dtype=bool)
    for peak in peaks[np.argsort(-rise[peaks], kind="stable")]:  # a few a second
        if free[peak]:
            kept.append(int(peak))
            free[max(peak - apart, 0): peak + apart + 1] = False
    kept.sort()
    strength = 1 - np.exp(-rise[kept])  # grows without ever reaching 1
    return np.stack([np.array(kept) * HOP_SECONDS, strength], axis=1) if kept else np.zeros((0, 2))


def inside(times: Curve, stretches: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Say which of `times` lie in one of `stretches`, shape (n, 2), in order and apart."""
    return np.asarray(np.searchsorted(stretches.ravel(), times, side="right") % 2 == 1)


def _steady(pitch: Curve) -> Curve:
    """Return the pitch with slips of one or two frames taken out."""
    if len(pitch) < 5:
        return pitch
    around = np.lib.stride_tricks.sliding_window_view(np.pad(pitch, 2, constant_values=np.nan), 5)
    voiced = np.isfinite(around).sum(axis=1)
    ordered = np.sort(around, axis=1)  # NaN last
    middle = ordered[np.arange(len(pitch)), np.maximum(voiced - 1, 0) // 2]
    return np.where(np.isfinite(pitch) & (voiced >= 3), middle, np.nan)


def _mean(curve: Curve, seconds: float) -> Curve:
    """Return the mean over `seconds` around each value, over what there is of them near the ends."""
    reach = round(seconds / 2 / HOP_SECONDS)
    running = np.concatenate([[0.0], np.cumsum(curve)])
    first = np.maximum(np.arange(len(curve)) - reach, 0)
    stop = np.minimum(np.arange(len(curve)) + reach + 1, len(curve))
    return np.asarray((running[stop] - running[first]) / (stop - first), dtype=np.float64)
