"""Stage `blink`: seeded blinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context

EYES = ("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True)
class Blink:
    """Add whole blinks at random intervals: y = max(x, blink(t)); a clip without blink channels gets them.

    Intervals are uniform in least..most seconds, from a generator that depends on the line's seed alone, so the blinks of a line
    are at the same seconds at every frame rate. The lid falls and rises along half cosines, and rises more slowly. A blink that
    would not be over by the last frame is left out: none is ever cut.

    Source: closing takes about 100 ms, opening about 200 ms (VanderWerf et al., J. Neurophysiology 89, 2003); people who talk
    blink 15 to 30 times a minute (Bentivoglio et al., Movement Disorders 12, 1997).

    Attributes:
        least_interval_seconds, most_interval_seconds: bounds of the time between two blinks' starts.
        close_seconds, hold_seconds, open_seconds: the phases of one blink.
        amount: the lids' weight when shut.
    """

    least_interval_seconds: float = 1.6
    most_interval_seconds: float = 4.8
    close_seconds: float = 0.10
    hold_seconds: float = 0.03
    open_seconds: float = 0.20
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
        times = clip.times() - float(clip.start)
        lids = self.curve(self.starts(context.random("blink"), times[-1] if len(times) else 0.0), times)
        values = np.array(clip.values)
        for eye in EYES:
            column = clip.names.index(eye)
            values[:, column] = np.maximum(values[:, column], lids)
        return clip.with_values(values)

    def starts(self, random: np.random.Generator, last: float) -> npt.NDArray[np.float64]:
        """Return when blinks begin, in seconds, so that all are over at `last`."""
        count = int(last / self.least_interval_seconds) + 2
        # The first one comes after a part of an interval, as if the line were cut out of a longer talk.
        intervals = random.uniform(self.least_interval_seconds, self.most_interval_seconds, count)
        starts = np.cumsum(intervals) - intervals[0] * random.uniform(0.3, 0.9)
        return np.asarray(starts[starts + self.length_seconds <= last])

    def curve(self, starts: npt.NDArray[np.float64], times: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the lids' weight at `times`, shape (frames,)."""
        if len(starts) == 0:
            return np.zeros(len(times), dtype=np.float32)
        # Blinks never overlap: the last one begun is the only one that can be going on.
        begun = np.searchsorted(starts, times, side="right") - 1
        elapsed = np.where(begun >= 0, times - starts[np.maximum(begun, 0)], np.inf)
        phase = np.interp(elapsed, np.cumsum([0.0, self.close_seconds, self.hold_seconds, self.open_seconds]), [0, 1, 1, 2])
        return np.asarray(self.amount * (0.5 - 0.5 * np.cos(np.pi * phase)), dtype=np.float32)
