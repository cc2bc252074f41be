"""Where in a line somebody speaks, and how: an energy detector with an adaptive floor and hysteresis, and what stages hear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.pitch import FLOOR_DBFS, HOP_SECONDS, Curve, PitchTracker, accents, levels_dbfs, melody

Stretches = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpeechFeatures:
    """What post stages hear in a line; computed once and shared.

    Attributes:
        seconds: length of the sound.
        stretches: of speech, (start, stop) seconds, shape (n, 2), in order and apart.
        level: loudness in dB of full scale every `HOP_SECONDS` from 0 s.
        melody: pitch in semitones over the line's median at the same times, carried over unvoiced sounds.
        pitch: Hz every 2 `HOP_SECONDS`, NaN where unvoiced.
        accents: peaks of loudness and pitch, (seconds, strength 0..1), shape (n, 2), in order.
    """

    seconds: float
    stretches: Stretches
    level: Curve
    melody: Curve
    pitch: Curve
    accents: npt.NDArray[np.float64]

    @property
    def phrase_ends(self) -> Curve:
        """When a stretch of speech ends, in seconds."""
        return self.stretches[:, 1]

    def times(self) -> Curve:
        """Return the times of `level` and `melody` in seconds."""
        return np.arange(len(self.level)) * HOP_SECONDS


def listen(samples: npt.NDArray[np.float32], rate: int) -> SpeechFeatures:
    """Return the features of a sound.

    Args:
        samples: mono, full scale is 1.
        rate: samples per second, a multiple of 100.
    """
    level = levels_dbfs(samples, round(HOP_SECONDS * rate))
    stretches = SpeechDetector().stretches(samples, rate)
    pitch = PitchTracker().contour(samples, rate)
    tune = melody(pitch, stretches, len(level))
    return SpeechFeatures(len(samples) / rate, stretches, level, tune, pitch, accents(level, tune, stretches))


@dataclass(frozen=True)
class SpeechDetector:
    """Parameters of the detector.

    Levels are those of the sound without what is under some 200 Hz (a mean over `rumble_seconds` is taken off), each over three
    windows: the rumble of a room or a microphone, which comes and goes, would hide its pauses. A window is speech when its level passes
    an opening threshold, and stays speech until it falls under a closing one. The opening threshold lies `above_floor_db` over the noise
    floor: the 10th percentile of the levels within `floor_seconds` around, so that it follows a fan that starts in the middle of a line.
    It is never nearer than `below_speech_db` to the line's speech level (95th percentile), so that speech without any pause is not gated
    by its own quiet vowels; a floor that stands still (10th and 20th percentile within `still_db`, which quiet vowels never do) is noise
    however loud, and may come nearer. And it is never under `absolute_dbfs`. A line that is both steady (spread under `steady_db`) and
    faint (under `faint_dbfs`) is room tone: nobody speaks.

    Attributes:
        window_seconds: length and hop of the windows.
        rumble_seconds: as above; a tone of twice its inverse in Hz passes whole, of a quarter of it at -20 dB.
        above_floor_db, below_speech_db, absolute_dbfs, hysteresis_db, still_db, steady_db, faint_dbfs: as above, in decibels.
        floor_seconds: as above; the floor is found anew every eighth of it, and goes straight between.
        bridge_seconds: a gap shorter than this between two stretches of speech is speech: the hold of a stop consonant.
        least_seconds: a stretch shorter than this on its own is a click, not speech.
        breath_seconds, breath_db: a stretch shorter than this that stays so far under the speech level is a breath or a lip smack.
    """

    window_seconds: float = 0.010
    rumble_seconds: float = 0.0025
    above_floor_db: float = 15.0
    below_speech_db: float = 25.0
    absolute_dbfs: float = -60.0
    hysteresis_db: float = 6.0
    still_db: float = 1.0
    steady_db: float = 9.0
    faint_dbfs: float = -42.0
    floor_seconds: float = 4.0
    bridge_seconds: float = 0.2
    least_seconds: float = 0.03
    breath_seconds: float = 0.5
    breath_db: float = 20.0

    def stretches(self, samples: npt.NDArray[np.float32], rate: int) -> Stretches:
        """Return the stretches of speech as (start, stop) seconds, shape (n, 2), in order.

        Args:
            samples: mono, full scale is 1.
            rate: samples per second.
        """
        hop = max(1, round(self.window_seconds * rate))
        level = self._levels(samples, rate, hop)
        audible = level[level > FLOOR_DBFS + 0.01]  # digital silence is no noise floor
        if audible.size == 0:
            return np.zeros((0, 2))
        floor, speech = np.percentile(audible, [10, 95])
        if speech < self.absolute_dbfs or (speech - floor < self.steady_db and speech < self.faint_dbfs):
            return np.zeros((0, 2))
        opening = self._opening(level, hop / rate, float(speech))
        spoken = runs(level > opening - self.hysteresis_db)
        # A stretch over the closing threshold is speech only if it passes the opening one somewhere.
        loud = np.concatenate([[0], np.cumsum(level > opening)])
        spoken = spoken[loud[spoken[:, 1]] > loud[spoken[:, 0]]]
        spoken = _bridge(spoken, round(self.bridge_seconds * rate / hop))
        length = (spoken[:, 1] - spoken[:, 0]) * hop / rate
        voice = np.concatenate([[0], np.cumsum(level > speech - self.breath_db)])
        spoken = spoken[(length >= self.least_seconds) & ((length >= self.breath_seconds) | (voice[spoken[:, 1]] > voice[spoken[:, 0]]))]
        return np.asarray(spoken * (hop / rate), dtype=np.float64)

    def _levels(self, samples: npt.NDArray[np.float32], rate: int, hop: int) -> Curve:
        """Return the level of every window and its neighbours without rumble, in dB of full scale, shape (ceil(n / hop),)."""
        width = min(max(2, round(self.rumble_seconds * rate)), len(samples))
        running = np.concatenate([[0.0], np.cumsum(np.pad(samples, (width // 2, width - 1 - width // 2), mode="edge"), dtype=np.float64)])
        power = 10 ** (levels_dbfs((samples - (running[width:] - running[:-width]) / width).astype(np.float32), hop) / 10)
        power = np.pad(power, 1, mode="edge")
        return np.asarray(10 * np.log10((power[:-2] + power[1:-1] + power[2:]) / 3), dtype=np.float64)

    def _opening(self, level: Curve, hop_seconds: float, speech: float) -> Curve:
        """Return the opening threshold at every window in dB of full scale."""
        reach, step = round(self.floor_seconds / 2 / hop_seconds), max(1, round(self.floor_seconds / 8 / hop_seconds))
        # Windows at the ends reach over what there is, as long as the others; digital silence is left out (NaN sorts last).
        length = min(2 * reach + 1, len(level))
        centres = np.arange(0, len(level) + step - 1, step)
        first = np.clip(centres - reach, 0, len(level) - length)
        seen = np.sort(np.lib.stride_tricks.sliding_window_view(np.where(level > FLOOR_DBFS + 0.01, level, np.nan), length)[first], axis=1)
        count = np.isfinite(seen).sum(axis=1)
        low, above = (seen[np.arange(len(seen)), (count * share).astype(int)] for share in (0.1, 0.2))
        bound = np.where(above - low < self.still_db, speech - self.steady_db, speech - self.below_speech_db)
        opening = np.minimum(low + self.above_floor_db, bound)
        opening = np.where(count > 0, opening, self.absolute_dbfs)
        return np.interp(np.arange(len(level)), centres, np.maximum(opening, self.absolute_dbfs))


def runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the runs of True in `mask` as (start, stop), shape (n, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).astype(np.int64)


def _bridge(runs: npt.NDArray[np.int64], gap: int) -> npt.NDArray[np.int64]:
    """Join runs that are less than `gap` apart."""
    if len(runs) < 2:
        return runs
    apart = runs[1:, 0] - runs[:-1, 1] >= gap
    return np.stack([runs[np.concatenate([[True], apart]), 0], runs[np.concatenate([apart, [True]]), 1]], axis=1)
