"""Stage `blink`: seeded blinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.pitch import HOP_SECONDS, inside
from a2f_batch.post.context import Context
from a2f_batch.speech import SpeechFeatures

EYES = ("eyeBlinkLeft", "eyeBlinkRight")

# Moments that are weighed against each other.
_MOMENT_SECONDS = 2 * HOP_SECONDS
# A blink may begin this long before the end of a phrase and count as being at it, or this long after it.
_BEFORE_END, _AFTER_END = 0.05, 0.25
# Reluctance to blink: at the end of a phrase, in a pause, in a dip of the loudness of speech, in its middle.
_END, _PAUSE, _DIP, _SPEECH = 0.0, 0.2, 0.5, 1.0
# A dip is as good as it gets when it lies so far under the loudest moment of the syllables around.
_DIP_DB, _SYLLABLE_SECONDS, _STEP = 20.0, 0.25, 5
# Reluctance that a moment is worth that lies at the far end of where a blink may move.
_FAR = 0.3


@dataclass(frozen=True)
class Blink:
    """Add whole blinks at random intervals: y = max(x, blink(t)); a clip without blink channels gets them.

    Intervals are uniform in least..most seconds, from a generator that depends on the line's seed alone. Where the line's sound is
    known, a blink then moves, within `look_seconds` and without leaving least..most, to where a speaker would rather blink: first to
    the end of a phrase, then to any other pause, then to a dip of the loudness between words; in the middle of a word only where
    there is nothing else. So the blinks of a line are at the same seconds at every frame rate, and in every piece of its clip.
    The lid falls and rises along half cosines, and rises more slowly. A blink that would not be over by the line's last frame is left
    out: none is ever cut.

    Source: closing takes about 100 ms, opening about 200 ms (VanderWerf et al., J. Neurophysiology 89, 2003); people who talk
    blink 15 to 30 times a minute (Bentivoglio et al., Movement Disorders 12, 1997), at the ends of phrases and in pauses (Nakano and
    Kitazawa, Exp. Brain Research 205, 2010), at word boundaries rather than inside words (Condon and Ogston, 1967).

    Attributes:
        least_interval_seconds, most_interval_seconds: bounds of the time between two blinks' starts.
        close_seconds, hold_seconds, open_seconds: the phases of one blink.
        look_seconds: how far a blink moves for a better moment; 0 leaves it where chance put it.
        amount: the lids' weight when shut.
    """

    least_interval_seconds: float = 1.6
    most_interval_seconds: float = 4.8
    close_seconds: float = 0.10
    hold_seconds: float = 0.03
    open_seconds: float = 0.20
    look_seconds: float = 1.2
    amount: float = 1.0

    def __post_init__(self) -> None:
        if not self.length_seconds < self.least_interval_seconds <= self.most_interval_seconds:
            raise ProfileError(f"Blinks of {self.length_seconds:g} s can't come every {self.least_interval_seconds:g} to "
                               f"{self.most_interval_seconds:g} s.",
                               "Give length < least_interval_seconds <= most_interval_seconds.", code="stage-parameter")

    @property
    def length_seconds(self) -> float:
        """Length of one blink."""
        return self.close_seconds + self.hold_seconds + self.open_seconds

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with blinks."""
        clip = clip.select(dict.fromkeys((*clip.names, *EYES)), missing=0.0)
        features = None if context.wave is None else context.features("blink")
        lids = self.curve(self.starts(context.random("blink"), self._last(clip, context), features), clip.times())
        return clip.adding({eye: np.maximum(lids - clip[eye], 0) for eye in EYES})

    def _last(self, clip: FaceClip, context: Context) -> float:
        """Return when the last blink has to be over: a frame of film before the end, and by the last frame, at any rate."""
        end = context.end_seconds(clip)
        return min(end - 1 / 24, end - 1 / float(clip.fps))

    def starts(self, random: np.random.Generator, last: float, features: SpeechFeatures | None = None) -> npt.NDArray[np.float64]:
        """Return when blinks begin, in seconds, so that all are over at `last`."""
        # The first one comes after a part of an interval, as if the line were cut out of a longer talk.
        soonest, begun = 0.0, -self.most_interval_seconds * random.uniform(0.3, 0.9)
        reluctance = None if features is None or self.look_seconds == 0 else _reluctance(features)
        starts: list[float] = []
        while True:  # once a blink
            due = max(begun + random.uniform(self.least_interval_seconds, self.most_interval_seconds), soonest)
            if reluctance is not None:
                due = self._better(due, max(begun + self.least_interval_seconds, 0.0), begun + self.most_interval_seconds, reluctance)
            if due + self.length_seconds > last:
                return np.array(starts)
            starts.append(due)
            begun = due

    def _better(self, due: float, soonest: float, latest: float, reluctance: npt.NDArray[np.float64]) -> float:
        """Return the moment around `due` at which the speaker is least reluctant to blink, the nearest of those."""
        first = int(np.ceil(max(soonest, due - self.look_seconds) / _MOMENT_SECONDS))
        stop = min(int(min(latest, due + self.look_seconds) / _MOMENT_SECONDS) + 1, len(reluctance))
        if first >= stop:
            return due
        moments = np.arange(first, stop) * _MOMENT_SECONDS
        return float(moments[np.argmin(reluctance[first:stop] + _FAR * np.abs(moments - due) / self.look_seconds)])

    def curve(self, starts: npt.NDArray[np.float64], times: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the lids' weight at `times`, shape (frames,)."""
        if len(starts) == 0:
            return np.zeros(len(times), dtype=np.float32)
        # Blinks never overlap: the last one begun is the only one that can be going on.
        begun = np.searchsorted(starts, times, side="right") - 1
        elapsed = np.where(begun >= 0, times - starts[np.maximum(begun, 0)], np.inf)
        lids = np.zeros(len(times), dtype=np.float32)
        going = np.flatnonzero(elapsed < self.length_seconds)
        phase = np.interp(elapsed[going], np.cumsum([0.0, self.close_seconds, self.hold_seconds, self.open_seconds]), [0, 1, 1, 2])
        lids[going] = self.amount * (0.5 - 0.5 * np.cos(np.pi * phase))
        return lids


def _reluctance(features: SpeechFeatures) -> npt.NDArray[np.float64]:
    """Return how little a speaker wants to begin a blink every `_MOMENT_SECONDS`, 0 to 1."""
    times, level = features.times()[::2], features.level[::2]
    # The loudest of the syllables around is as good when found in steps of a few windows.
    steps = np.pad(level, (0, -len(times) % _STEP), mode="edge").reshape(-1, _STEP).max(axis=1)
    reach = round(_SYLLABLE_SECONDS / _MOMENT_SECONDS / _STEP)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(steps, reach, mode="edge"), 2 * reach + 1).max(axis=1)
    depth = np.clip((np.repeat(around, _STEP)[: len(times)] - level) / _DIP_DB, 0, 1)
    reluctance = np.where(inside(times, features.stretches), _SPEECH - (_SPEECH - _DIP) * depth, _PAUSE)
    near_end = np.stack([features.phrase_ends - _BEFORE_END, features.phrase_ends + _AFTER_END], axis=1)
    # Ends lie further apart than a bridged gap, so that these do not overlap where it matters.
    near_end[:-1, 1] = np.minimum(near_end[:-1, 1], near_end[1:, 0])
    reluctance[inside(times, near_end)] = _END
    return reluctance
